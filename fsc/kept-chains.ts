// The certificates of signers that are kept with their signatures.
import type { X509Certificate } from "node:crypto";
import { CHAIN_LENGTH_MAX } from "../certs/chain.js";
import { readCertificates } from "../certs/pem.js";
import type { FscDatabase } from "./schema.js";

/** A kept certificate with its issuers, by the thumbprint that signatures name; undefined when it is not kept. */
export const keptChain = async (
  db: FscDatabase,
  groupId: string,
  thumbprint: string,
): Promise<readonly X509Certificate[] | undefined> => {
  const row = await db
    .selectFrom("fsc_certificate")
    .select("chain")
    .where("group_id", "=", groupId)
    .where("thumbprint", "=", thumbprint)
    .executeTakeFirst();
  return row === undefined ? undefined : readCertificates(row.chain, CHAIN_LENGTH_MAX);
};
