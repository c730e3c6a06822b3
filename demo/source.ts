// The source of the demo's provider: a small read-only REST API over the municipalities. It knows
// nothing of Schakel; an inway stands before it. Run as a program it listens on a free port of loopback.
import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import { formatAddress } from "../core/address.js";
import { runUntilSignal } from "../core/lifecycle.js";
import { listen } from "../core/listen.js";
import { createLog, type Log } from "../core/log.js";
import { MUNICIPALITIES, ORIGIN, PROVINCES } from "./municipalities.js";
import { OPENAPI } from "./openapi.js";

const STOP_TIMEOUT_MS = 5_000;
const FILTER_LENGTH_MAX = 100;

/** What is answered, before it is written out. */
interface Answer {
  readonly status: number;
  readonly body: object;
}

const ok = (body: object): Answer => ({ status: 200, body });
const refuse = (status: number, error: string, hint: string): Answer => ({
  status,
  body: { error, hint },
});

const folded = (text: string): string => text.toLowerCase();

const listMunicipalities = (query: URLSearchParams): Answer => {
  const wrong = [...query].find(
    ([name, value]) =>
      (name !== "province" && name !== "name") || value === "" || value.length > FILTER_LENGTH_MAX,
  );
  if (wrong !== undefined)
    return refuse(
      400,
      `the parameter ${JSON.stringify(wrong[0].slice(0, FILTER_LENGTH_MAX))} is unknown, empty or too long`,
      "province= and name= may be given, each with at most 100 characters",
    );
  const [asked, part] = [query.get("province"), query.get("name")];
  const province = PROVINCES.find(({ code, name }) =>
    [code, name].some((written) => folded(written) === folded(asked ?? "")),
  );
  if (asked !== null && province === undefined)
    return refuse(400, "there is no such province", "GET /provinces lists them");
  const municipalities = MUNICIPALITIES.filter(
    (municipality) =>
      (province === undefined || municipality.province === province.name) &&
      (part === null || folded(municipality.name).includes(folded(part))),
  );
  return ok({ origin: ORIGIN, count: municipalities.length, municipalities });
};

const listProvinces = (): Answer =>
  ok({
    origin: ORIGIN,
    count: PROVINCES.length,
    provinces: PROVINCES.map((province) => ({
      ...province,
      municipalities: MUNICIPALITIES.filter((m) => m.province === province.name).length,
    })),
  });

const getMunicipality = (code: string): Answer => {
  const found = MUNICIPALITIES.find((municipality) => municipality.code === code);
  return found === undefined
    ? refuse(404, "there is no municipality with this code", "GET /municipalities lists them")
    : ok(found);
};

const answerTo = (target: string): Answer => {
  const [path = "", query = ""] = target.split("?", 2);
  if (path === "/municipalities") return listMunicipalities(new URLSearchParams(query));
  if (path === "/provinces") return listProvinces();
  if (path === "/openapi.json") return ok(OPENAPI);
  const [, code] = /^\/municipalities\/([^/]+)$/.exec(path) ?? [];
  if (code !== undefined) return getMunicipality(code);
  return refuse(404, "there is nothing here", "GET /openapi.json describes this API");
};

const isRead = (method: string | undefined): boolean => method === "GET" || method === "HEAD";

const matches = (ifNoneMatch: string | undefined, etag: string): boolean =>
  ifNoneMatch
    ?.split(",")
    .some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag) ?? false;

/** Makes the source's server, not yet listening. Each request is one line in the log. */
export const createSource = (log: Log): Server =>
  createServer((request, response) => {
    const { status, body } = isRead(request.method)
      ? answerTo(request.url ?? "/")
      : refuse(405, "only GET and HEAD are allowed", "these facts cannot be changed");
    const bytes = Buffer.from(`${JSON.stringify(body)}\n`);
    const etag = `"${createHash("sha256").update(bytes).digest("base64url")}"`;
    const unchanged = status === 200 && matches(request.headers["if-none-match"], etag);
    if (status === 200) response.setHeader("ETag", etag);
    if (status === 405) response.setHeader("Allow", "GET, HEAD");
    if (!unchanged) {
      response.setHeader("Content-Type", "application/json");
      response.setHeader("Content-Length", bytes.length);
    }
    response.writeHead(unchanged ? 304 : status);
    // Node leaves the body of a HEAD and of a 304 out.
    response.end(bytes);
    log.info(
      {
        method: request.method,
        path: request.url,
        status: response.statusCode,
        peer: request.headers["x-nlx-request-organization"],
        transaction_id: request.headers["fsc-transaction-id"],
      },
      "answered",
    );
  });

const run = (): Promise<void> => {
  const log = createLog("source", "info", "json");
  return runUntilSignal(log, STOP_TIMEOUT_MS, async (lifecycle) => {
    const server = createSource(log);
    lifecycle.onStop(
      "source",
      () =>
        new Promise((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        }),
    );
    const address = await listen(server, { host: "127.0.0.1", port: 0 });
    log.info({ address: formatAddress(address) }, "listening");
  });
};

if (import.meta.main) await run();
