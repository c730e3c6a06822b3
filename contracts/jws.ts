// Compact JWS (RFC 7515) as FSC uses them: six algorithms, the signer named by the thumbprint of its
// certificate. Nothing else in a header says which key counts.
import { createHash, type KeyObject, type X509Certificate } from "node:crypto";
import { CompactSign, compactVerify, errors } from "jose";
import { keyProblem } from "../certs/certificate-fields.js";
import { canonical } from "./jcs.js";
import { isJsonObject, JsonError, parseJson, type JsonObject } from "./json.js";
import { quoted } from "./shown-text.js";

/** The algorithms that FSC Core allows. */
export const ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** The header that names the signer's certificate: SHA-256 of its DER in base64url (RFC 7515, 4.1.8). */
export const THUMBPRINT_HEADER = "x5t#S256";

const HEADER_BYTES_MAX = 1024;
const THUMBPRINT = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

// The one algorithm of each curve (RFC 7518, 3.4) with the size of its signatures; an RSA key may be
// used with each of RSA's.
const CURVES: ReadonlyMap<string, readonly [Algorithm, signatureBytes: number]> = new Map([
  ["prime256v1", ["ES256", 64]],
  ["secp384r1", ["ES384", 96]],
  ["secp521r1", ["ES512", 132]],
]);

/** Why a JWS is not accepted. `algorithm` when its algorithm is none of FSC's, `invalid` for all else. */
export class JwsError extends Error {
  constructor(
    message: string,
    readonly kind: "algorithm" | "invalid" = "invalid",
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "JwsError";
  }
}

/** Takes the thumbprint of a certificate: SHA-256 in base64url without padding, in its one form. */
export const parseCertificateThumbprint = (text: string): string | undefined =>
  THUMBPRINT.test(text) ? text : undefined;

/** The thumbprint of a certificate, as JWS headers have it. */
export const certificateThumbprintOf = (certificate: X509Certificate): string =>
  createHash("sha256").update(certificate.raw).digest("base64url");

/** The algorithms that may be used with a key: RSA's three for RSA, the curve's one for EC, none for other keys and weak ones. */
export const algorithmsOf = (key: KeyObject): readonly Algorithm[] => {
  if (keyProblem(key) !== undefined) return [];
  if (key.asymmetricKeyType === "rsa") return ["RS256", "RS384", "RS512"];
  const fixed = CURVES.get(key.asymmetricKeyDetails?.namedCurve ?? "");
  return fixed === undefined ? [] : [fixed[0]];
};

/** The algorithm that we sign with: RS512 with an RSA key, as other FSC software does, or the curve's. */
export const signingAlgorithm = (key: KeyObject): Algorithm => {
  const algorithm = algorithmsOf(key).at(-1);
  if (algorithm === undefined) throw new TypeError("no algorithm of FSC fits the key");
  return algorithm;
};

/** Who signs. */
export interface JwsSigner {
  /** The private key of the certificate. */
  readonly key: KeyObject;
  /** The certificate that verifiers look up. */
  readonly certificate: X509Certificate;
}

/** How a JWS is made. */
export interface JwsOptions {
  /** The header `typ`; none unless given. */
  readonly type?: string | undefined;
  /** One of those that fit the key; `signingAlgorithm` unless given. */
  readonly algorithm?: Algorithm | undefined;
}

/**
 * Signs a JSON object, written canonically. The header has `alg`, `x5t#S256` and, when asked for, `typ`.
 *
 * @throws TypeError when the key is not the certificate's or the algorithm does not fit it
 */
export const signJws = async (
  payload: object,
  { key, certificate }: JwsSigner,
  { type, algorithm = signingAlgorithm(key) }: JwsOptions = {},
): Promise<string> => {
  if (!certificate.checkPrivateKey(key)) throw new TypeError("the key is not the certificate's");
  if (!algorithmsOf(key).includes(algorithm)) {
    throw new TypeError(`${algorithm} does not fit the key`);
  }
  const header = {
    alg: algorithm,
    [THUMBPRINT_HEADER]: certificateThumbprintOf(certificate),
    ...(type === undefined ? {} : { typ: type }),
  };
  return new CompactSign(Buffer.from(canonical(payload))).setProtectedHeader(header).sign(key);
};

/** A JWS taken apart. Nothing in it is to be believed before `verifyJws` has said so. */
export interface ReadJws {
  readonly text: string;
  readonly algorithm: Algorithm;
  /** Which certificate the signature is said to be by. */
  readonly thumbprint: string;
  readonly payload: JsonObject;
  readonly signatureBytes: number;
}

/** What a JWS may be. */
export interface JwsRules {
  readonly bytesMax: number;
  /** Values that the header `typ` may have, compared without case; it may also be absent. */
  readonly types: readonly string[];
}

