// The headers of an exchange as they leave the outway: towards the inway, and back (docs/headers.md).
import { randomBytes } from "node:crypto";
import {
  HEADER,
  comparableName,
  isForwarded,
  isForOutway,
  isOfUser,
  isOurs,
} from "../core/exchange-headers.js";
import type { PeerId, TransactionId } from "../core/names.js";
import { endToEnd } from "../relay/hop-by-hop.js";
import { headerValues, withoutHeaders, type HeaderLines } from "../relay/message.js";

/** What the outway knows when it writes the headers towards the inway. */
export interface InwayHeaders {
  readonly transactionId: TransactionId;
  /** Our own peer's id and the provider's: what the client says of its user stays within one organisation. */
  readonly self: PeerId;
  readonly provider: PeerId;
  /** The hash of our intent record. */
  readonly receipt: Buffer;
  /** Whether Forwarded, Via and X-Forwarded-* of the client pass. */
  readonly keepForwarded: boolean;
}

const newTraceparent = (): string => {
  const random = randomBytes(24).toString("hex");
  return `00-${random.slice(0, 32)}-${random.slice(32)}-01`;
};

/** The client's headers with a `traceparent` (W3C Trace Context), made when the client sent none. */
export const withTrace = (headers: HeaderLines): HeaderLines =>
  headerValues(headers, HEADER.traceparent).length > 0
    ? headers
    : [...headers, [HEADER.traceparent, newTraceparent()]];

/** The request's headers as an inway gets them, but for the token, which goes its own way: first hop-by-hop out, then ours out, then ours set. Host is the inway's name. */
export const towardsInway = (
  received: HeaderLines,
  known: InwayHeaders,
  inwayHost: string,
): HeaderLines => [
  ["Host", inwayHost],
  ...withoutHeaders(
    endToEnd(received),
    (name) =>
      name === "host" ||
      isOurs(name) ||
      isForOutway(name) ||
      (isForwarded(name) && !known.keepForwarded) ||
      (isOfUser(name) && known.provider !== known.self),
  ),
  [HEADER.transactionId, known.transactionId],
  [HEADER.receipt, known.receipt.toString("base64url")],
];

/** The answer's headers as the client gets them: an error code of the inway passes, the transaction id is ours. */
export const towardsClient = (received: HeaderLines, transactionId: TransactionId): HeaderLines => [
  ...withoutHeaders(
    received,
    (name) => isOurs(name) && comparableName(name) !== comparableName(HEADER.errorCode),
  ),
  [HEADER.transactionId, transactionId],
];
