// The internal CA of an organisation: a CA's folder like any other, whose certificates name components
// and their roles instead of peers.
import { createHash, X509Certificate, type KeyObject } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isHostName } from "../core/address.js";
import type { ComponentName } from "../core/names.js";
import { caFiles, validFromNow, type Ca } from "./ca.js";
import { CertificateError } from "./certificate-error.js";
import { fieldsOf } from "./certificate-fields.js";
import type { Purpose } from "./extensions.js";
import { componentSubject } from "./forge.js";
import { internalIdentityOf, type InternalIdentity, type Role } from "./internal-identity.js";
import { signCertificate } from "./issue.js";

const DAY_MS = 86_400_000;

/** How long an internal certificate is valid unless said otherwise. Components renew it from two thirds on. */
export const INTERNAL_DAYS = 90;

// Every component calls the manager. The manager answers, and an outway answers its clients.
const SERVING: readonly Role[] = ["manager", "outway"];

/** Whose certificates may carry host names. The manager is known by its role alone. */
const NAMED: readonly Role[] = ["outway", "web"];

const HOST_NAMES_MAX = 10;

const purposesOf = (role: Role, hostNames: readonly string[]): readonly Purpose[] =>
  SERVING.includes(role) || hostNames.length > 0
    ? ["client authentication", "server authentication"]
    : ["client authentication"];

/** What an internal certificate is for. */
export interface InternalIssuance {
  readonly role: Role;
  readonly name: ComponentName;
  readonly publicKey: KeyObject;
  /** DNS names under which it is reached; none unless given. */
  readonly hostNames?: readonly string[] | undefined;
  /** Milliseconds since 1970; the machine's clock unless given. */
  readonly now?: number | undefined;
  /** How long it is valid, in milliseconds; 90 days unless given. Never longer than the CA itself. */
  readonly lifeMs?: number | undefined;
}

/**
 * Checks the host names that a certificate of a role will carry.
 *
 * @throws CertificateError when the role has none, for a name that is no DNS host name, and for more than 10
 */
export const checkHostNames = (role: Role, hostNames: readonly string[]): void => {
  if (hostNames.length > 0 && !NAMED.includes(role)) {
    throw new CertificateError(`host names are for the roles ${NAMED.join(" and ")}, not ${role}`);
  }
  if (hostNames.length > HOST_NAMES_MAX) {
    throw new CertificateError(`there are more than ${String(HOST_NAMES_MAX)} host names`);
  }
  const wrong = hostNames.find((name) => !isHostName(name));
  if (wrong !== undefined) {
    throw new CertificateError(`the host name ${JSON.stringify(wrong)} is not a DNS host name`);
  }
};

/**
 * Issues a certificate that gives the holder of a key a role and a name inside the organisation, and
 * records it in the CA's folder.
 *
 * @throws CertificateError when the CA itself has ended, or as `checkHostNames`
 */
export const issueInternal = async (
  ca: Ca,
  { role, name, publicKey, hostNames = [], ...times }: InternalIssuance,
): Promise<X509Certificate> => {
  const { now = Date.now(), lifeMs = INTERNAL_DAYS * DAY_MS } = times;
  checkHostNames(role, hostNames);
  const end = Math.min(now + lifeMs, ca.issuing.validToDate.getTime());
  return await signCertificate(ca, {
    publicKey,
    subject: componentSubject(role, name),
    names: hostNames,
    notBefore: validFromNow(now),
    notAfter: new Date(end),
    purposes: purposesOf(role, hostNames),
  });
};

/** SHA-256 of a certificate's SubjectPublicKeyInfo: what an enrolment code knows the internal CA by. */
export const keyHashOf = (certificate: X509Certificate): Buffer =>
  createHash("sha256").update(fieldsOf(certificate).publicKeyInfo).digest();

/** An internal certificate that the CA has issued. */
export interface IssuedInternal {
  readonly identity: InternalIdentity;
  /** Upper-case hexadecimal, as node:crypto writes it. */
  readonly serialNumber: string;
  /** Milliseconds since 1970. */
  readonly validUntil: number;
}

const issuedInternal = (certificate: X509Certificate): IssuedInternal | undefined => {
  try {
    const identity = internalIdentityOf(certificate);
    const { serialNumber, validToDate } = certificate;
    return { identity, serialNumber, validUntil: validToDate.getTime() };
  } catch (error) {
    if (error instanceof CertificateError) return undefined;
    throw error;
  }
};

/** What the CA's folder says that was issued. */
export interface IssuedRecords {
  readonly issued: readonly IssuedInternal[];
  /** Records that hold no certificate, as a crash leaves them before anybody is given it. */
  readonly unreadable: readonly string[];
}

/**
 * Every internal certificate that the CA's folder has a record of, whichever process issued it.
 *
 * @throws a system error when the folder cannot be read
 */
export const issuedInternals = async (ca: Ca): Promise<IssuedRecords> => {
  const folder = caFiles(ca.dir).issued;
  const [issued, unreadable]: [IssuedInternal[], string[]] = [[], []];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const pem = await readFile(path, "utf8");
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(pem);
    } catch {
      unreadable.push(path);
      continue;
    }
    const found = issuedInternal(certificate);
    if (found !== undefined) issued.push(found);
  }
  return { issued, unreadable };
};
