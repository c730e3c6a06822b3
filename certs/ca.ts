// The folder of a small CA for test groups: a root, which is the group's anchor, and below it the CA
// that issues certificates to peers. Whoever holds the folder can make any peer's certificate.
import type { X509Certificate } from "node:crypto";
import { type KeyObject } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import forge from "node-forge";
import { writeFileDurably } from "../core/durable-file.js";
import { systemCode } from "../core/errors.js";
import { CertificateError } from "./certificate-error.js";
import { describeSubject } from "./certificate-fields.js";
import { caSubject, checkCrlUrl, distributionPoint, publicHalf, signWith } from "./forge.js";
import { isPeerName } from "./identity.js";
import { readCertificates } from "./pem.js";
import { createKeyFile, exposureOf } from "./private-file.js";
import { createRsaKey, parsePrivateKey, writePrivateKey } from "./private-key.js";
import { FileError, readText } from "./read-file.js";
import { newSerial } from "./serial.js";

const DAY_MS = 86_400_000;
const FILE_BYTES_MAX = 64 * 1024;
const NAME_MAX = 50;

// Clocks of peers differ: a certificate made now must count on one that runs behind.
const BACKDATED_MS = 5 * 60_000;

/** The files of a CA's folder. */
export const caFiles = (dir: string) => ({
  root: join(dir, "root.pem"),
  rootKey: join(dir, "root.key"),
  issuing: join(dir, "issuing.pem"),
  issuingKey: join(dir, "issuing.key"),
  issued: join(dir, "issued"),
  revoked: join(dir, "revoked"),
  crlNumber: join(dir, "crl-number"),
  crlUrl: join(dir, "crl-url"),
});

/** How a CA is made. */
export interface CaOptions {
  /** 1 to 50 printable characters; both certificates carry it. */
  readonly name: string;
  /** How long both certificates are valid; ten years unless given. */
  readonly days?: number | undefined;
  /** 2048 to 4096; 3072 unless given. */
  readonly keyBits?: number | undefined;
  /** Where the CA's lists will be found (http or https); every certificate that it issues says so. */
  readonly crlUrl?: string | undefined;
}

/** A CA that can issue. */
export interface Ca {
  readonly dir: string;
  readonly root: X509Certificate;
  readonly issuing: X509Certificate;
  readonly issuingKey: KeyObject;
  /** What `createCa` was given. */
  readonly crlUrl: string | undefined;
}

/** When a certificate that is made now begins to be valid: five minutes ago. */
export const validFromNow = (now = Date.now()): Date =>
  new Date(Math.floor((now - BACKDATED_MS) / 1000) * 1000);

const subjectKeyIdentifier = (certificate: forge.pki.Certificate): string =>
  certificate.generateSubjectKeyIdentifier().getBytes();

interface CaCertificate {
  readonly key: KeyObject;
  readonly name: string;
  readonly role: "root" | "issuing";
  readonly notAfter: Date;
  readonly crlUrl?: string | undefined;
}

const createCaCertificate = (
  { key, name, role, notAfter, crlUrl }: CaCertificate,
  issuer?: { readonly certificate: forge.pki.Certificate; readonly key: KeyObject },
): forge.pki.Certificate => {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = publicHalf(key);
  certificate.serialNumber = newSerial();
  certificate.validity = { notBefore: validFromNow(), notAfter };
  const subject = caSubject(name, `${name} ${role} CA`);
  certificate.setSubject(subject);
  certificate.setIssuer(issuer?.certificate.subject.attributes ?? subject);
  const keyIdentifier = subjectKeyIdentifier(issuer?.certificate ?? certificate);
  certificate.setExtensions([
    {
      name: "basicConstraints",
      critical: true,
      cA: true,
      pathLenConstraint: role === "root" ? 1 : 0,
    },
    { name: "keyUsage", critical: true, keyCertSign: true, cRLSign: true },
    { name: "subjectKeyIdentifier" },
    { name: "authorityKeyIdentifier", keyIdentifier },
    ...distributionPoint(crlUrl),
  ]);
  signWith(issuer?.key ?? key, certificate, () => certificate.tbsCertificate);
  return certificate;
};

/**
 * Makes a CA in a folder, which is made when absent (mode 0700). The keys have mode 0600. `root.pem` is
 * the anchor for a group; `root.key` is only needed to make another issuing CA and is best kept elsewhere.
 *
 * @throws CertificateError for a name that is not allowed; KeyFileExists when the folder holds a CA already
 */
