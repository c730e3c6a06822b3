// The header X-NLX-Request-Data-Subject: whom or what an exchange is about.
import { SchakelError } from "../core/errors.js";
import type { DataSubject } from "./entry.js";

/** The longest header value, in bytes. */
export const DATA_SUBJECT_BYTES_MAX = 8192;
/** The most pairs in it. */
export const DATA_SUBJECTS_MAX = 20;

const KEY = /^[a-z0-9_-]{1,100}$/;
const VALUE = /^[a-zA-Z0-9._-]{1,100}$/;

const invalid = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_DATA_SUBJECT_INVALID", { detail });

/**
 * The pairs of `bsn=1,kenteken=ab`, in order; spaces and tabs around a comma are allowed. Several header
 * lines count as one with commas between them. The messages say which pair is wrong and never what was
 * in it, since that is personal.
 *
 * @throws SchakelError ERROR_CODE_DATA_SUBJECT_INVALID for a wrong form, a pair that comes twice, or more
 * than DATA_SUBJECT_BYTES_MAX bytes or DATA_SUBJECTS_MAX pairs
 */
export const parseDataSubjects = (value: string): readonly DataSubject[] => {
  if (value.length > DATA_SUBJECT_BYTES_MAX) {
    throw invalid(`it has more than ${DATA_SUBJECT_BYTES_MAX} bytes`);
  }
  const parts = value.split(",");
  if (parts.length > DATA_SUBJECTS_MAX)
    throw invalid(`it has more than ${DATA_SUBJECTS_MAX} pairs`);
  const seen = new Set<string>();
  return parts.map((part, index) => {
    const pair = part.replace(/^[ \t]+|[ \t]+$/g, "");
    const equals = pair.indexOf("=");
    const subject = { key: pair.slice(0, Math.max(0, equals)), value: pair.slice(equals + 1) };
    if (equals < 0) throw invalid(`pair ${index + 1} has no "="`);
    if (!KEY.test(subject.key)) throw invalid(`the key of pair ${index + 1} is not allowed`);
    if (!VALUE.test(subject.value)) throw invalid(`the value of pair ${index + 1} is not allowed`);
    if (seen.has(pair)) throw invalid(`pair ${index + 1} comes twice`);
    seen.add(pair);
    return subject;
  });
};
