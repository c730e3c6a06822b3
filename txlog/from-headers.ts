// What a record takes from a request's headers.
import { comparableName, HEADER } from "../core/exchange-headers.js";
import { parseDataSubjects } from "./data-subjects.js";
import { PERSONAL_TEXTS, type PersonalEntry } from "./entry.js";

type HeaderLines = readonly (readonly [name: string, value: string])[];

/** The texts of a personal part, with the headers that they come from. */
const TEXTS = PERSONAL_TEXTS.map((field) => [field, comparableName(HEADER[field])] as const);

const DATA_SUBJECT = comparableName(HEADER.dataSubject);
const TRACEPARENT = comparableName(HEADER.traceparent);

/** All values of a header, given in its comparable form; undefined when there is none. */
const one = (headers: HeaderLines, wanted: string): string | undefined => {
  let found: string | undefined;
  for (const [name, value] of headers) {
    // A source may read "_" as "-": what it would take for the header must stand in the record.
    if (name.length !== wanted.length || comparableName(name) !== wanted) continue;
    found = found === undefined ? value : `${found}, ${value}`;
  }
  return found;
};

/**
 * The personal part of a record: the path as it came, the data subjects, and what the client says of
 * purpose and user. Absent headers leave their fields out.
 *
 * @param target path and query as on the wire
 * @throws SchakelError ERROR_CODE_DATA_SUBJECT_INVALID
 */
export const personalOf = (target: string, headers: HeaderLines): PersonalEntry => {
  const personal: { -readonly [Key in keyof PersonalEntry]: PersonalEntry[Key] } = { path: target };
  const subjects = one(headers, DATA_SUBJECT);
  if (subjects !== undefined) personal.dataSubjects = parseDataSubjects(subjects);
  for (const [field, name] of TEXTS) {
    const value = one(headers, name);
    if (value !== undefined && value !== "") personal[field] = value;
  }
  return personal;
};

/** The trace id of a W3C `traceparent` header, 16 bytes; undefined when there is none or it is not valid. */
export const traceIdOf = (headers: HeaderLines): Buffer | undefined => {
  const value = one(headers, TRACEPARENT);
  if (value === undefined) return undefined;
  const hex = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/.exec(value)?.[1];
  return hex === undefined || hex === NO_TRACE ? undefined : Buffer.from(hex, "hex");
};

const NO_TRACE = "0".repeat(32);
