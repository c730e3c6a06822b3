// What an endpoint of the FSC interface gets to see of a request, and what it answers.
import type { Group } from "../certs/group.js";
import type { PeerIdentity } from "../certs/identity.js";
import type { Address } from "../core/address.js";
import type { ErrorAnswer } from "../core/error-answer.js";
import type { FscLimits } from "./fsc-limits.js";
import type { LogHandlers, WitnessHandlers } from "./log-interface.js";
import type { ManagerHandlers } from "./manager-interface.js";
import type { Parameters } from "./queries.js";

/** What kind of body is asked for, and how large it may be. */
export interface BodyRule {
  /** The media type that Content-Type must name. */
  readonly type: string;
  readonly bytesMax: number;
}

/** One request, its head accepted. */
export interface Call {
  /** Who asks, by the certificate of the connection. */
  readonly caller: PeerIdentity;
  /** The variable segment of the path, percent-decoded; undefined where the path has none. */
  readonly segment: string | undefined;
  /** What stands behind the "?". */
  readonly parameters: Parameters;
  /**
   * Reads the body, once.
   *
   * @throws SchakelError ERROR_CODE_REQUEST_INVALID for another media type or an encoding,
   * ERROR_CODE_BODY_TOO_LARGE, ERROR_CODE_REQUEST_TIMEOUT, or ERROR_CODE_REQUEST_MALFORMED
   */
  body(rule: BodyRule): Promise<Buffer>;
  /**
   * Where the caller says that its manager is.
   *
   * @throws SchakelError ERROR_CODE_ADDRESS_NOT_ALLOWED
   */
  managerAddress(): Address;
}

/** What the endpoints stand on. */
export interface EndpointContext {
  readonly handlers: ManagerHandlers;
  /** What answers for the transaction log; undefined where there is none. */
  readonly logs: LogHandlers | undefined;
  /** What co-signs checkpoints of others; undefined where nothing does. */
  readonly witness: WitnessHandlers | undefined;
  readonly group: Group;
  readonly limits: FscLimits;
}

/** An HTTP answer, ready to be sent. */
export type Reply = ErrorAnswer;

/** Answers one request. What it throws becomes an error answer. */
export type Endpoint = (call: Call, context: EndpointContext) => Promise<Reply>;

const BASE_HEADERS = [
  ["X-Content-Type-Options", "nosniff"],
  ["Cache-Control", "no-store"],
] as const;

/** An answer without a body. */
export const emptyReply = (status: 200 | 201): Reply => ({
  status,
  headers: [["Content-Length", "0"], ...BASE_HEADERS],
  body: Buffer.alloc(0),
});

/** An answer of bytes of some media type. */
export const rawReply = (status: number, type: string, body: Buffer): Reply => ({
  status,
  headers: [["Content-Type", type], ["Content-Length", String(body.length)], ...BASE_HEADERS],
  body,
});

/** An answer of JSON. The value is written as it stands: plain objects, arrays and texts that were put together by hand. */
export const jsonReply = (value: object): Reply =>
  rawReply(200, "application/json", Buffer.from(JSON.stringify(value)));
