// What a record takes from a request's headers.
import { comparableName, HEADER } from "../core/exchange-headers.js";
import { parseDataSubjects } from "./data-subjects.js";
import type { PersonalEntry } from "./entry.js";

type HeaderLines = readonly (readonly [name: string, value: string])[];

const one = (headers: HeaderLines, name: string): string | undefined => {
  const wanted = comparableName(name);
  // A source may read "_" as "-": what it would take for the header must stand in the record.
  const values = headers
    .filter(([found]) => found.length === wanted.length && comparableName(found) === wanted)
    .map(([, value]) => value);
  return values.length === 0 ? undefined : values.join(", ");
};

/**
 * The personal part of a record: the path as it came, the data subjects, and what the client says of
 * purpose and user. Absent headers leave their fields out.
 *
 * @param target path and query as on the wire
 * @throws SchakelError ERROR_CODE_DATA_SUBJECT_INVALID
 */
export const personalOf = (target: string, headers: HeaderLines): PersonalEntry => {
  const subjects = one(headers, HEADER.dataSubject);
  const texts = {
    processId: one(headers, HEADER.processId),
    dataElements: one(headers, HEADER.dataElements),
    user: one(headers, HEADER.user),
    claims: one(headers, HEADER.claims),
    userId: one(headers, HEADER.userId),
    applicationId: one(headers, HEADER.applicationId),
    subjectIdentifier: one(headers, HEADER.subjectIdentifier),
  };
  const present = Object.entries(texts).filter(([, value]) => value !== undefined && value !== "");
  return {
    path: target,
    ...(subjects === undefined ? {} : { dataSubjects: parseDataSubjects(subjects) }),
    ...Object.fromEntries(present),
  };
};

/** The trace id of a W3C `traceparent` header, 16 bytes; undefined when there is none or it is not valid. */
export const traceIdOf = (headers: HeaderLines): Buffer | undefined => {
  const value = one(headers, HEADER.traceparent);
  const match = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/.exec(value ?? "");
  const hex = match?.[1];
  return hex === undefined || /^0+$/.test(hex) ? undefined : Buffer.from(hex, "hex");
};
