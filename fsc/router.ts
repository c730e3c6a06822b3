// Which endpoint answers which method and path. Paths are compared as they were sent: nothing is normalised.
import { SchakelError } from "../core/errors.js";
import { listContracts, submitting } from "./contract-endpoints.js";
import type { Endpoint, EndpointContext } from "./endpoint.js";
import {
  addCheckpoint,
  compare,
  coSign,
  giveCheckpoint,
  giveKeys,
  giveRecords,
  giveTile,
  listLogs,
} from "./log-endpoints.js";
import {
  announce,
  describePeer,
  listCertificates,
  listPeers,
  listServices,
} from "./peer-endpoints.js";
import { invalid, percentDecoded } from "./queries.js";
import { giveToken } from "./token-endpoint.js";
import { BASE_PATH } from "./wire.js";

/** What a server may or may not have. */
export type Served = Pick<EndpointContext, "logs" | "witness">;

interface Route {
  readonly method: "GET" | "POST" | "PUT";
  /** Below the base path; `{hash}` stands for any segment, `{rest}` for one or more at the end. */
  readonly path: string;
  readonly endpoint: Endpoint;
  /** Without this part of the context the path is not there. */
  readonly needs?: keyof Served;
}

const ROUTES: readonly Route[] = [
  { method: "PUT", path: "/announce", endpoint: announce },
  { method: "POST", path: "/contracts", endpoint: submitting("propose") },
  { method: "GET", path: "/contracts", endpoint: listContracts },
  { method: "PUT", path: "/contracts/{hash}/accept", endpoint: submitting("accept") },
  { method: "PUT", path: "/contracts/{hash}/reject", endpoint: submitting("reject") },
  { method: "PUT", path: "/contracts/{hash}/revoke", endpoint: submitting("revoke") },
  { method: "POST", path: "/token", endpoint: giveToken },
  { method: "GET", path: "/peer", endpoint: describePeer },
  { method: "GET", path: "/peers", endpoint: listPeers },
  { method: "GET", path: "/services", endpoint: listServices },
  { method: "GET", path: "/.well-known/jwks.json", endpoint: listCertificates },
  { method: "GET", path: "/logs", endpoint: listLogs, needs: "logs" },
  { method: "GET", path: "/schakel/log/checkpoint", endpoint: giveCheckpoint, needs: "logs" },
  { method: "GET", path: "/schakel/log/tile/{rest}", endpoint: giveTile, needs: "logs" },
  { method: "GET", path: "/schakel/log/keys", endpoint: giveKeys, needs: "logs" },
  { method: "GET", path: "/schakel/log/keys", endpoint: giveKeys, needs: "witness" },
  { method: "POST", path: "/schakel/log/records", endpoint: giveRecords, needs: "logs" },
  { method: "POST", path: "/schakel/log/reconcile", endpoint: compare, needs: "logs" },
  { method: "POST", path: "/schakel/log/statement", endpoint: coSign, needs: "logs" },
  {
    method: "POST",
    path: "/schakel/witness/add-checkpoint",
    endpoint: addCheckpoint,
    needs: "witness",
  },
];

const VARIABLE = "{hash}";
const REST = "{rest}";
const SEGMENT_LENGTH_MAX = 1024;

const matches = (route: Route, segments: readonly string[]): boolean => {
  const expected = `${BASE_PATH}${route.path}`.split("/");
  const hasRest = expected.at(-1) === REST;
  const fits = hasRest ? segments.length >= expected.length : segments.length === expected.length;
  return (
    fits &&
    expected.every((each, at) =>
      each === VARIABLE || each === REST ? segments[at] !== "" : each === segments[at],
    )
  );
};

const segmentOf = (route: Route, segments: readonly string[]): string | undefined => {
  const expected = `${BASE_PATH}${route.path}`.split("/");
  // What is the rest of a path is taken as it was sent.
  if (expected.at(-1) === REST) return segments.slice(expected.length - 1).join("/");
  const at = expected.indexOf(VARIABLE);
  if (at === -1) return undefined;
  const raw = segments[at] ?? "";
  const segment = raw.length > SEGMENT_LENGTH_MAX ? undefined : percentDecoded(raw);
  if (segment !== undefined) return segment;
  throw invalid(
    "the hash in the path",
    `is not a percent-encoded text of at most ${String(SEGMENT_LENGTH_MAX)} characters`,
  );
};

/** An endpoint with what its path holds. */
export interface Match {
  readonly endpoint: Endpoint;
  readonly segment: string | undefined;
  /** Whether FSC has a request body here. */
  readonly takesBody: boolean;
}

/**
 * Finds the endpoint for a request.
 *
 * @param path without the query
 * @param served what the server has; without it, its paths are not there
 * @throws SchakelError ERROR_CODE_PATH_NOT_FOUND, ERROR_CODE_METHOD_UNSUPPORTED with the methods that there
 * are, ERROR_CODE_REQUEST_INVALID for a hash that is not percent-encoded
 */
export const matchRoute = (method: string, path: string, served: Served): Match => {
  const segments = path.split("/");
  const routes = ROUTES.filter(
    (route) =>
      (route.needs === undefined || served[route.needs] !== undefined) && matches(route, segments),
  );
  if (routes.length === 0) throw new SchakelError("ERROR_CODE_PATH_NOT_FOUND");
  const route = routes.find((each) => each.method === method);
  if (route === undefined) {
    const choices = routes.map((each) => each.method);
    throw new SchakelError("ERROR_CODE_METHOD_UNSUPPORTED", { choices });
  }
  const segment = segmentOf(route, segments);
  return { endpoint: route.endpoint, segment, takesBody: route.method !== "GET" };
};
