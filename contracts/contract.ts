// Contracts as they travel between managers: a content with one signature, or with all there are.
import type { PeerId, PeerIdRule } from "../core/names.js";
import {
  parseContent,
  refusingFields,
  type ContractContent,
  type ContractGroup,
} from "./content.js";
import { Fields, FieldError } from "./fields.js";
import { canonical } from "./jcs.js";
import { JSON_BYTES_MAX, JSON_VALUES_MAX, JsonError, parseJson, type JsonValue } from "./json.js";
import { ContractRefusal } from "./refusal.js";
import { SIGNATURE_BYTES_MAX, SIGNATURE_TYPES, type SignatureType } from "./signature.js";

/** How large the body of a submission may be, in bytes. */
export const SUBMISSION_BYTES_MAX = 1024 * 1024 + 64 * 1024;

/** The member of a body that holds the content: FSC 2.0.0's OpenAPI file says `content`, FSC 1 `contract_content`. */
export const CONTENT_MEMBER = "content";

/** How many signatures of one type a contract may carry: no contract has more parties. */
export const SIGNATURES_MAX = 50;

/** A content with the signature of the peer that sends it. The signature has not been verified. */
export interface Submission {
  readonly content: ContractContent;
  /** A compact JWS. */
  readonly signature: string;
}

/** Signatures as they came or are sent: a compact JWS for each peer id. */
export type SignatureTexts = Readonly<Record<SignatureType, ReadonlyMap<PeerId, string>>>;

/** A content with all signatures that somebody has. None of them has been verified. */
export interface Contract {
  readonly content: ContractContent;
  readonly signatures: SignatureTexts;
}

/**
 * Reads a JSON body. How many values it may hold grows with how large it may be, since lists hold many contracts.
 *
 * @throws ContractRefusal ERROR_CODE_BODY_TOO_LARGE, or ERROR_CODE_REQUEST_INVALID when it is no strict JSON
 */
export const parseBody = (bytes: Uint8Array, bytesMax: number): JsonValue => {
  try {
    const valuesMax = JSON_VALUES_MAX * Math.max(1, Math.floor(bytesMax / JSON_BYTES_MAX));
    return parseJson(bytes, { bytesMax, valuesMax });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new ContractRefusal(
      error.isTooLarge ? "ERROR_CODE_BODY_TOO_LARGE" : "ERROR_CODE_REQUEST_INVALID",
      `the body has ${error.message}`,
      { cause: error },
    );
  }
};

const checkMember = (fields: Fields): void => {
  if (fields.has(CONTENT_MEMBER) || !fields.has("contract_content")) return;
  throw new ContractRefusal(
    "ERROR_CODE_UNKNOWN_FSC_VERSION",
    `the body has contract_content, as FSC 1 does; FSC 2.0.0 has ${CONTENT_MEMBER}`,
  );
};

/**
 * Reads the body of a submitted contract or signature: `{content, signature}`. Members beside these two are
 * ignored: nobody signs them.
 *
 * @throws ContractRefusal as `parseBody` and `parseContent` do
 */
export const parseSubmission = (bytes: Uint8Array, group: ContractGroup): Submission => {
  const value = parseBody(bytes, SUBMISSION_BYTES_MAX);
  return refusingFields(() => {
    const fields = new Fields(value, "");
    checkMember(fields);
    const content = parseContent(fields.any(CONTENT_MEMBER), group);
    return Object.freeze({
      content,
      signature: fields.text("signature", { max: SIGNATURE_BYTES_MAX }),
    });
  });
};

/** The body of a submission, in canonical form. */
export const submissionBody = ({ content, signature }: Submission): string =>
  canonical({ [CONTENT_MEMBER]: content, signature });

// FSC's OpenAPI file requires all three maps; other software may leave out an empty one, or write null.
const textsOf = (
  signatures: Fields,
  type: SignatureType,
  rule: PeerIdRule,
): ReadonlyMap<PeerId, string> => {
  if ((signatures.any(type) ?? null) === null) return new Map();
  const fields = signatures.fields(type);
  const names = fields.names();
  if (names.length > SIGNATURES_MAX) {
    throw new FieldError(
      fields.path,
      `has ${String(names.length)} signatures, allowed are ${String(SIGNATURES_MAX)}`,
    );
  }
  return new Map(
    names.map((name) => {
      const peerId = rule(name);
      if (peerId === undefined) {
        throw new FieldError(fields.path, "has a name that is no peer id by the group's rule");
      }
      return [peerId, fields.text(name, { max: SIGNATURE_BYTES_MAX })];
    }),
  );
};

/**
 * Reads a contract as a manager lists it: `{content, signatures: {accept, reject, revoke}}`.
 *
 * @throws ContractRefusal as `parseContent` does
 */
export const parseContract = (value: JsonValue, group: ContractGroup): Contract =>
  refusingFields(() => {
    const fields = new Fields(value, "contract");
    checkMember(fields);
    const content = parseContent(fields.any(CONTENT_MEMBER), group);
    const signatures = fields.fields("signatures");
    const of = (type: SignatureType) => textsOf(signatures, type, group.peerIdRule);
    return Object.freeze({
      content,
      signatures: { accept: of("accept"), reject: of("reject"), revoke: of("revoke") },
    });
  });

/** A contract as a manager lists it, to be written as JSON. */
export const contractJson = ({ content, signatures }: Contract): object => ({
  [CONTENT_MEMBER]: content,
  signatures: Object.fromEntries(
    SIGNATURE_TYPES.map((type) => [type, Object.fromEntries(signatures[type])]),
  ),
});
