// Error answers of real processes, compared with everything that the table of errors fixes.
import { expect } from "chai";
import { errorRow, type Domain, type ErrorCode } from "../../core/errors.js";
import { ManagerError } from "../../component/manager-call.js";
import { call } from "./call.js";
import { provoked } from "./provoked.js";

/** An error answer, taken apart. */
export interface Answered {
  readonly status: number;
  readonly code: string;
  readonly body: Record<string, unknown>;
}

/** Takes an error answer out of the bytes of a connection. */
export const fromRaw = (text: string): Answered => {
  const [head = "", body = ""] = text.split("\r\n\r\n");
  return {
    status: Number(/^HTTP\/1\.1 ([0-9]{3})/.exec(head)?.[1]),
    code: /^fsc-error-code: (.*)$/im.exec(head)?.[1] ?? "",
    body: JSON.parse(body.replace(/^[0-9a-f]+\r\n/i, "").replace(/\r\n0.*$/s, "")) as Record<
      string,
      unknown
    >,
  };
};

/** Calls a URL and takes its error answer; of any other answer the body is empty. */
export const fromCall = async (
  url: string,
  options: Parameters<typeof call>[1] = {},
): Promise<Answered> => {
  const answer = await call(url, options);
  const code = answer.headers["fsc-error-code"];
  const body = code === undefined ? {} : answer.json();
  return { status: answer.status, code: String(code), body };
};

/** Checks an answer against the table and notes that the code was provoked; gives the answer's body. */
export const expectError = (
  answered: Answered,
  code: ErrorCode,
  domain: Domain,
): Record<string, unknown> => {
  const row = errorRow(code);
  expect(answered.code, JSON.stringify(answered.body)).to.equal(code);
  expect(answered.status).to.equal(row.status);
  expect(answered.body).to.include({
    code,
    domain: `ERROR_DOMAIN_${domain.toUpperCase()}`,
    location: row.at[domain],
    hint: row.hint,
  });
  provoked(code);
  return answered.body;
};

/** Checks that a call to a manager over gRPC is refused with a code; gives the error. */
export const expectRefusal = async (
  answer: Promise<unknown>,
  code: ErrorCode,
): Promise<ManagerError> => {
  const error = await answer.then(
    () => expect.fail(`answered instead of ${code}`),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ManagerError)) throw error;
  expect(error.code, error.message).to.equal(code);
  expect(error.hint).to.equal(errorRow(code).hint);
  provoked(code);
  return error;
};
