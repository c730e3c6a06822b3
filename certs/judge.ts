// A judgement of one certificate from everything that is needed for it, for programs of any kind: what
// `schakel cert verify --json` answers.
import type { X509Certificate } from "node:crypto";
import { z } from "zod";
import { CertificateError } from "./certificate-error.js";
import { describeSubject } from "./certificate-fields.js";
import { PEER_PURPOSES, type Purpose } from "./extensions.js";
import { findPath, ISSUERS_MAX, type FoundPath } from "./path-builder.js";
import { readCertificates, readListsPem } from "./pem.js";
import {
  CRL_BYTES_MAX,
  isListBy,
  readRevocationList,
  type RevocationList,
} from "./revocation-list.js";

/** How large a question may be, in bytes. */
export const QUESTION_BYTES_MAX = 64 * 1024 * 1024;

const ANCHORS_MAX = 50;
const LISTS_MAX = 100;
const PEM_CHARACTERS_MAX = 64 * 1024;

// By the names of RFC 5280, and the words that people use.
const PURPOSES = {
  clientAuth: "client authentication",
  serverAuth: "server authentication",
  client: "client authentication",
  server: "server authentication",
} as const satisfies Readonly<Record<string, Purpose>>;

const list = "must be a list of PEM texts";
const pem = z.string("must be a PEM text").max(PEM_CHARACTERS_MAX);

const schema = z.strictObject({
  anchors: z.array(pem, list).max(ANCHORS_MAX),
  intermediates: z.array(pem, list).max(ISSUERS_MAX),
  leaf: pem,
  crls: z.array(z.string("must be a PEM text").max(CRL_BYTES_MAX * 2), list).max(LISTS_MAX),
  time: z.iso
    .datetime({ offset: true, error: 'must be a time of RFC 3339, such as "2026-11-24T12:00:00Z"' })
    .regex(/T\d\d:\d\d:\d\d/, "RFC 3339 has seconds"),
  name: z.string().min(1).max(1000).nullish(),
  purpose: z
    .enum(["clientAuth", "serverAuth", "client", "server"], 'must be "clientAuth" or "serverAuth"')
    .nullish(),
});

/** A question in the form that is asked for. */
export type Question = z.infer<typeof schema>;

/** The answer. */
export interface Judgement {
  readonly valid: boolean;
  /** Where the path leads, or all that is wrong; safe to print whoever wrote the certificates. */
  readonly reason: string;
}

/** A question that is none: its members are not those that are asked for. */
export class QuestionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "QuestionError";
  }
}

/** Reads a question from a JSON value. Throws QuestionError naming every mistake. */
export const parseQuestion = (json: unknown): Question => {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const mistakes = parsed.error.issues.map(
    ({ path, message }) => `${path.length === 0 ? "the question" : path.join(".")}: ${message}`,
  );
  throw new QuestionError(mistakes.join("\n"));
};

const about = <T>(what: string, read: () => T): T => {
  try {
    return read();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "unreadable";
    throw new CertificateError(`${what}: ${reason}`, { cause });
  }
};

const certificatesIn = (what: string, texts: readonly string[]): readonly X509Certificate[] =>
  texts.flatMap((text, index) =>
    about(`${what}[${String(index)}]`, () => readCertificates(text, 1)),
  );

const listsIn = (
  texts: readonly string[],
  cas: readonly X509Certificate[],
): readonly RevocationList[] =>
  texts.flatMap((text, index) =>
    about(`crls[${String(index)}]`, () =>
      readListsPem(text, LISTS_MAX).map((crl) => {
        const list = readRevocationList(crl);
        return { crl, issuerChain: cas.filter((ca) => isListBy(list, ca)).slice(0, 1) };
      }),
    ),
  );

const answer = (found: FoundPath): Judgement => {
  if (found.chain === undefined) return { valid: false, reason: found.problems.join("; ") };
  const path = found.chain.map((each) => `(${describeSubject(each)})`).join(", issued by ");
  return { valid: true, reason: `a path leads to an anchor: ${path}` };
};

/**
 * Judges a certificate: finds a path from it to an anchor among the intermediates and checks it as
 * `pathProblems` does, at the time asked for. Revocation lists count until their nextUpdate, without a
 * grace period. Without a purpose, the path must serve one of the two that TLS has.
 */
export const judge = (question: Question): Judgement => {
  const now = Date.parse(question.time);
  try {
    const anchors = certificatesIn("anchors", question.anchors);
    const intermediates = certificatesIn("intermediates", question.intermediates);
    const [leaf] = about("leaf", () => readCertificates(question.leaf, 1));
    if (leaf === undefined) throw new CertificateError("leaf: there is none");
    const trust = { anchors, revocationLists: listsIn(question.crls, intermediates) };
    const { purpose: asked } = question;
    const purposes = asked === undefined || asked === null ? PEER_PURPOSES : [PURPOSES[asked]];
    const found = purposes.map((purpose) =>
      findPath(leaf, intermediates, trust, {
        now,
        graceMs: 0,
        purposes: [purpose],
        name: question.name ?? undefined,
      }),
    );
    const best = found.find(({ chain }) => chain !== undefined) ?? found[0];
    return best === undefined ? { valid: false, reason: "nothing was asked" } : answer(best);
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    return { valid: false, reason: error.message };
  }
};
