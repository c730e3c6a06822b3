// What the audit log has of calls about the transaction log: all that was asked, but no value of a data subject.
import { SchakelError } from "../core/errors.js";
import type { DataSubject } from "../txlog/entry.js";
import { dataSubjectOf } from "./log-filter.js";

/** Gives the keyed hash of a data subject: the same subject is recognised, and no value can be read from it. */
export type SubjectMark = (subject: DataSubject) => string;

interface MayNameSubject {
  readonly dataSubject?: string;
  readonly filter?: { readonly dataSubject: string } | undefined;
}

const markOf = (text: string, mark: SubjectMark): string => {
  try {
    const subject = dataSubjectOf(text);
    return `${subject.key}=hmac:${mark(subject)}`;
  } catch (error) {
    if (!(error instanceof SchakelError)) throw error;
    return "not a data subject";
  }
};

/** A request with its data subject, if it names one, as a keyed hash. */
export const auditedLook = (request: object, mark: SubjectMark): object => {
  const { dataSubject = "", filter }: MayNameSubject = request;
  return {
    ...request,
    ...(dataSubject === "" ? {} : { dataSubject: markOf(dataSubject, mark) }),
    ...(filter === undefined || filter.dataSubject === ""
      ? {}
      : { filter: { ...filter, dataSubject: markOf(filter.dataSubject, mark) } }),
  };
};
