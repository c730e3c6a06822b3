// What an answer of ours holds, and what it never does.
import { status as grpcStatus } from "@grpc/grpc-js";
import { expect } from "chai";
import { errorAnswer, grpcError, oauthErrorAnswer } from "../../core/error-answer.js";
import { ERRORS, errorRow, SchakelError, type Domain, type ErrorCode } from "../../core/errors.js";
import { newTransactionId } from "../../core/names.js";

const DOMAINS: readonly Domain[] = ["outway", "inway", "manager", "directory"];
const uses = (Object.keys(ERRORS) as ErrorCode[]).flatMap((code) =>
  DOMAINS.filter((domain) => errorRow(code).at[domain] !== undefined).map((domain) => ({
    code,
    domain,
  })),
);
const SECRET = "10.0.0.7:5432 refused";

const bodyOf = (body: Buffer): Record<string, unknown> =>
  JSON.parse(body.toString()) as Record<string, unknown>;

describe("core/error-answer", () => {
  for (const { code, domain } of uses) {
    it(`answers ${code} of the ${domain} with status, header and body, and without its cause`, () => {
      const id = newTransactionId();
      const error = new SchakelError(code, { detail: "found x", cause: new Error(SECRET) });
      const { status, headers, body } = errorAnswer(error, domain, id);
      const row = errorRow(code);
      expect(status).to.equal(row.status);
      const lines = new Map(headers);
      expect(lines.get("Fsc-Error-Code")).to.equal(code);
      expect(lines.get("Fsc-Transaction-Id")).to.equal(id);
      expect(lines.get("Content-Length")).to.equal(String(body.length));
      expect(lines.get("Content-Type")).to.equal("application/json");
      expect(lines.get("WWW-Authenticate")).to.equal(row.status === 401 ? "Bearer" : undefined);
      expect(bodyOf(body)).to.deep.equal({
        message: `${row.text}: found x`,
        domain: `ERROR_DOMAIN_${domain.toUpperCase()}`,
        code,
        location: row.at[domain],
        transaction_id: id,
        hint: row.hint,
      });
      expect(JSON.stringify({ headers, body: body.toString() })).to.not.include("10.0.0.7");
    });
  }

  it("leaves the transaction id out where there is none", () => {
    const { headers, body } = errorAnswer(new SchakelError("ERROR_CODE_INTERNAL"), "inway");
    expect(new Map(headers).has("Fsc-Transaction-Id")).to.equal(false);
    expect(bodyOf(body)).to.not.have.property("transaction_id");
  });

  it("names at most ten choices", () => {
    const choices = Array.from({ length: 30 }, (_, n) => `peer ${String(n)}`);
    const error = new SchakelError("ERROR_CODE_PEER_NOT_FOUND", { choices });
    expect(bodyOf(errorAnswer(error, "outway").body)["choices"]).to.deep.equal(
      choices.slice(0, 10),
    );
  });

  it("keeps a detail with line ends and quotes inside the body", () => {
    const detail = 'x"\r\nSet-Cookie: a=b\r\n\r\n<script>';
    const answer = errorAnswer(
      new SchakelError("ERROR_CODE_ADDRESS_INVALID", { detail }),
      "outway",
    );
    expect(String(bodyOf(answer.body)["message"])).to.include(detail);
    expect(answer.headers.flat().some((text) => /[\r\n]/.test(text))).to.equal(false);
  });

  it("says which methods there are when one is not supported", () => {
    const answer = errorAnswer(new SchakelError("ERROR_CODE_METHOD_UNSUPPORTED"), "outway");
    expect(new Map(answer.headers).get("Allow")).to.match(/^GET, /);
  });

  it("lists the methods that the error names", () => {
    const error = new SchakelError("ERROR_CODE_METHOD_UNSUPPORTED", { choices: ["GET", "POST"] });
    expect(new Map(errorAnswer(error, "manager").headers).get("Allow")).to.equal("GET, POST");
  });

  it("answers an OAuth error with 400, in the characters of RFC 6749, for nobody to keep", () => {
    const description = 'a "b" \\ c\r\nX: y \u{1f600}\u00e9';
    const { status, headers, body } = oauthErrorAnswer("invalid_scope", description);
    expect(status).to.equal(400);
    expect(bodyOf(body)).to.deep.equal({
      error: "invalid_scope",
      error_description: "a 'b' / c??X: y ??",
    });
    const lines = new Map<string, string>(headers.map(([name, value]) => [name, value]));
    expect(lines.get("Cache-Control")).to.equal("no-store");
    expect(lines.get("Content-Length")).to.equal(String(body.length));
    expect(lines.has("Fsc-Error-Code")).to.equal(false);
  });

  const statuses: readonly (readonly [ErrorCode, grpcStatus])[] = [
    ["ERROR_CODE_ANNOUNCEMENT_INVALID", grpcStatus.INVALID_ARGUMENT],
    ["ERROR_CODE_ANNOUNCEMENT_OUTDATED", grpcStatus.FAILED_PRECONDITION],
    ["ERROR_CODE_PEER_NOT_FOUND", grpcStatus.NOT_FOUND],
    ["ERROR_CODE_LIMIT_EXCEEDED", grpcStatus.RESOURCE_EXHAUSTED],
    ["ERROR_CODE_INTERNAL", grpcStatus.INTERNAL],
  ];
  for (const [code, status] of statuses) {
    it(`gives ${code} over gRPC the status ${grpcStatus[status]}, without its cause`, () => {
      const error = new SchakelError(code, { cause: new Error(SECRET) });
      const answer = grpcError(error, "directory");
      expect(answer.code).to.equal(status);
      expect(answer.metadata?.get("fsc-error-code")).to.deep.equal([code]);
      const [body] = answer.metadata?.get("schakel-error-bin") ?? [];
      expect(bodyOf(body as Buffer)).to.include({ code, domain: "ERROR_DOMAIN_DIRECTORY" });
      expect(`${String(body)}${String(answer.details)}`).to.not.include("10.0.0.7");
    });
  }
});
