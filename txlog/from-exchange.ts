// How an exchange that has ended becomes an outcome record. The shapes are the relay's, written out here
// since neither room knows the other.
import type { ErrorCode } from "../core/errors.js";
import type { OutcomeEntry } from "./entry.js";

/** What the relay says of an exchange when it has ended. */
export interface Ended {
  readonly result: "complete" | "client-aborted" | "target-aborted";
  readonly status: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly durationUs: { readonly total: number; readonly target: number };
  readonly link: "http1" | "schakel";
}

/** The far side of an exchange: the other organisation's inway, or our own source. */
export type FarSide = "other" | "source";

/** The outcome of an exchange that was forwarded, its time split between us and the far side. */
export const forwarded = (ended: Ended, farSide: FarSide, otherReceipt?: Buffer): OutcomeEntry => ({
  result: ended.result,
  status: ended.status,
  requestBytes: ended.requestBytes,
  responseBytes: ended.responseBytes,
  durationUs: {
    total: ended.durationUs.total,
    own: Math.max(0, ended.durationUs.total - ended.durationUs.target),
    [farSide]: ended.durationUs.target,
  },
  link: ended.link,
  ...(otherReceipt === undefined ? {} : { otherReceipt }),
});

/** The outcome of an exchange that was recorded, could not be forwarded, and was answered with an error of ours. */
export const answeredWith = (code: ErrorCode, sent: Ended): OutcomeEntry => ({
  result: "failed",
  status: sent.status,
  code,
  requestBytes: sent.requestBytes,
  responseBytes: sent.responseBytes,
  durationUs: { total: sent.durationUs.total },
  link: "none",
});

/** The outcome of an exchange whose client went before any answer. */
export const abandoned = (totalUs: number, requestBytes: number): OutcomeEntry => ({
  result: "client-aborted",
  requestBytes,
  responseBytes: 0,
  durationUs: { total: totalUs },
  link: "none",
});
