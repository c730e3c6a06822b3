// Peers of a test group that sign contracts and tokens, with every kind of key.
import { createPrivateKey, type KeyObject, type X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { readCertificates } from "../../certs/pem.js";
import type { KeyKind } from "./openssl.js";
import type { TestGroup, TestPeer } from "./pki.js";

/** Who signs in a test. */
export interface Signer {
  readonly peerId: string;
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
  /** The certificate, then its issuers without the root. */
  readonly chain: readonly X509Certificate[];
  /** The private key's file, for openssl. */
  readonly keyFile: string;
}

/** Reads the files of a peer. */
export const signerOf = async ({ peerId, files }: TestPeer): Promise<Signer> => {
  const chain = readCertificates(await readFile(files.cert, "utf8"), 5);
  const [certificate] = chain;
  if (certificate === undefined) throw new Error("the peer has no certificate");
  const key = createPrivateKey(await readFile(files.key));
  return { peerId, key, certificate, chain, keyFile: files.key };
};

/** A peer with a key of some kind, certified by the group's CA whether anybody should accept it or not. */
export const oddSigner = async (group: TestGroup, peerId: string, key: KeyKind): Promise<Signer> =>
  signerOf(await group.oddPeer({ subject: `/O=Peer ${key}/serialNumber=${peerId}`, key }));

/** A compact JWS of any header, payload and signature. */
export const compact = (header: unknown, payload: unknown, signature: Buffer | string): string => {
  const part = (value: unknown): string =>
    Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
  const last = typeof signature === "string" ? signature : signature.toString("base64url");
  return `${part(header)}.${part(payload)}.${last}`;
};
