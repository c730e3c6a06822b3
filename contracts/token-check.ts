// Whether an access token counts: for the inway that gets it, and for the outway that was given it.
import type { KeyObject, X509Certificate } from "node:crypto";
import { publicKeyOf } from "../certs/certificate-fields.js";
import type { PeerId, PeerIdRule, ServiceName } from "../core/names.js";
import { FieldError } from "./fields.js";
import type { GrantHash } from "./hash.js";
import { certificateThumbprintOf, JwsError, verifyJws } from "./jws.js";
import { quoted } from "./shown-text.js";
import { readToken, type AccessToken, type UnverifiedToken } from "./token.js";

/** How far behind the maker's clock ours may be when a token has just been made, in seconds. Its end has no such grace. */
export const TOKEN_SKEW_SECONDS = 30;

/** FSC's codes for tokens that an inway refuses. */
export type TokenRefusalCode =
  | "ERROR_CODE_ACCESS_TOKEN_MISSING"
  | "ERROR_CODE_ACCESS_TOKEN_INVALID"
  | "ERROR_CODE_ACCESS_TOKEN_EXPIRED"
  | "ERROR_CODE_WRONG_GROUP_ID_IN_TOKEN";

/** A token that does not count, with FSC's code. The reason repeats only what stands in the token. */
export interface TokenRefusal {
  readonly ok: false;
  readonly code: TokenRefusalCode;
  readonly reason: string;
}

/** Whether a token counts. */
export type TokenVerdict = { readonly ok: true; readonly token: AccessToken } | TokenRefusal;

/** Public keys by the thumbprint of their certificate. */
export type TokenKeys = ReadonlyMap<string, KeyObject>;

/** The keys of certificates that may sign tokens. Throws CertificateError when a key cannot be read. */
export const tokenKeysOf = (certificates: readonly X509Certificate[]): TokenKeys =>
  new Map(certificates.map((each) => [certificateThumbprintOf(each), publicKeyOf(each)]));

const refusal = (code: TokenRefusalCode, reason: string): TokenRefusal => ({
  ok: false,
  code,
  reason,
});
const invalid = (reason: string): TokenRefusal =>
  refusal("ERROR_CODE_ACCESS_TOKEN_INVALID", reason);

/**
 * Takes the token out of `Fsc-Authorization`: `Bearer`, without regard to case, one space, and the token.
 * Undefined when it has another form.
 */
export const bearerToken = (header: string): string | undefined =>
  /^bearer ([A-Za-z0-9._-]+)$/i.exec(header)?.[1];

/** The value of `Fsc-Authorization` for a token. */
export const bearerHeader = (token: string): string => `Bearer ${token}`;

/**
 * Whether a token counts at this moment, which a token that was verified before must be asked again at each
 * use. Undefined when it does.
 *
 * @param now milliseconds since 1970
 */
export const tokenTimeRefusal = (
  { notBefore, expires }: AccessToken,
  now: number,
): TokenRefusal | undefined => {
  const today = Math.floor(now / 1000);
  if (expires <= notBefore) return invalid("it ends before it begins");
  if (today >= expires) {
    return refusal(
      "ERROR_CODE_ACCESS_TOKEN_EXPIRED",
      `it ended at ${String(expires)}, now is ${String(today)}`,
    );
  }
  return today + TOKEN_SKEW_SECONDS < notBefore
    ? invalid(`it begins at ${String(notBefore)}, now is ${String(today)}`)
    : undefined;
};

/** What every token is checked against. */
export interface TokenExpectations {
  readonly groupId: string;
  readonly peerIdRule: PeerIdRule;
  /** The peer that provides the service: the inway's own, or the one that the outway calls. */
  readonly servicePeerId: PeerId;
  /** The certificate of the outway that is at the other end of the connection, or our own. */
  readonly certificateThumbprint: string;
  /** The service that is meant, when something else than the token says so too. */
  readonly serviceName?: ServiceName | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

const read = (text: string | undefined, rule: PeerIdRule): UnverifiedToken | TokenRefusal => {
  if (text === undefined || text === "") {
    return refusal("ERROR_CODE_ACCESS_TOKEN_MISSING", "there is no token");
  }
  try {
    return readToken(text, rule);
  } catch (error) {
    if (error instanceof JwsError || error instanceof FieldError) return invalid(error.message);
    throw error;
  }
};

const claimRefusal = (
  token: AccessToken,
  expected: TokenExpectations,
): TokenRefusal | undefined => {
  if (token.groupId !== expected.groupId) {
    return refusal(
      "ERROR_CODE_WRONG_GROUP_ID_IN_TOKEN",
      `it is for the group ${quoted(token.groupId)}, this is ${quoted(expected.groupId)}`,
    );
  }
  if (token.servicePeerId !== expected.servicePeerId) {
    return invalid(`it is by peer ${token.servicePeerId}, not by ${expected.servicePeerId}`);
  }
  if (token.certificateThumbprint !== expected.certificateThumbprint) {
    return invalid("it is bound to another certificate than the one of the connection");
  }
  if (expected.serviceName !== undefined && token.serviceName !== expected.serviceName) {
    return invalid(`it is for the service ${token.serviceName}, not for ${expected.serviceName}`);
  }
  return tokenTimeRefusal(token, expected.now);
};

/** What an inway checks a token against. */
export interface InwayTokenExpectations extends TokenExpectations {
  /** The keys that our manager lists for tokens. No other certificate of our peer can sign one. */
  readonly keys: TokenKeys;
}

/**
 * Verifies a token that came to an inway: signed by one of the keys, for this group, peer, certificate and
 * service, and in its time. Whether the contract is in force, and the service known, its caller checks, at each
 * use; `tokenTimeRefusal` too.
 *
 * @param text the token without `Bearer`; undefined when there was none
 */
export const verifyToken = async (
  text: string | undefined,
  expected: InwayTokenExpectations,
): Promise<TokenVerdict> => {
  const found = read(text, expected.peerIdRule);
  if ("ok" in found) return found;
  const { jws, token } = found;
  const key = expected.keys.get(jws.thumbprint);
  if (key === undefined) {
    return invalid(`its key, of the certificate ${jws.thumbprint}, is none for tokens`);
  }
  try {
    await verifyJws(jws, key);
  } catch (error) {
    if (error instanceof JwsError) return invalid(error.message);
    throw error;
  }
  return claimRefusal(token, expected) ?? { ok: true, token };
};

/** What an outway checks a token against that the provider's manager gave it. */
export interface OutwayTokenExpectations extends TokenExpectations {
  /** The grant that it asked for. */
  readonly grantHash: GrantHash;
  /** The outway's own peer. */
  readonly outwayPeerId: PeerId;
}

/**
 * Checks a token that an outway was given: that it says what was asked for. Its signature is not looked
 * at, so it counts only for a token that came straight from the provider's manager, over a connection on which
 * the manager's certificate was checked.
 */
export const checkGivenToken = (text: string, expected: OutwayTokenExpectations): TokenVerdict => {
  const found = read(text, expected.peerIdRule);
  if ("ok" in found) return found;
  const { token } = found;
  if (token.grantHash !== expected.grantHash) return invalid("it is for another grant");
  if (token.outwayPeerId !== expected.outwayPeerId) {
    return invalid(`it is for peer ${token.outwayPeerId}, not for ${expected.outwayPeerId}`);
  }
  return claimRefusal(token, expected) ?? { ok: true, token };
};
