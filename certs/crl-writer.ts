// Makes certificate revocation lists (RFC 5280, section 5), which node-forge cannot.
import { sign, type KeyObject, type X509Certificate } from "node:crypto";
import forge from "node-forge";
import { fieldsOf } from "./certificate-fields.js";
import { subjectKeyIdOf } from "./extensions.js";
import { REASONS } from "./revocation-list.js";

/** Why a certificate is revoked; `removeFromCRL` and the unused number have no word here. */
export type RevocationReason = Exclude<(typeof REASONS)[number], undefined>;

/** The reasons that may be given. */
export const REVOCATION_REASONS: readonly RevocationReason[] = REASONS.filter(
  (reason) => reason !== undefined,
);

/** One certificate that is revoked. */
export interface RevokedCertificate {
  /** The content of its serial's INTEGER in hexadecimal. */
  readonly serial: string;
  readonly since: Date;
  readonly reason: RevocationReason;
}

/** What a list says. */
export interface ListContent {
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  /** Higher than that of every list before. */
  readonly number: bigint;
  readonly revoked: readonly RevokedCertificate[];
}

type Asn1 = forge.asn1.Asn1;

const { Class, Type, create } = forge.asn1;

const sequence = (...parts: Asn1[]): Asn1 => create(Class.UNIVERSAL, Type.SEQUENCE, true, parts);
const primitive = (type: forge.asn1.Type, hex: string): Asn1 =>
  create(Class.UNIVERSAL, type, false, Buffer.from(hex, "hex").toString("latin1"));
const oid = (text: string): Asn1 =>
  create(Class.UNIVERSAL, Type.OID, false, forge.asn1.oidToDer(text).getBytes());
const octets = (inside: Asn1): Asn1 =>
  create(Class.UNIVERSAL, Type.OCTETSTRING, false, forge.asn1.toDer(inside).getBytes());
/** `[0]` around other elements, or in place of a primitive's own tag. */
const tagged0 = (constructed: boolean, value: string | Asn1[]): Asn1 =>
  create(Class.CONTEXT_SPECIFIC, Type.NONE, constructed, value);
const extension = (id: string, value: Asn1): Asn1 => sequence(oid(id), octets(value));

const integerHex = (value: bigint): string => {
  const digits = value.toString(16);
  const whole = digits.length % 2 === 0 ? digits : `0${digits}`;
  return Number.parseInt(whole.slice(0, 2), 16) >= 0x80 ? `00${whole}` : whole;
};

const time = (date: Date): Asn1 => {
  const digits = date.toISOString().replaceAll(/[-T:]|\.\d+/g, "");
  const short = date.getUTCFullYear() < 2050;
  const type = short ? Type.UTCTIME : Type.GENERALIZEDTIME;
  return create(Class.UNIVERSAL, type, false, short ? digits.slice(2) : digits);
};

const entry = ({ serial, since, reason }: RevokedCertificate): Asn1 => {
  const parts = [primitive(Type.INTEGER, serial), time(since)];
  // "unspecified" is said by leaving the reason out (RFC 5280, 5.3.1).
  const code = REASONS.indexOf(reason);
  return code === 0
    ? sequence(...parts)
    : sequence(
        ...parts,
        sequence(
          extension("2.5.29.21", primitive(Type.ENUMERATED, code.toString(16).padStart(2, "0"))),
        ),
      );
};

/**
 * Makes a list of version 2 with the issuer's key identifier and the CRL number, signed with RSA
 * (PKCS #1 v1.5) and SHA-256.
 *
 * @param key the issuer's private key, RSA
 * @returns DER
 */
export const createRevocationList = (
  issuer: X509Certificate,
  key: KeyObject,
  { thisUpdate, nextUpdate, number, revoked }: ListContent,
): Buffer => {
  const { subjectBytes, extensions } = fieldsOf(issuer);
  const keyId = Buffer.from(subjectKeyIdOf(extensions) ?? "", "hex").toString("latin1");
  const algorithm = sequence(oid("1.2.840.113549.1.1.11"), primitive(Type.NULL, ""));
  const tbs = sequence(
    primitive(Type.INTEGER, "01"),
    algorithm,
    forge.asn1.fromDer(subjectBytes.toString("latin1")),
    time(thisUpdate),
    time(nextUpdate),
    ...(revoked.length === 0 ? [] : [sequence(...revoked.map(entry))]),
    tagged0(true, [
      sequence(
        ...(keyId === "" ? [] : [extension("2.5.29.35", sequence(tagged0(false, keyId)))]),
        extension("2.5.29.20", primitive(Type.INTEGER, integerHex(number))),
      ),
    ]),
  );
  const signed = Buffer.from(forge.asn1.toDer(tbs).getBytes(), "latin1");
  const signature = sign("sha256", signed, key).toString("latin1");
  const list = sequence(
    tbs,
    algorithm,
    create(Class.UNIVERSAL, Type.BITSTRING, false, `\0${signature}`),
  );
  return Buffer.from(forge.asn1.toDer(list).getBytes(), "latin1");
};
