// Who a component of our own organisation is, by a certificate of the organisation's internal CA.
import { createHash, type X509Certificate } from "node:crypto";
import { parseComponentName, type ComponentName } from "../core/names.js";
import { CertificateError } from "./certificate-error.js";
import { fieldsOf, keyProblem, publicKeyOf } from "./certificate-fields.js";
import { ATTRIBUTE, readText, type Attribute } from "./distinguished-name.js";
import { basicConstraintsOf } from "./extensions.js";
import { hostNamesOf } from "./identity.js";

/** What a component may be. Its certificate carries one role, and each RPC of the manager lists who may call it. */
export const ROLES = ["inway", "outway", "manager", "cli", "web", "client"] as const;
export type Role = (typeof ROLES)[number];

/** A component as its internal certificate shows it. */
export interface InternalIdentity {
  readonly role: Role;
  /** Unique within the role. */
  readonly name: ComponentName;
  /** DNS names under which it is reached, in lower case; none for most components. */
  readonly hostNames: readonly string[];
  /** SHA-256 of the certificate's DER in base64url. */
  readonly certificateThumbprint: string;
  /** The moment from which the certificate is renewed: two thirds of its life, in milliseconds since 1970. */
  readonly renewableFrom: number;
}

const renewableFromOf = ({ validFromDate: from, validToDate: to }: X509Certificate): number =>
  from.getTime() + ((to.getTime() - from.getTime()) * 2) / 3;

/** The role with this name, or undefined when there is none. */
export const parseRole = (text: string): Role | undefined => ROLES.find((role) => role === text);

const textOf = (subject: readonly Attribute[], oid: string): string | undefined => {
  const found = subject.find((attribute) => attribute.oid === oid);
  return found === undefined ? undefined : readText(found.value);
};

/**
 * Reads which component a certificate belongs to: its subject is exactly one OU, the role, and one CN, the
 * name. A peer's certificate in a group always has more, and is none. Looks at no date, issuer or purpose.
 *
 * @throws CertificateError when the subject is another, for a CA's certificate, a key that is too weak,
 * or a certificate that is not strict DER
 */
export const internalIdentityOf = (certificate: X509Certificate): InternalIdentity => {
  const { subject, extensions } = fieldsOf(certificate);
  if (basicConstraintsOf(extensions).isCa) {
    throw new CertificateError("it is the certificate of a CA, not of a component");
  }
  const weakness = keyProblem(publicKeyOf(certificate));
  if (weakness !== undefined) throw new CertificateError(`it has ${weakness}`);
  const [unit, common] = [ATTRIBUTE.organisationalUnit, ATTRIBUTE.commonName].map((oid) =>
    textOf(subject, oid),
  );
  if (subject.length !== 2 || unit === undefined || common === undefined) {
    throw new CertificateError(
      "its subject is not a role (OU) and a name (CN), as the internal CA gives them",
    );
  }
  const role = parseRole(unit);
  if (role === undefined) {
    throw new CertificateError(`its subject's OU is not a role; roles are ${ROLES.join(", ")}`);
  }
  const name = parseComponentName(common);
  if (name === undefined) {
    throw new CertificateError("its subject's CN is not 1 to 100 of a-z A-Z 0-9 . - _");
  }
  const certificateThumbprint = createHash("sha256").update(certificate.raw).digest("base64url");
  return Object.freeze({
    role,
    name,
    hostNames: Object.freeze(hostNamesOf(certificate)),
    certificateThumbprint,
    renewableFrom: renewableFromOf(certificate),
  });
};
