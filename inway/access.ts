// Who may have what: the access token that comes with an exchange, and the contract that it stands on. A verified
// token spares the signature alone: its time and the contract's present state are asked on every exchange.
import type { PeerIdentity } from "../certs/identity.js";
import type { Group } from "../certs/group.js";
import type { ComponentState, HeldGrant, OfferedService } from "../component/component-state.js";
import { identifiesOutway } from "../contracts/grant.js";
import type { GrantHash } from "../contracts/hash.js";
import { usabilityAt } from "../contracts/state.js";
import { bearerToken, tokenTimeRefusal, verifyToken } from "../contracts/token-check.js";
import type { AccessToken } from "../contracts/token.js";
import type { Clock } from "../core/clock.js";
import { SchakelError } from "../core/errors.js";
import { HEADER } from "../core/exchange-headers.js";
import { headerValues, type HeaderLines } from "../relay/message.js";
import { VerifiedTokens } from "./verified-tokens.js";

/** What access is decided by; functions give what may change. */
export interface AccessParts {
  /** Throws ERROR_CODE_STATE_UNAVAILABLE. */
  readonly state: () => ComponentState;
  readonly group: () => Group;
  /** Who we are. */
  readonly own: () => PeerIdentity;
  readonly clock: Clock;
}

/** What a caller may use. */
export interface Access {
  readonly service: OfferedService;
  readonly grant: HeldGrant;
}

const malformed = (): SchakelError =>
  new SchakelError("ERROR_CODE_ACCESS_TOKEN_INVALID", {
    detail: `the header ${HEADER.authorization} is not one "Bearer", a space and a token`,
  });

/** The header with the token; undefined when there is none. Throws when there is more than one. */
const headerOf = (headers: HeaderLines): string | undefined => {
  const values = headerValues(headers, HEADER.authorization);
  if (values.length > 1) throw malformed();
  return values[0];
};

const tokenOf = (header: string): string => {
  const token = bearerToken(header);
  if (token !== undefined) return token;
  throw malformed();
};

const denied = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_ACCESS_DENIED", { detail });

/** Decides about exchanges. Keeps verified tokens and nothing else. */
export class InwayAccess {
  readonly #verified = new VerifiedTokens();

  constructor(private readonly parts: AccessParts) {}

  /**
   * The token of an exchange, verified for the caller's certificate, and in its time now.
   *
   * @throws SchakelError with FSC's code for tokens, or ERROR_CODE_STATE_UNAVAILABLE
   */
  async token(headers: HeaderLines, caller: PeerIdentity): Promise<AccessToken> {
    const before = this.verified(headers, caller);
    if (before !== undefined) return before;
    const header = headerOf(headers);
    const text = header === undefined ? undefined : tokenOf(header);
    const { tokenKeys: keys } = this.parts.state();
    const now = this.parts.clock.now();
    const { certificateThumbprint } = caller;
    const { id, peerIdRule } = this.parts.group();
    const verdict = await verifyToken(text, {
      groupId: id,
      peerIdRule,
      servicePeerId: this.parts.own().peerId,
      certificateThumbprint,
      now,
      keys,
    });
    if (!verdict.ok) throw new SchakelError(verdict.code, { detail: verdict.reason });
    if (header !== undefined) this.#verified.add({ header, token: verdict.token }, keys);
    return verdict.token;
  }

  /**
   * The token of an exchange when it was verified before for the caller's certificate, and in its time now; undefined
   * when `token` must be asked.
   *
   * @throws SchakelError as `token` does
   */
  verified(headers: HeaderLines, { certificateThumbprint }: PeerIdentity): AccessToken | undefined {
    const header = headerOf(headers);
    if (header === undefined) return undefined;
    const token = this.#verified.get(header, certificateThumbprint, this.parts.state().tokenKeys);
    if (token === undefined) return undefined;
    const late = tokenTimeRefusal(token, this.parts.clock.now());
    if (late !== undefined) throw new SchakelError(late.code, { detail: late.reason });
    return token;
  }

  /**
   * What a verified token gives its caller at this moment.
   *
   * @throws SchakelError ERROR_CODE_SERVICE_NOT_FOUND, ERROR_CODE_ACCESS_DENIED or ERROR_CODE_STATE_UNAVAILABLE
   */
  permit(token: AccessToken, caller: PeerIdentity): Access {
    const state = this.parts.state();
    const service = state.services.get(token.serviceName);
    if (service === undefined) {
      throw new SchakelError("ERROR_CODE_SERVICE_NOT_FOUND", { detail: `"${token.serviceName}"` });
    }
    const grant = state.grant(token.grantHash);
    if (grant === undefined) throw denied(`no contract with the grant ${token.grantHash} is known`);
    this.#requireSame(grant, token, caller);
    const refusal = this.#refusalOf(grant);
    if (refusal !== undefined) throw refusal;
    return { service, grant };
  }

  /** Why exchanges of a grant may not go on at this moment; undefined when they may. */
  refusalOf(hash: GrantHash): SchakelError | undefined {
    try {
      const grant = this.parts.state().grant(hash);
      return grant === undefined ? denied("its contract is known no more") : this.#refusalOf(grant);
    } catch (error) {
      if (error instanceof SchakelError) return error;
      throw error;
    }
  }

  #refusalOf({ contract: { hash, content, decision } }: HeldGrant): SchakelError | undefined {
    const usability = usabilityAt(decision, content.validity, this.parts.clock.now());
    return usability === "IN_FORCE" ? undefined : denied(`contract ${hash} is ${usability}`);
  }

  /** The grant is what the token says, and names this caller with this certificate. */
  #requireSame({ grant }: HeldGrant, token: AccessToken, caller: PeerIdentity): void {
    const { service, outway } = grant;
    if (service.peer_id !== this.parts.own().peerId || service.name !== token.serviceName) {
      throw denied(`the grant is for the service "${service.name}" of peer ${service.peer_id}`);
    }
    if (outway.peer_id !== caller.peerId || token.outwayPeerId !== caller.peerId) {
      throw denied(`the grant is for peer ${outway.peer_id}, the caller is ${caller.peerId}`);
    }
    if (!identifiesOutway(outway, caller)) {
      throw denied(
        `the grant does not name the caller's certificate, whose public key is ${caller.publicKeyThumbprint}`,
      );
    }
  }
}
