// The headers of an exchange as they leave the outway: towards the inway, and back (docs/headers.md).
import { drawnRandom } from "../core/drawn-random.js";
import {
  HEADER,
  comparableName,
  isForwarded,
  isForOutway,
  isOfUser,
  isOurs,
} from "../core/exchange-headers.js";
import type { PeerId, TransactionId } from "../core/names.js";
import { EditedLines, EditedResponse } from "../relay/edited-lines.js";
import {
  headerValues,
  type HeaderLines,
  type RequestHead,
  type ResponseHead,
} from "../relay/message.js";
import { NameChoice } from "../relay/name-choice.js";

/** What the outway knows when it writes the headers towards the inway. */
export interface InwayHeaders {
  readonly transactionId: TransactionId;
  /** What the client's headers miss to follow the exchange. */
  readonly trace: HeaderLines;
  /** Our own peer's id and the provider's: what the client says of its user stays within one organisation. */
  readonly self: PeerId;
  readonly provider: PeerId;
  /** The hash of our intent record. */
  readonly receipt: Buffer;
  /** Whether Forwarded, Via and X-Forwarded-* of the client pass. */
  readonly keepForwarded: boolean;
}

const TRACE_BYTES = 24;

const newTraceparent = (): string => {
  const random = drawnRandom(TRACE_BYTES).toString("hex");
  return `00-${random.slice(0, 32)}-${random.slice(32)}-01`;
};

/** The line that is missing to follow an exchange (W3C Trace Context): a new `traceparent`, or nothing when the client sent one. */
export const missingTrace = (headers: HeaderLines): HeaderLines =>
  headerValues(headers, HEADER.traceparent).length > 0
    ? []
    : [[HEADER.traceparent, newTraceparent()]];

const isNotForInway = (name: string): boolean =>
  name === "host" || isOurs(name) || isForOutway(name);

/** What does not reach an inway, by whether it is another peer's and whether Forwarded, Via and X-Forwarded-* pass. */
const choice = (isOther: boolean, keepForwarded: boolean): NameChoice =>
  new NameChoice(
    (name) =>
      isNotForInway(name) || (isForwarded(name) && !keepForwarded) || (isOfUser(name) && isOther),
  );
const TO_OURS = { kept: choice(false, true), removed: choice(false, false) };
const TO_OTHERS = { kept: choice(true, true), removed: choice(true, false) };

/** The request's headers as an inway gets them, but for the token, which goes its own way: first hop-by-hop out, then ours out, then ours set. Host is the inway's name. */
export const towardsInway = (
  received: RequestHead,
  known: InwayHeaders,
  inwayHost: string,
): EditedLines => {
  const choices = known.provider === known.self ? TO_OURS : TO_OTHERS;
  return new EditedLines(received, known.keepForwarded ? choices.kept : choices.removed, {
    before: [["Host", inwayHost]],
    after: [
      ...known.trace,
      [HEADER.transactionId, known.transactionId],
      [HEADER.receipt, known.receipt.toString("base64url")],
    ],
  });
};

const FROM_INWAY = new NameChoice(
  (name) => isOurs(name) && comparableName(name) !== comparableName(HEADER.errorCode),
);

/** The answer as the client gets it: an error code of the inway passes, the transaction id is ours. */
export const towardsClient = (received: ResponseHead, transactionId: TransactionId): ResponseHead =>
  new EditedResponse(
    received.status,
    received.reason,
    new EditedLines(received, FROM_INWAY, {
      before: [],
      after: [[HEADER.transactionId, transactionId]],
    }),
  );
