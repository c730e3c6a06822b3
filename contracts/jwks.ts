// The certificates of a peer as its manager lists them: a JWK set with chains (RFC 7517).
import { timingSafeEqual, type KeyObject, type X509Certificate } from "node:crypto";
import { CertificateError } from "../certs/certificate-error.js";
import { publicKeyOf } from "../certs/certificate-fields.js";
import { CERTIFICATE_BYTES_MAX, CHAIN_LENGTH_MAX, isRoot } from "../certs/chain.js";
import { parseCertificate } from "../certs/pem.js";
import { parseBody } from "./contract.js";
import { refusingFields } from "./content.js";
import { Fields, FieldError } from "./fields.js";
import { algorithmsOf, certificateThumbprintOf, THUMBPRINT_HEADER } from "./jws.js";

/** How large a JWK set may be, in bytes. */
export const JWKS_BYTES_MAX = 1024 * 1024;

/** How many keys a JWK set may have. */
export const JWKS_KEYS_MAX = 50;

/** The members that may hold a certificate's thumbprint: RFC 7517's, which we write, and the misspelt one of FSC's OpenAPI file. */
export const JWK_THUMBPRINTS = [THUMBPRINT_HEADER, "x5t#s256"] as const;

/** One key of a JWK set. Only its form has been checked: `checkPath` and revocation are the caller's. */
export interface ListedKey {
  /** SHA-256 of the first certificate in base64url. */
  readonly thumbprint: string;
  /** The certificate first, then its issuers, without the root. */
  readonly chain: readonly X509Certificate[];
  /** The certificate's public key, which the other members of the JWK repeat. */
  readonly key: KeyObject;
}

/** A JWK set as it was understood. */
export interface Jwks {
  /** By thumbprint. */
  readonly keys: ReadonlyMap<string, ListedKey>;
  /** Why others are not used, for the log: "keys[2].x5c is absent, it must be an array". */
  readonly ignored: readonly string[];
}

const publicJwk = (certificate: X509Certificate) =>
  publicKeyOf(certificate).export({ format: "jwk" });

// The members by which a JWK repeats the certificate's key.
const keyMembers = (certificate: X509Certificate): Readonly<Record<string, string>> => {
  const { kty = "", crv = "", x = "", y = "", n = "", e = "" } = publicJwk(certificate);
  return kty === "EC" ? { kty, crv, x, y } : { kty, n, e };
};

const withoutRoot = (chain: readonly X509Certificate[]): readonly X509Certificate[] => {
  const last = chain.at(-1);
  return chain.length > 1 && last !== undefined && isRoot(last) ? chain.slice(0, -1) : chain;
};

/**
 * The JWK set for some certificates: the key, its use, `x5c` without the root, and `x5t#S256`, which is the `kid`
 * too.
 *
 * @param chains the certificate first in each, then its issuers
 * @throws CertificateError when a certificate cannot be read
 */
export const jwksOf = (chains: readonly (readonly X509Certificate[])[]): object => ({
  keys: chains.map((chain) => {
    const [certificate] = chain;
    if (certificate === undefined) throw new CertificateError("there is no certificate");
    const thumbprint = certificateThumbprintOf(certificate);
    return {
      ...keyMembers(certificate),
      use: "sig",
      kid: thumbprint,
      x5c: withoutRoot(chain).map(({ raw }) => raw.toString("base64")),
      [JWK_THUMBPRINTS[0]]: thumbprint,
    };
  }),
});

const certificateOf = (path: string, base64: unknown): X509Certificate => {
  const der = typeof base64 === "string" ? Buffer.from(base64, "base64") : Buffer.of();
  if (der.length === 0 || der.toString("base64") !== base64) {
    throw new FieldError(path, "must be certificates in base64 with padding (RFC 4648, 4)");
  }
  if (der.length > CERTIFICATE_BYTES_MAX) {
    throw new FieldError(
      path,
      `has a certificate of ${String(der.length)} bytes, allowed are ${String(CERTIFICATE_BYTES_MAX)}`,
    );
  }
  return parseCertificate(der);
};