const base64url = (part: string, what: string): Buffer => {
  const bytes = Buffer.from(part, "base64url");
  // Node reads over what is no base64url: only what it would write itself has one meaning.
  if (part === "" || bytes.toString("base64url") !== part) {
    throw new JwsError(`its ${what} is not base64url without padding`);
  }
  return bytes;
};

const json = (bytes: Buffer, what: string): JsonObject => {
  try {
    const value = parseJson(bytes);
    if (isJsonObject(value)) return value;
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause;
    throw new JwsError(`its ${what} has ${cause.message}`, "invalid", { cause });
  }
  throw new JwsError(`its ${what} is not a JSON object`);
};

const algorithmOf = ({ alg }: JsonObject): Algorithm => {
  const algorithm = ALGORITHMS.find((each) => each === alg);
  if (algorithm !== undefined) return algorithm;
  const found = typeof alg === "string" ? `the algorithm ${quoted(alg)}` : "no algorithm";
  throw new JwsError(
    `its header names ${found}, allowed are ${ALGORITHMS.join(", ")}`,
    "algorithm",
  );
};

// What else a header has is ignored (RFC 7515, 4), a key or the address of one too: the key is always that
// of the certificate that x5t#S256 names. What `crit` names must not be ignored, and we understand none of it.
const checkHeader = (header: JsonObject, types: readonly string[]): void => {
  if ("crit" in header)
    throw new JwsError("its header has crit, and nothing critical is understood");
  const type = header["typ"];
  if (type === undefined) return;
  if (typeof type === "string" && types.some((each) => each.toLowerCase() === type.toLowerCase()))
    return;
  const found = typeof type === "string" ? quoted(type) : "no text";
  throw new JwsError(`its header's typ is ${found}, allowed are ${types.join(", ")} or none`);
};

/**
 * Takes a compact JWS apart, strictly, without verifying it.
 *
 * @throws JwsError when it is over its size, does not have three parts in base64url, a header or payload
 * that is no strict JSON object, or a header without `alg` (one of six) or `x5t#S256`, with another `typ` than
 * those allowed, or with `crit`
 */
export const readJws = (text: string, { bytesMax, types }: JwsRules): ReadJws => {
  if (text.length > bytesMax) {
    throw new JwsError(`it has ${String(text.length)} bytes, allowed are ${String(bytesMax)}`);
  }
  const [first = "", second = "", third = "", ...more] = text.split(".");
  if (third === "" || more.length > 0) {
    throw new JwsError("it does not have the three parts of a compact JWS");
  }
  const headerBytes = base64url(first, "header");
  if (headerBytes.length > HEADER_BYTES_MAX) {
    throw new JwsError(`its header is larger than ${String(HEADER_BYTES_MAX)} bytes`);
  }
  const header = json(headerBytes, "header");
  const algorithm = algorithmOf(header);
  checkHeader(header, types);
  const named = header[THUMBPRINT_HEADER];
  const thumbprint = typeof named === "string" ? parseCertificateThumbprint(named) : undefined;
  if (thumbprint === undefined) {
    throw new JwsError(`its header has no ${THUMBPRINT_HEADER} of 43 characters in base64url`);
  }
  const payload = json(base64url(second, "payload"), "payload");
  const signatureBytes = base64url(third, "signature").length;
  return Object.freeze({ text, algorithm, thumbprint, payload, signatureBytes });
};

const expectedBytes = (key: KeyObject): number => {
  const { modulusLength = 0, namedCurve = "" } = key.asymmetricKeyDetails ?? {};
  return CURVES.get(namedCurve)?.[1] ?? Math.ceil(modulusLength / 8);
};

/**
 * Verifies a JWS with the public key of the certificate that its header names. The key, not the header,
 * says which algorithms count; ECDSA signatures are the two numbers side by side (RFC 7518, 3.4), never DER.
 *
 * @throws JwsError when the algorithm does not fit the key or the signature is not by this key over this text
 */
export const verifyJws = async (jws: ReadJws, key: KeyObject): Promise<void> => {
  const allowed = algorithmsOf(key);
  if (!allowed.includes(jws.algorithm)) {
    const what = keyProblem(key) ?? `a key for ${allowed.join(", ")}`;
    throw new JwsError(`it says ${jws.algorithm}, its certificate has ${what}`);
  }
  const bytes = expectedBytes(key);
  if (jws.signatureBytes !== bytes) {
    throw new JwsError(
      `its signature has ${String(jws.signatureBytes)} bytes, with this key it has ${String(bytes)}`,
    );
  }
  try {
    await compactVerify(jws.text, key, { algorithms: [jws.algorithm] });
  } catch (cause) {
    if (!(cause instanceof errors.JOSEError)) throw cause;
    throw new JwsError("its signature is not by the key of its certificate", "invalid", { cause });
  }
};
