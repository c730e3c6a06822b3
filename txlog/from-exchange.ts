// How an exchange that has ended becomes an outcome record. The shapes are the relay's, written out here
// since neither room knows the other.
import type { ErrorCode } from "../core/errors.js";
import type { Durations, OutcomeEntry } from "./entry.js";

/** What the relay says of an exchange when it has ended. */
export interface Ended {
  readonly result: "complete" | "client-aborted" | "target-aborted";
  readonly status: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly durationUs: { readonly total: number; readonly target: number };
  readonly link: "http1" | "schakel" | "http2";
}

/** The far side of an exchange: the other organisation's inway, or our own source. */
export type FarSide = "other" | "source";

/** How long the far side took of an exchange, in microseconds; undefined when it was never reached. */
export interface FarTime {
  readonly side: FarSide;
  readonly us: number | undefined;
}

/** What a forwarding that failed before any answer says of its target. */
export interface Unanswered {
  readonly targetUs: number | undefined;
  readonly nothingSent: boolean;
}

/** The far side's time of a forwarding that failed; undefined when nobody knows whether it was reached before. */
export const farTimeOf = (
  side: FarSide,
  { targetUs, nothingSent }: Unanswered,
): FarTime | undefined =>
  targetUs === undefined && !nothingSent ? undefined : { side, us: targetUs };

const split = (total: number, { side, us }: FarTime): Durations => ({
  total,
  own: Math.max(0, total - (us ?? 0)),
  ...(us === undefined ? {} : { [side]: us }),
});

const durations = (total: number, far: FarTime | undefined): Durations =>
  far === undefined ? { total } : split(total, far);

/** The outcome of an exchange that was forwarded, its time split between us and the far side. */
export const forwarded = (ended: Ended, farSide: FarSide, otherReceipt?: Buffer): OutcomeEntry => ({
  result: ended.result,
  status: ended.status,
  requestBytes: ended.requestBytes,
  responseBytes: ended.responseBytes,
  durationUs: split(ended.durationUs.total, { side: farSide, us: ended.durationUs.target }),
  link: ended.link,
  ...(otherReceipt === undefined ? {} : { otherReceipt }),
});

/**
 * The outcome of an exchange that was recorded, could not be forwarded, and was answered with an error of ours.
 *
 * @param far what is known of the far side's time; undefined when nothing is
 */
export const answeredWith = (code: ErrorCode, sent: Ended, far?: FarTime): OutcomeEntry => ({
  result: "failed",
  status: sent.status,
  code,
  requestBytes: sent.requestBytes,
  responseBytes: sent.responseBytes,
  durationUs: durations(sent.durationUs.total, far),
  link: "none",
});

/** The outcome of an exchange whose client went before any answer. */
export const abandoned = (totalUs: number, requestBytes: number, far?: FarTime): OutcomeEntry => ({
  result: "client-aborted",
  requestBytes,
  responseBytes: 0,
  durationUs: durations(totalUs, far),
  link: "none",
});
