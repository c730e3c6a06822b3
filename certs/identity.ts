// Who a peer is: the one place where a certificate's subject becomes an organisation.
import { createHash, type X509Certificate } from "node:crypto";
import { isHostName } from "../core/address.js";
import { parseThumbprint, type PeerId, type PeerIdRule, type Thumbprint } from "../core/names.js";
import { CertificateError } from "./certificate-error.js";
import { fieldsOf, keyProblem, publicKeyOf } from "./certificate-fields.js";
import { ATTRIBUTE, readText, type Attribute } from "./distinguished-name.js";
import { basicConstraintsOf, dnsNamesOf } from "./extensions.js";

export { CertificateError };

/** A peer as its certificate shows it. */
export interface PeerIdentity {
  /** The subject's serialNumber, by the group's rule. */
  readonly peerId: PeerId;
  /** The subject's organisation (O), 1 to 255 characters without control or format characters. */
  readonly name: string;
  /** SHA-256 of the certificate's DER in base64url (RFC 8705, `x5t#S256`). */
  readonly certificateThumbprint: string;
  /** SHA-256 of the SubjectPublicKeyInfo's DER, 64 lower-case hexadecimal characters. */
  readonly publicKeyThumbprint: Thumbprint;
  /** The DNS names of the subjectAltName in lower case; a name may begin with the label "*". */
  readonly dnsNames: readonly string[];
}

const NAME_MAX = 255;
const DNS_NAMES_MAX = 100;

const onlyText = (subject: readonly Attribute[], oid: string, what: string): string => {
  const [first, ...more] = subject.filter((attribute) => attribute.oid === oid);
  if (first === undefined) throw new CertificateError(`its subject has no ${what}`);
  if (more.length > 0) throw new CertificateError(`its subject has more than one ${what}`);
  try {
    return readText(first.value);
  } catch (error) {
    const reason = error instanceof Error ? error.message : "unreadable";
    throw new CertificateError(`its subject has a ${what} with ${reason}`, { cause: error });
  }
};

/**
 * Reads the two attributes of a subject that say which organisation it is, as they stand there.
 *
 * @throws CertificateError when either is absent, stands in it more than once or is not UTF-8 or printable text
 */
export const readSubject = (
  subject: readonly Attribute[],
): { readonly serialNumber: string; readonly organisation: string } => ({
  serialNumber: onlyText(subject, ATTRIBUTE.serialNumber, "serialNumber"),
  organisation: onlyText(subject, ATTRIBUTE.organisation, "O (organisation)"),
});

/**
 * Whether a text may be an organisation's name: 1 to 255 characters, none of them a control, format,
 * private-use or line-separating character, and no space at either end.
 */
export const isPeerName = (text: string): boolean =>
  text.length >= 1 &&
  text.length <= NAME_MAX &&
  !/[\p{C}\p{Zl}\p{Zp}]/u.test(text) &&
  text.trim() === text;

/** Whether a text may be a DNS name of a certificate: a host name, or one after "*." (RFC 9525, 6.3). */
export const isCertificateName = (text: string): boolean =>
  isHostName(text.startsWith("*.") ? text.slice(2) : text);

const readDnsNames = (certificate: X509Certificate): readonly string[] => {
  const names = dnsNamesOf(fieldsOf(certificate).extensions);
  if (names.length > DNS_NAMES_MAX) {
    throw new CertificateError(`it has more than ${String(DNS_NAMES_MAX)} DNS names`);
  }
  if (!names.every(isCertificateName)) {
    throw new CertificateError("it has a DNS name that is not a host name");
  }
  return names.map((name) => name.toLowerCase());
};

/**
 * Reads who a certificate belongs to. Looks at no date, issuer or purpose: `admit`, `checkPeer`,
 * `loadBundle` and `verifySigned` do.
 *
 * @param rule the group's rule for peer ids
 * @throws CertificateError when the subject has no O or no serialNumber, or several of either; when the
 * id is not by the rule or the name not printable; for a CA's certificate, a key that is too weak or of
 * another kind than RSA or EC, a DNS name that is no host name, or a certificate that is not strict DER
 */
export const identityOf = (certificate: X509Certificate, rule: PeerIdRule): PeerIdentity => {
  const { subject, publicKeyInfo, extensions } = fieldsOf(certificate);
  if (basicConstraintsOf(extensions).isCa) {
    throw new CertificateError("it is the certificate of a CA, not of a peer");
  }
  const weakness = keyProblem(publicKeyOf(certificate));
  if (weakness !== undefined) throw new CertificateError(`it has ${weakness}`);
  const { serialNumber, organisation: name } = readSubject(subject);
  const peerId = rule(serialNumber);
  if (peerId === undefined) {
    throw new CertificateError("its subject's serialNumber is not a peer id by the group's rule");
  }
  if (!isPeerName(name)) {
    throw new CertificateError(
      `its subject's O is not a name of 1 to ${String(NAME_MAX)} printable characters`,
    );
  }
  const thumbprint = parseThumbprint(createHash("sha256").update(publicKeyInfo).digest("hex"));
  if (thumbprint === undefined) throw new TypeError("a SHA-256 digest is not a thumbprint");
  return Object.freeze({
    peerId,
    name,
    certificateThumbprint: createHash("sha256").update(certificate.raw).digest("base64url"),
    publicKeyThumbprint: thumbprint,
    dnsNames: Object.freeze(readDnsNames(certificate)),
  });
};

/** The DNS names of a certificate that are host names, in lower case. Throws CertificateError when malformed. */
export const hostNamesOf = (certificate: X509Certificate): readonly string[] =>
  dnsNamesOf(fieldsOf(certificate).extensions)
    .filter(isCertificateName)
    .map((name) => name.toLowerCase());

/**
 * Whether a host name is one of a peer's certificate, without regard to case. A name that begins with
 * "*." stands for exactly one label in its place (RFC 9525, 6.3). An IP address is never a name.
 */
export const certifiesHost = (identity: Pick<PeerIdentity, "dnsNames">, host: string): boolean => {
  const wanted = host.toLowerCase();
  if (!isHostName(wanted)) return false;
  const parent = wanted.slice(wanted.indexOf("."));
  return identity.dnsNames.some(
    (name) => name === wanted || (wanted.includes(".") && name === `*${parent}`),
  );
};
