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

const tokenOf = (headers: HeaderLines): string | undefined => {
  const values = headerValues(headers, HEADER.authorization);
  const [value] = values;
  if (value === undefined) return undefined;
  const token = values.length === 1 ? bearerToken(value) : undefined;
  if (token !== undefined) return token;
  throw new SchakelError("ERROR_CODE_ACCESS_TOKEN_INVALID", {
    detail: `the header ${HEADER.authorization} is not one "Bearer", a space and a token`,
  });
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
    const text = tokenOf(headers);
    const { tokenKeys: keys } = this.parts.state();
    const now = this.parts.clock.now();
    const { certificateThumbprint } = caller;
    const before =
      text === undefined ? undefined : this.#verified.get(text, certificateThumbprint, keys);
    const late = before === undefined ? undefined : tokenTimeRefusal(before, now);
    if (late !== undefined) throw new SchakelError(late.code, { detail: late.reason });
    if (before !== undefined) return before;
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
    if (text !== undefined) this.#verified.add({ text, token: verdict.token }, keys);
    return verdict.token;
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