const chainOf = (fields: Fields): readonly [X509Certificate, ...X509Certificate[]] => {
  const path = fields.pathOf("x5c");
  const list = fields.list("x5c");
  // One more than a chain, since others may list the root.
  if (list.length > CHAIN_LENGTH_MAX + 1) {
    throw new FieldError(
      path,
      `has ${String(list.length)} certificates, allowed are ${String(CHAIN_LENGTH_MAX)}`,
    );
  }
  const [first, ...issuers] = withoutRoot(list.map((each) => certificateOf(path, each)));
  if (first === undefined) throw new FieldError(path, "has no certificate");
  return [first, ...issuers];
};

const checkUse = (fields: Fields, key: KeyObject): void => {
  if (fields.has("use")) fields.word("use", ["sig"]);
  if (fields.has("key_ops") && !fields.list("key_ops").includes("verify")) {
    throw new FieldError(fields.pathOf("key_ops"), "does not have verify");
  }
  const algorithms = algorithmsOf(key);
  if (algorithms.length === 0) {
    throw new FieldError(fields.pathOf("x5c"), "has a certificate whose key FSC does not allow");
  }
  if (fields.has("alg")) fields.word("alg", algorithms);
};

const sameKey = (fields: Fields, certificate: X509Certificate): void => {
  for (const [name, expected] of Object.entries(keyMembers(certificate))) {
    const found = Buffer.from(fields.text(name, { max: 4096 }));
    const wanted = Buffer.from(expected);
    if (found.length !== wanted.length || !timingSafeEqual(found, wanted)) {
      throw new FieldError(fields.pathOf(name), "is not that of the certificate's key");
    }
  }
};

const listedKey = (fields: Fields): ListedKey => {
  fields.word("kty", ["RSA", "EC"]);
  const secret = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].find((name) => fields.has(name));
  if (secret !== undefined) {
    throw new FieldError(fields.pathOf(secret), "is part of a private key, which is now known");
  }
  const chain = chainOf(fields);
  const key = publicKeyOf(chain[0]);
  checkUse(fields, key);
  sameKey(fields, chain[0]);
  const thumbprint = certificateThumbprintOf(chain[0]);
  for (const name of JWK_THUMBPRINTS) {
    if (fields.has(name) && fields.any(name) !== thumbprint) {
      throw new FieldError(fields.pathOf(name), "is not the certificate's thumbprint");
    }
  }
  return Object.freeze({ thumbprint, chain: Object.freeze(chain), key });
};

/**
 * Reads a JWK set. A key that is not understood, or not right, is left out with the reason, as RFC 7517, 5
 * asks; members that are not known are ignored.
 *
 * @throws ContractRefusal ERROR_CODE_BODY_TOO_LARGE; ERROR_CODE_REQUEST_INVALID when it is no strict JSON, has
 * no array `keys` or too many keys
 */
export const parseJwks = (bytes: Uint8Array): Jwks => {
  const value = parseBody(bytes, JWKS_BYTES_MAX);
  const list = refusingFields(() => {
    const found = new Fields(value, "").list("keys");
    if (found.length <= JWKS_KEYS_MAX) return found;
    throw new FieldError(
      "keys",
      `has ${String(found.length)} keys, allowed are ${String(JWKS_KEYS_MAX)}`,
    );
  });
  const keys = new Map<string, ListedKey>();
  const ignored: string[] = [];
  list.forEach((each, at) => {
    try {
      const key = listedKey(new Fields(each, `keys[${String(at)}]`));
      if (!keys.has(key.thumbprint)) keys.set(key.thumbprint, key);
    } catch (error) {
      if (error instanceof FieldError) ignored.push(error.message);
      else if (error instanceof CertificateError)
        ignored.push(`keys[${String(at)}].x5c: ${error.message}`);
      else throw error;
    }
  });
  return { keys, ignored };
};