export const createCa = async (
  dir: string,
  { name, days = 3650, keyBits, crlUrl }: CaOptions,
): Promise<void> => {
  if (!isPeerName(name) || name.length > NAME_MAX) {
    throw new CertificateError(
      `the name of a CA must have 1 to ${String(NAME_MAX)} printable characters`,
    );
  }
  if (crlUrl !== undefined) checkCrlUrl(crlUrl);
  const paths = caFiles(dir);
  await mkdir(paths.issued, { recursive: true, mode: 0o700 });
  const rootKey = await createRsaKey(keyBits);
  await createKeyFile(paths.rootKey, writePrivateKey(rootKey));
  const issuingKey = await createRsaKey(keyBits);
  await createKeyFile(paths.issuingKey, writePrivateKey(issuingKey));
  const notAfter = new Date(validFromNow().getTime() + BACKDATED_MS + days * DAY_MS);
  const root = createCaCertificate({ key: rootKey, name, role: "root", notAfter });
  const issuing = createCaCertificate(
    { key: issuingKey, name, role: "issuing", notAfter, crlUrl },
    { certificate: root, key: rootKey },
  );
  await writeFileDurably(paths.root, forge.pki.certificateToPem(root), 0o644);
  await writeFileDurably(paths.issuing, forge.pki.certificateToPem(issuing), 0o644);
  if (crlUrl !== undefined) await writeFileDurably(paths.crlUrl, `${crlUrl}\n`, 0o644);
};

const readOne = async (path: string): Promise<X509Certificate> => {
  const [certificate] = readCertificates(await readText(path, FILE_BYTES_MAX), 1);
  if (certificate === undefined) throw new CertificateError(`${path} holds no certificate`);
  return certificate;
};

/**
 * Reads the key of one of the CA's certificates.
 *
 * @throws FileError when it cannot be read; CertificateError when it is another's or others may read it
 */
export const readKey = async (path: string, certificate: X509Certificate): Promise<KeyObject> => {
  const key = parsePrivateKey(await readText(path, FILE_BYTES_MAX));
  const exposure = await exposureOf(path);
  if (exposure !== undefined) throw new CertificateError(exposure);
  if (!certificate.checkPrivateKey(key)) {
    throw new CertificateError(
      `the key in ${path} is not that of (${describeSubject(certificate)})`,
    );
  }
  return key;
};

const readCrlUrl = async (path: string): Promise<string | undefined> => {
  let text: string;
  try {
    text = (await readText(path, FILE_BYTES_MAX)).trim();
  } catch (error) {
    if (error instanceof FileError && systemCode(error.cause) === "ENOENT") return undefined;
    throw error;
  }
  checkCrlUrl(text);
  return text;
};

/**
 * Opens the CA of a folder that `createCa` made.
 *
 * @throws FileError when a file cannot be read; CertificateError when the files do not fit each other or
 * others may read the key
 */
export const openCa = async (dir: string): Promise<Ca> => {
  const paths = caFiles(dir);
  const root = await readOne(paths.root);
  const issuing = await readOne(paths.issuing);
  const issuingKey = await readKey(paths.issuingKey, issuing);
  if (!issuing.checkIssued(root) || !issuing.verify(root.publicKey)) {
    throw new CertificateError(`${paths.issuing} was not issued by ${paths.root}`);
  }
  return { dir, root, issuing, issuingKey, crlUrl: await readCrlUrl(paths.crlUrl) };
};

/**
 * Records a certificate as issued, durably, before anybody gets it: one file a serial in the folder
 * `issued`. The file is made exclusively, so that two certificates with one serial cannot both be
 * recorded, whichever processes made them.
 *
 * @throws CertificateError when the serial has been used before
 */
export const recordIssued = async (ca: Ca, certificate: X509Certificate): Promise<void> => {
  const path = join(caFiles(ca.dir).issued, `${certificate.serialNumber.toLowerCase()}.pem`);
  try {
    await writeFile(path, certificate.toString(), { flag: "wx", flush: true });
  } catch (cause) {
    if (systemCode(cause) !== "EEXIST") throw cause;
    throw new CertificateError(`the serial ${certificate.serialNumber} has been used before`, {
      cause,
    });
  }
};
