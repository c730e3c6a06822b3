// What the small CA has revoked, and its lists.
import type { KeyObject, X509Certificate } from "node:crypto";
import { access, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeFileDurably } from "../core/durable-file.js";
import { systemCode } from "../core/errors.js";
import { caFiles, readKey, validFromNow, type Ca } from "./ca.js";
import { CertificateError } from "./certificate-error.js";
import { fieldsOf } from "./certificate-fields.js";
import {
  createRevocationList,
  REVOCATION_REASONS,
  type RevocationReason,
  type RevokedCertificate,
} from "./crl-writer.js";
import { readText } from "./read-file.js";

const ENTRY_BYTES_MAX = 1024;
const DAY_MS = 86_400_000;

const entrySchema = z.strictObject({
  issuer: z.enum(["root", "issuing"]),
  serial: z.string().regex(/^([0-9a-f]{2}){1,20}$/),
  since: z.iso.datetime(),
  reason: z.enum(REVOCATION_REASONS as [RevocationReason, ...RevocationReason[]]),
});

type Entry = z.infer<typeof entrySchema>;

const exists = async (path: string): Promise<boolean> => {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
};

/** The content of a serial's INTEGER: node:crypto and people leave out the zero that keeps it positive. */
const asContent = (serial: string): string => {
  const digits = serial
    .toLowerCase()
    .replaceAll(":", "")
    .replace(/^(00)+/, "");
  if (!/^[0-9a-f]{1,40}$/.test(digits)) {
    throw new CertificateError("a serial is 1 to 20 bytes in hexadecimal");
  }
  const whole = digits.length % 2 === 0 ? digits : `0${digits}`;
  return Number.parseInt(whole.slice(0, 2), 16) >= 0x80 ? `00${whole}` : whole;
};

const issuerOf = async (ca: Ca, serial: string): Promise<Entry["issuer"]> => {
  if (fieldsOf(ca.issuing).serial === serial) return "root";
  const bare = serial.replace(/^00/, "");
  const names = [serial, bare, bare.replace(/^0/, "")].map((name) => `${name}.pem`);
  for (const name of names) {
    if (await exists(join(caFiles(ca.dir).issued, name))) return "issuing";
  }
  throw new CertificateError(`this CA has issued no certificate with the serial ${serial}`);
};

/**
 * Revokes a certificate of the CA, from now on: its own issuing CA's too. It stands in every list that is
 * made afterwards.
 *
 * @param which the certificate, or its serial in hexadecimal
 * @returns the serial in hexadecimal
 * @throws CertificateError when this CA has not issued it or it is revoked already
 */
export const revokeCertificate = async (
  ca: Ca,
  which: X509Certificate | string,
  reason: RevocationReason = "unspecified",
): Promise<string> => {
  const serial = typeof which === "string" ? asContent(which) : fieldsOf(which).serial;
  if (typeof which !== "string" && !isOwn(ca, which)) {
    throw new CertificateError("the certificate was not issued by this CA");
  }
  const issuer = await issuerOf(ca, serial);
  const since = new Date(Math.floor(Date.now() / 1000) * 1000).toISOString();
  const entry: Entry = { issuer, serial, since, reason };
  const folder = caFiles(ca.dir).revoked;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    const path = join(folder, `${serial}.json`);
    await writeFile(path, `${JSON.stringify(entry)}\n`, { flag: "wx", flush: true });
  } catch (cause) {
    if (systemCode(cause) !== "EEXIST") throw cause;
    throw new CertificateError(`the certificate with the serial ${serial} is revoked already`, {
      cause,
    });
  }
  return serial;
};

const isOwn = (ca: Ca, certificate: X509Certificate): boolean =>
  certificate.raw.equals(ca.issuing.raw) ||
  (certificate.checkIssued(ca.issuing) && certificate.verify(ca.issuing.publicKey));

const entriesOf = async (ca: Ca): Promise<readonly Entry[]> => {
  const folder = caFiles(ca.dir).revoked;
  if (!(await exists(folder))) return [];
  const names = (await readdir(folder)).filter((name) => name.endsWith(".json")).sort();
  return Promise.all(
    names.map(async (name) => {
      const text = await readText(join(folder, name), ENTRY_BYTES_MAX);
      try {
        return entrySchema.parse(JSON.parse(text));
      } catch (cause) {
        throw new CertificateError(`${join(folder, name)} is not a revocation`, { cause });
      }
    }),
  );
};

const nextNumber = async (ca: Ca): Promise<bigint> => {
  const path = caFiles(ca.dir).crlNumber;
  const text = (await exists(path)) ? (await readText(path, 100)).trim() : "0";
  if (!/^[0-9]{1,40}$/.test(text)) throw new CertificateError(`${path} holds no number`);
  const number = BigInt(text) + 1n;
  // Written before the list is: a number is never used twice.
  await writeFileDurably(path, `${String(number)}\n`);
  return number;
};

/** The lists of a CA's two certificates. */
export interface CaLists {
  /** Undefined when the root's key is kept elsewhere. */
  readonly root: Buffer | undefined;
  readonly issuing: Buffer;
}

/**
 * Makes the CA's lists of this moment.
 *
 * @param days how long they count
 * @throws CertificateError when a file of the folder is not what it should be
 */
export const createLists = async (ca: Ca, days: number): Promise<CaLists> => {
  const entries = await entriesOf(ca);
  const number = await nextNumber(ca);
  const thisUpdate = validFromNow();
  const nextUpdate = new Date(Math.floor((Date.now() + days * DAY_MS) / 1000) * 1000);
  const make = (issuer: Entry["issuer"], certificate: X509Certificate, key: KeyObject): Buffer => {
    const revoked: readonly RevokedCertificate[] = entries
      .filter((entry) => entry.issuer === issuer)
      .map(({ serial, since, reason }) => ({ serial, since: new Date(since), reason }));
    return createRevocationList(certificate, key, { thisUpdate, nextUpdate, number, revoked });
  };
  const { rootKey } = caFiles(ca.dir);
  return {
    root: (await exists(rootKey))
      ? make("root", ca.root, await readKey(rootKey, ca.root))
      : undefined,
    issuing: make("issuing", ca.issuing, ca.issuingKey),
  };
};
