// What a data-plane process tells the transaction log about one exchange. Plain values: the log adds
// its own writer, sequence and time, encrypts the personal part and makes bytes of it all.
import type { ErrorCode } from "../core/errors.js";
import type { TransactionId } from "../core/names.js";

/** Whether the exchange comes in from another organisation (inway) or goes out to one (outway). */
export type Direction = "incoming" | "outgoing";

/** One side of an exchange: the peer itself and, where it acts for another, the peer it acts for. */
export interface Party {
  readonly peerId: string;
  readonly delegatorId?: string;
}

/**
 * An exchange that is about to happen, or was refused. An optional text that is empty counts as
 * absent. Names (peer ids, service, grant hash) and additional data over their limit make an intent
 * fail; other texts are cut (docs/log-format.md, "Limits of the writer").
 */
export interface ExchangeEntry {
  readonly direction: Direction;
  /** Always there for an intent. A refusal may come before there is one. */
  readonly transactionId: TransactionId | undefined;
  readonly grantHash?: string | undefined;
  readonly source: Party;
  readonly destination: Party;
  readonly service: string;
  readonly method: string;
  /** The path's template from the service's OpenAPI description; recorded in clear. */
  readonly pathTemplate?: string | undefined;
  /** The clause of the permission that allowed the exchange. */
  readonly clause?: string | undefined;
  /** Who the client at the outway is. */
  readonly client?: string | undefined;
  /** SHA-256 of the outway's certificate, 32 bytes. */
  readonly certificateThumbprint?: Buffer | undefined;
  /** The trace id of `traceparent`, 16 bytes. */
  readonly traceId?: Buffer | undefined;
  /** The leaf hash of the other side's intent, 32 bytes, as the other side claims it. */
  readonly otherReceipt?: Buffer | undefined;
  /** A JSON object as text (FSC Logging, additional_data). */
  readonly additionalData?: string | undefined;
  readonly personal?: PersonalEntry | undefined;
}

/** An entry whose fields become known one after another. */
export type EntryDraft = { -readonly [Key in keyof ExchangeEntry]: ExchangeEntry[Key] };

/** What may name or describe a natural person. It is only ever written encrypted. */
export interface PersonalEntry {
  /** The raw path. */
  readonly path?: string;
  readonly dataSubjects?: readonly DataSubject[];
  readonly processId?: string;
  readonly dataElements?: string;
  readonly user?: string;
  readonly claims?: string;
  readonly userId?: string;
  readonly applicationId?: string;
  readonly subjectIdentifier?: string;
}

/** The texts of a personal part beside its path, in the order in which they are written. */
export const PERSONAL_TEXTS = [
  "processId",
  "dataElements",
  "user",
  "claims",
  "userId",
  "applicationId",
  "subjectIdentifier",
] as const satisfies readonly (keyof PersonalEntry)[];

/** One person or thing that an exchange is about, such as `bsn` and a number. */
export interface DataSubject {
  readonly key: string;
  readonly value: string;
}

/** How an exchange ended. */
export type Result = "complete" | "client-aborted" | "target-aborted" | "failed";

/** What the stretch towards the target was: nothing (none was reached), HTTP/1.1, Schakel's own link, HTTP/2. */
export type Link = "none" | "http1" | "schakel" | "http2";

/** The end of an exchange whose intent was recorded. */
export interface OutcomeEntry {
  readonly result: Result;
  /** The HTTP status that the client saw, if it saw one. */
  readonly status?: number;
  /** The code, when the answer was an error of ours. */
  readonly code?: ErrorCode;
  /** Bytes of the request's and the answer's body that were passed on. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Microseconds: from first to last byte, and as far as known in this process, at the other side, and at the source. */
  readonly durationUs: Durations;
  readonly link: Link;
  /** The leaf hash of the other side's intent, 32 bytes, when it came with the answer. */
  readonly otherReceipt?: Buffer;
  /** The leaf hash of the other side's outcome, 32 bytes. */
  readonly otherOutcome?: Buffer;
  /** A JSON object as text. */
  readonly additionalData?: string;
}

/** Where the time of an exchange went, in microseconds. */
export interface Durations {
  readonly total: number;
  readonly own?: number;
  readonly other?: number;
  readonly source?: number;
}

/** What a refused exchange was answered with. */
export interface Refused {
  readonly status: number;
  readonly code: ErrorCode;
}
