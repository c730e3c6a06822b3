// Revocation lists as they come from outside: whose they are, which of two counts, and how they are kept in a file.
import { createHash, type X509Certificate } from "node:crypto";
import { CertificateError } from "./certificate-error.js";
import { fieldsOf } from "./certificate-fields.js";
import { distributionPointsOf } from "./extensions.js";
import { isIssuedBy } from "./issued-by.js";
import { readCertificates, readListsPem, writeCertificates, writeListsPem } from "./pem.js";
import {
  isListBy,
  isNewer,
  readRevocationList,
  type ReadRevocationList,
  type RevocationList,
} from "./revocation-list.js";

/** How many lists one file or answer may hold. */
export const LISTS_TOGETHER_MAX = 20;

const CHAIN_MAX = 10;

/** Who may have made a list: the group's anchors, and chains that have been checked, each without its anchor. */
export interface KnownCas {
  readonly anchors: readonly X509Certificate[];
  readonly chains: readonly (readonly X509Certificate[])[];
}

/** A list whose issuer is known, taken apart. */
export interface AttributedList {
  readonly list: RevocationList;
  readonly read: ReadRevocationList;
  /** The same for every list of one CA. */
  readonly issuerId: string;
}

const idOf = (issuer: X509Certificate): string => {
  const { subjectBytes, publicKeyInfo } = fieldsOf(issuer);
  return createHash("sha256").update(subjectBytes).update(publicKeyInfo).digest("hex");
};

/**
 * Finds out whose a list is, and checks that it is signed by them. Looks at no date.
 *
 * @throws CertificateError when the list is not one that `readRevocationList` takes, or by no CA that is known
 */
export const attribute = (crl: Buffer, { anchors, chains }: KnownCas): AttributedList => {
  const read = readRevocationList(crl);
  const anchor = anchors.find((each) => isListBy(read, each));
  if (anchor !== undefined) {
    return { list: { crl, issuerChain: [] }, read, issuerId: idOf(anchor) };
  }
  for (const chain of chains) {
    const at = chain.findIndex((each) => isListBy(read, each));
    const issuer = chain[at];
    const last = chain.at(-1);
    const leads = last !== undefined && anchors.some((each) => isIssuedBy(each, last));
    if (issuer !== undefined && leads) {
      return { list: { crl, issuerChain: chain.slice(at) }, read, issuerId: idOf(issuer) };
    }
  }
  throw new CertificateError(`a revocation list of (${read.issuer}), which is no CA in use here`);
};

/** Whether a list may take the place of another of the same CA: it is newer, never older. */
export const replaces = (next: AttributedList, current: AttributedList | undefined): boolean =>
  current === undefined || isNewer(next.read, current.read);

/** The lists in bytes from outside: one in DER, or up to 20 in PEM. Nothing of them has been checked. Throws CertificateError for anything else. */
export const listsIn = (bytes: Buffer): readonly Buffer[] =>
  bytes[0] === 0x30 ? [bytes] : readListsPem(bytes.toString("latin1"), LISTS_TOGETHER_MAX);

/** A list with its issuers as text for a file. */
export const writeAttributed = ({ list }: AttributedList): string =>
  writeListsPem([list.crl]) + writeCertificates(list.issuerChain);

/** Reads what `writeAttributed` wrote and checks it against the anchors. Throws CertificateError when it does not hold. */
export const readAttributed = (
  text: string,
  anchors: readonly X509Certificate[],
): AttributedList => {
  const [crl] = readListsPem(text, 1);
  if (crl === undefined) throw new CertificateError("there is no list");
  const chain = text.includes("BEGIN CERTIFICATE") ? readCertificates(text, CHAIN_MAX) : [];
  return attribute(crl, { anchors, chains: [chain] });
};

/** Where the lists are that certificates name: http and https URLs, each once. Certificates that cannot be read name none. */
export const listAddressesOf = (certificates: readonly X509Certificate[]): readonly string[] => [
  ...new Set(
    certificates.flatMap((certificate) => {
      try {
        return distributionPointsOf(fieldsOf(certificate).extensions);
      } catch {
        return [];
      }
    }),
  ),
];
