// The hashes of a contract and of its grants (FSC Core 2.0.0): the names by which everybody knows them.
import { hash } from "node:crypto";
import type { ContractContent } from "./content.js";
import { GRANT_TYPES, type GrantData, type GrantType } from "./grant.js";
import { canonical } from "./jcs.js";

declare const brand: unique symbol;

/** The hash of a contract's content: `$1$1$` and 86 characters. */
export type ContentHash = string & { readonly [brand]: "ContentHash" };
/** The hash of a grant in its contract: `$1$`, 2 to 5, `$` and 86 characters. */
export type GrantHash = string & { readonly [brand]: "GrantHash" };

/**
 * What FSC's "the content hash", which a grant hash begins with, may mean: the whole `$1$1$…` text, the
 * 64 bytes of the digest, or the base64url of the digest alone.
 */
export type GrantHashReading = "text" | "digest" | "base64url";

/** How we read it. FSC has no test vector that settles it; docs/fsc.md says more. */
export const GRANT_HASH_READING: GrantHashReading = "text";

// The first number of every hash: HASH_ALGORITHM_SHA3_512.
const ALGORITHM = 1;
const CONTRACT = 1;
const HASH = /^\$1\$([1-5])\$([A-Za-z0-9_-]{85}[AQgw])$/;

/** The hash type of a grant type: FSC numbers grant types from 1, and hash types with the contract's before them. */
export const hashTypeOf = (type: GrantType): number => GRANT_TYPES.indexOf(type) + 2;

const digest = (...parts: readonly (string | Buffer)[]): string =>
  hash("sha3-512", Buffer.concat(parts.map((part) => Buffer.from(part))), "base64url");

const written = (type: number, base64url: string): string =>
  `$${String(ALGORITHM)}$${String(type)}$${base64url}`;

/** The hash of a contract's content: SHA3-512 over its canonical form. */
export const contentHash = (content: ContractContent): ContentHash =>
  written(CONTRACT, digest(canonical(content))) as ContentHash;

/** What the preimage of a grant hash begins with, by each reading. */
export const grantHashPrefix = (
  content: ContentHash,
  reading: GrantHashReading = GRANT_HASH_READING,
): Buffer => {
  const base64url = content.slice(content.lastIndexOf("$") + 1);
  if (reading === "text") return Buffer.from(content, "ascii");
  return Buffer.from(base64url, reading === "digest" ? "base64url" : "ascii");
};

/**
 * The hash of a grant: SHA3-512 over the content hash and the canonical form of the grant's data.
 *
 * @param content the hash of the contract that the grant stands in
 */
export const grantHash = (
  content: ContentHash,
  grant: GrantData,
  reading: GrantHashReading = GRANT_HASH_READING,
): GrantHash =>
  written(
    hashTypeOf(grant.type),
    digest(grantHashPrefix(content, reading), canonical(grant)),
  ) as GrantHash;

/** A grant with its hash. */
export interface HashedGrant {
  readonly hash: GrantHash;
  readonly grant: GrantData;
}

/** The hashes of all grants of a contract, in its order. */
export const grantHashes = (content: ContractContent): readonly HashedGrant[] => {
  const whole = contentHash(content);
  return content.grants.map(({ data }) => ({ hash: grantHash(whole, data), grant: data }));
};

/** Takes a content hash in its one form, or undefined when it is none. */
export const parseContentHash = (text: string): ContentHash | undefined =>
  HASH.exec(text)?.[1] === "1" ? (text as ContentHash) : undefined;

/** Takes a grant hash in its one form, with the type of its grant, or undefined when it is none. */
export const parseGrantHash = (
  text: string,
): { readonly hash: GrantHash; readonly type: GrantType } | undefined => {
  const type = GRANT_TYPES[Number(HASH.exec(text)?.[1]) - 2];
  return type === undefined ? undefined : { hash: text as GrantHash, type };
};
