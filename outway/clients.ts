// Who a client of the outway is. On loopback everybody is "loopback", since whoever can connect runs on this machine;
// beyond it a client shows a certificate of the internal CA, or a token.
import { createHash, timingSafeEqual } from "node:crypto";
import type { InternalIdentity } from "../certs/internal-identity.js";
import type { ComponentState, OutwayClient } from "../component/component-state.js";
import type { GrantHash } from "../contracts/hash.js";
import { SchakelError } from "../core/errors.js";
import { headerValues, type HeaderLines } from "../relay/message.js";

const AUTHORIZATION = "Proxy-Authorization";

/** What is known of a client when it has connected. */
export type Connected =
  | { readonly kind: "loopback" }
  /** It showed a certificate with the role client. */
  | { readonly kind: "certificate"; readonly name: string }
  /** It showed no certificate: each request must have a token. */
  | { readonly kind: "anonymous" };

/** A client of one exchange. */
export interface Client {
  /** For the record. */
  readonly name: string;
  /** Tells it from all others. */
  readonly key: string;
  /** Whether it may use a grant. */
  mayUse(grant: GrantHash): boolean;
  /** Why, by a later list of clients, it may not use a grant; undefined when it may. */
  readonly refusal: (
    grant: GrantHash,
    clients: readonly OutwayClient[],
  ) => SchakelError | undefined;
}

const LOOPBACK: Client = {
  name: "loopback",
  key: "loopback",
  mayUse: () => true,
  refusal: () => undefined,
};

/** The name for the record of whoever connected, before a request of theirs is believed; undefined when there is none. */
export const connectedName = (connected: Connected): string | undefined =>
  connected.kind === "certificate"
    ? connected.name
    : connected.kind === "loopback"
      ? LOOPBACK.name
      : undefined;

/**
 * Who has connected over TLS.
 *
 * @param identity what the certificate says; undefined when there was none
 * @throws Error for a certificate with another role than client
 */
export const connectedBy = (identity: InternalIdentity | undefined): Connected => {
  if (identity === undefined) return { kind: "anonymous" };
  if (identity.role === "client") return { kind: "certificate", name: identity.name };
  throw new Error(`the certificate's role is ${identity.role}, clients have the role client`);
};

const unauthenticated = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_CLIENT_UNAUTHENTICATED", { detail });

/** What a client showed: a token goes on being the same one under another name. */
const keyOf = ({ name, tokenHash }: OutwayClient): string =>
  tokenHash === undefined ? `certificate ${name}` : `token ${tokenHash.toString("hex")}`;

const known = (client: OutwayClient): Client => {
  const { name } = client;
  const key = keyOf(client);
  const mayUse = ({ grantHashes }: OutwayClient, grant: GrantHash): boolean =>
    grantHashes.size === 0 || grantHashes.has(grant);
  return {
    ...{ name, key, mayUse: (grant) => mayUse(client, grant) },
    refusal: (grant, clients) => {
      const now = clients.find((each) => keyOf(each) === key);
      if (now === undefined)
        return unauthenticated(`the client "${name}" is no longer one of this outway`);
      return mayUse(now, grant)
        ? undefined
        : new SchakelError("ERROR_CODE_CLIENT_NOT_ALLOWED", {
            detail: `client "${name}", grant ${grant}`,
          });
    },
  };
};

/** The token of a request; undefined when it has none. Throws when there is more than one. */
const tokenOf = (headers: HeaderLines): string | undefined => {
  const tokens = headerValues(headers, AUTHORIZATION).flatMap(
    (value) => /^bearer +([!-~]{1,1000})$/i.exec(value)?.slice(1) ?? [],
  );
  if (tokens.length > 1) throw unauthenticated(`the header ${AUTHORIZATION} comes more than once`);
  return tokens[0];
};

const byToken = (token: string, clients: readonly OutwayClient[]): OutwayClient | undefined => {
  const hash = createHash("sha256").update(token).digest();
  let found: OutwayClient | undefined;
  // All of them are compared, each in constant time: how long it takes says nothing of how near a guess was.
  for (const client of clients) {
    if (client.tokenHash !== undefined && timingSafeEqual(client.tokenHash, hash)) found = client;
  }
  return found;
};

/**
 * The client of one exchange, by the state's list of clients. A token names a client on loopback too; one that is
 * not known is refused everywhere.
 *
 * @param state asked only where the client must be known
 * @throws SchakelError ERROR_CODE_CLIENT_UNAUTHENTICATED, or ERROR_CODE_STATE_UNAVAILABLE
 */
export const identifyClient = (
  connected: Connected,
  headers: HeaderLines,
  state: () => ComponentState,
): Client => {
  if (connected.kind === "certificate") {
    const listed = state().clients.find(
      ({ name, tokenHash }) => name === connected.name && tokenHash === undefined,
    );
    if (listed !== undefined) return known(listed);
    throw unauthenticated(
      `the client "${connected.name}" is not, or no longer, one of this outway`,
    );
  }
  const token = tokenOf(headers);
  if (token === undefined) {
    if (connected.kind === "loopback") return LOOPBACK;
    throw unauthenticated("it showed neither a certificate nor a token");
  }
  const client = byToken(token, state().clients);
  if (client === undefined) throw unauthenticated("no client of this outway has the token");
  return known(client);
};
