// The internal CA of an organisation: a CA's folder like any other, whose certificates name components
// and their roles instead of peers.
import { createHash, type KeyObject, type X509Certificate } from "node:crypto";
import type { ComponentName } from "../core/names.js";
import { validFromNow, type Ca } from "./ca.js";
import { fieldsOf } from "./certificate-fields.js";
import type { Purpose } from "./extensions.js";
import { componentSubject } from "./forge.js";
import type { Role } from "./internal-identity.js";
import { signCertificate } from "./issue.js";

const DAY_MS = 86_400_000;

/** How long an internal certificate is valid unless said otherwise. Components renew it from two thirds on. */
export const INTERNAL_DAYS = 90;

// Every component calls the manager. The manager answers, and an outway answers its clients.
const SERVING: readonly Role[] = ["manager", "outway"];

const purposesOf = (role: Role): readonly Purpose[] =>
  SERVING.includes(role)
    ? ["client authentication", "server authentication"]
    : ["client authentication"];

/** What an internal certificate is for. */
export interface InternalIssuance {
  readonly role: Role;
  readonly name: ComponentName;
  readonly publicKey: KeyObject;
  /** Milliseconds since 1970; the machine's clock unless given. */
  readonly now?: number | undefined;
  /** How long it is valid, in milliseconds; 90 days unless given. Never longer than the CA itself. */
  readonly lifeMs?: number | undefined;
}

/**
 * Issues a certificate that gives the holder of a key a role and a name inside the organisation, and
 * records it in the CA's folder.
 *
 * @throws CertificateError when the CA itself has ended
 */
export const issueInternal = async (
  ca: Ca,
  { role, name, publicKey, now = Date.now(), lifeMs = INTERNAL_DAYS * DAY_MS }: InternalIssuance,
): Promise<X509Certificate> => {
  const end = Math.min(now + lifeMs, ca.issuing.validToDate.getTime());
  return await signCertificate(ca, {
    publicKey,
    subject: componentSubject(role, name),
    names: [],
    notBefore: validFromNow(now),
    notAfter: new Date(end),
    purposes: purposesOf(role),
  });
};

/** SHA-256 of a certificate's SubjectPublicKeyInfo: what an enrolment code knows the internal CA by. */
export const keyHashOf = (certificate: X509Certificate): Buffer =>
  createHash("sha256").update(fieldsOf(certificate).publicKeyInfo).digest();
