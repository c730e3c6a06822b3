// A comparison as it is kept: for people, and as the statement that both sides signed.
import type { X509Certificate } from "node:crypto";
import { z } from "zod";
import type { Difference } from "./compare.js";
import { resultJson, type Result } from "./result.js";

/** A difference with what differs, in a sentence. */
export interface ExplainedDifference {
  readonly transactionId: string;
  readonly kind: Difference["kind"];
  readonly service: string;
  readonly detail: string;
}

/** A comparison, from our side. */
export interface KeptResult {
  readonly peerId: string;
  /** Whether we made the comparison, and not the other side. */
  readonly isOurs: boolean;
  readonly fromMs: number;
  readonly toMs: number;
  readonly madeAtMs: number;
  readonly exchangesHere: number;
  readonly exchangesThere: number;
  readonly differences: readonly ExplainedDifference[];
  readonly truncated: boolean;
  readonly receiptsProven: number;
  /** JSON: `{result, signatures, certificates}`. */
  readonly statement: string;
  /** Why the other side did not sign; empty when it did. */
  readonly unsigned: string;
}

/** A signature with the certificates that it is verified by. */
export interface ResultSignature {
  readonly peerId: string;
  /** Compact JWS. */
  readonly jws: string;
  readonly chain: readonly X509Certificate[];
}

/**
 * The statement as JSON: the result, the signatures by peer id, and the certificates of each signer with its issuers
 * (DER in base64), so that it can be verified without asking anybody.
 */
export const statementOf = (result: Result, signatures: readonly ResultSignature[]): string =>
  JSON.stringify({
    result: resultJson(result),
    signatures: Object.fromEntries(signatures.map(({ peerId, jws }) => [peerId, jws])),
    certificates: Object.fromEntries(
      signatures.map(({ peerId, chain }) => [
        peerId,
        chain.map((each) => each.raw.toString("base64")),
      ]),
    ),
  });

const schema = z.object({
  peerId: z.string(),
  isOurs: z.boolean(),
  fromMs: z.number(),
  toMs: z.number(),
  madeAtMs: z.number(),
  exchangesHere: z.number(),
  exchangesThere: z.number(),
  differences: z.array(
    z.object({
      transactionId: z.string(),
      kind: z.enum(["missing-here", "missing-there", "different"]),
      service: z.string(),
      detail: z.string(),
    }),
  ),
  truncated: z.boolean(),
  receiptsProven: z.number(),
  statement: z.string(),
  unsigned: z.string(),
});

/** A comparison as the store keeps it. */
export const writeKept = (kept: KeptResult): string => JSON.stringify(kept);

/** Reads what `writeKept` wrote. Throws a ZodError for anything else. */
export const readKept = (text: string): KeptResult => schema.parse(JSON.parse(text));
