// Access tokens of the providers' managers, asked for with the certificate that the outway uses towards inways. One is
// kept for each grant and certificate, on disk too: renewed in good time while the old one is used, one request at a
// time, and asked for again at once when our certificate changes.
import type { Bundle } from "../certs/bundle.js";
import type { Group } from "../certs/group.js";
import type { ComponentState, HeldGrant } from "../component/component-state.js";
import type { GrantHash } from "../contracts/hash.js";
import { bearerHeader, checkGivenToken, type TokenVerdict } from "../contracts/token-check.js";
import type { AccessToken } from "../contracts/token.js";
import { shown } from "../contracts/shown-text.js";
import type { Clock } from "../core/clock.js";
import { SchakelError, toSchakelError } from "../core/errors.js";
import type { Log } from "../core/log.js";
import { RemoteError, type ManagerClient } from "../fsc/manager-interface.js";
import type { StoredToken, TokenFile } from "./token-file.js";

/** A token is not used in the last moments of its life: it has to arrive. */
const MARGIN_MS = 2_000;
/** A token that an inway refuses, or whose inways are not there, is replaced when it is older than this; another would fare no better before. */
const DROP_AGE_MS = 1_000;
const BACKOFF_FIRST_MS = 1_000;
const BACKOFF_MAX_MS = 10_000;
const TOKENS_MAX = 10_000;

/** What tokens are asked for with; functions give what may change. */
export interface TokenParts {
  readonly client: Pick<ManagerClient, "token">;
  readonly group: () => Group;
  readonly bundle: () => Bundle;
  /** Throws ERROR_CODE_STATE_UNAVAILABLE. */
  readonly state: () => ComponentState;
  readonly file: TokenFile;
  readonly clock: Clock;
  readonly log: Log;
}

/** A token that was given to us and checked. */
export interface GivenToken {
  readonly text: string;
  /** The value of `Fsc-Authorization`, the same string each time: it is found by it over and over. */
  readonly header: string;
  readonly token: AccessToken;
  /** Milliseconds since 1970. */
  readonly givenAt: number;
}

interface Failure {
  readonly error: SchakelError;
  readonly failures: number;
  /** On the monotonic clock: before it nobody is asked. */
  readonly until: number;
}

/** What is known of the token for one grant with one certificate. */
interface Entry {
  readonly grant: GrantHash;
  given: GivenToken | undefined;
  asking: Promise<GivenToken> | undefined;
  failure: Failure | undefined;
}

/** Gives tokens for grants. */
export class Tokens {
  readonly #entries = new Map<GrantHash, Entry>();
  /** The certificate that they are for. */
  #certificate: string | undefined;
  /** What lay on disk at the start and has not been asked for yet, unchecked. */
  readonly #stored: Map<string, StoredToken>;

  private constructor(
    private readonly parts: TokenParts,
    stored: readonly StoredToken[],
  ) {
    this.#stored = new Map(stored.map((each) => [nameOf(each.certificate, each.grant), each]));
  }

  /** Begins with what lies on disk: each token is checked again when it is needed. */
  static async open(parts: TokenParts): Promise<Tokens> {
    return new Tokens(parts, await parts.file.read());
  }

  /** The token for a grant and our certificate that is in memory and lasts; undefined when `tokenFor` must be asked. */
  ready({ hash }: HeldGrant): GivenToken | undefined {
    const entry = this.#entry(hash);
    const { given } = entry;
    const now = this.parts.clock.now();
    if (given === undefined || now >= given.token.expires * 1000 - MARGIN_MS) return undefined;
    if (now >= renewalOf(given)) this.#renew(entry);
    return given;
  }

  /**
   * The token for a grant and our certificate, from memory when there is one that lasts.
   *
   * @throws SchakelError ERROR_CODE_TOKEN_UNAVAILABLE, with what the provider's manager answered
   */
  async tokenFor(grant: HeldGrant): Promise<GivenToken> {
    const entry = this.#entry(grant.hash);
    if (entry.given === undefined) this.#restore(entry);
    return this.ready(grant) ?? (await this.#ask(entry));
  }

  /** Takes back a token that an inway did not take, so that the next exchange asks for another. */
  drop({ text, token, givenAt }: GivenToken): void {
    const entry = this.#entries.get(token.grantHash);
    if (entry?.given?.text !== text) return;
    if (this.parts.clock.now() - givenAt < DROP_AGE_MS) return;
    entry.given = undefined;
    this.#store();
  }

  /** Asks for another token while this one stays in use: the inways that it names could not be reached. */
  renewSoon({ text, token, givenAt }: GivenToken): void {
    const entry = this.#entries.get(token.grantHash);
    if (entry?.given?.text !== text) return;
    if (this.parts.clock.now() - givenAt >= DROP_AGE_MS) this.#renew(entry);
  }

  /** To be called when our certificate may have changed: asks anew for every grant that is in use if it has. */
  certificateChanged(): void {
    const { certificateThumbprint } = this.parts.bundle().identity;
    if (certificateThumbprint === this.#certificate) return;
    this.#certificate = certificateThumbprint;
    const grants = [...this.#entries.keys()];
    this.#entries.clear();
    for (const grant of grants) this.#renew(this.#entry(grant));
  }

  #nameOf(grant: GrantHash): string {
    return nameOf(this.parts.bundle().identity.certificateThumbprint, grant);
  }

  /** Takes the token that lay on disk, once, if it is right now. */
  #restore(entry: Entry): void {
    const name = this.#nameOf(entry.grant);
    const stored = this.#stored.get(name);
    if (stored === undefined) return;
    this.#stored.delete(name);
    const verdict = this.#check(stored.text, entry.grant);
    if (verdict.ok) entry.given = givenToken(stored.text, verdict.token, stored.givenAt);
  }

  #store(): void {
    this.parts.file.write(() => [
      ...this.#stored.values(),
      ...[...this.#entries.values()].flatMap(({ grant, given }) =>
        given === undefined
          ? []
          : [{ grant, certificate: given.token.certificateThumbprint, ...storedOf(given) }],
      ),
    ]);
  }

  /** What is known for a grant with the certificate of now. Beyond the limit the one that is there longest goes. */
  #entry(grant: GrantHash): Entry {
    this.certificateChanged();
    const known = this.#entries.get(grant);
    if (known !== undefined) return known;
    const entry: Entry = { grant, given: undefined, asking: undefined, failure: undefined };
    this.#entries.set(grant, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > TOKENS_MAX && oldest !== undefined) this.#entries.delete(oldest);
    return entry;
  }

  /** Asks without anybody waiting; a failure shows when the token is needed. */
  #renew(entry: Entry): void {
    this.#ask(entry).catch(() => undefined);
  }

  #ask(entry: Entry): Promise<GivenToken> {
    const { failure } = entry;
    if (failure !== undefined && this.parts.clock.monotonic() < failure.until) {
      return Promise.reject(failure.error);
    }
    entry.asking ??= this.#askOnce(entry).finally(() => {
      entry.asking = undefined;
    });
    return entry.asking;
  }

  async #askOnce(entry: Entry): Promise<GivenToken> {
    try {
      const given = await this.#request(entry.grant);
      entry.given = given;
      entry.failure = undefined;
      this.#stored.delete(this.#nameOf(entry.grant));
      this.#store();
      return given;
    } catch (thrown) {
      const error = toTokenError(thrown);
      const failures = (entry.failure?.failures ?? 0) + 1;
      const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures - 1, 10));
      entry.failure = { error, failures, until: this.parts.clock.monotonic() + waitMs };
      this.parts.log.warn({ grant: entry.grant, reason: error.message, failures }, "no token");
      throw error;
    }
  }

  async #request(hash: GrantHash): Promise<GivenToken> {
    const { client, state, clock } = this.parts;
    const { grant } = state().grant(hash) ?? unavailable("the contract is known no more");
    const { peer_id: peerId } = grant.service;
    const address = state().managers.get(peerId);
    if (address === undefined) return unavailable(`no manager of peer ${peerId} is known`);
    const text = await client.token({ peerId, address }, hash);
    const verdict = this.#check(text, hash);
    if (verdict.ok) return givenToken(text, verdict.token, clock.now());
    return unavailable(
      `the token that the manager of peer ${peerId} gave is not right: ${verdict.reason}`,
    );
  }

  #check(text: string, hash: GrantHash): TokenVerdict {
    const { group, bundle, state, clock } = this.parts;
    const { grant } = state().grant(hash) ?? unavailable("the contract is known no more");
    const { identity } = bundle();
    return checkGivenToken(text, {
      groupId: group().id,
      peerIdRule: group().peerIdRule,
      servicePeerId: grant.service.peer_id,
      certificateThumbprint: identity.certificateThumbprint,
      serviceName: grant.service.name,
      now: clock.now(),
      grantHash: hash,
      outwayPeerId: identity.peerId,
    });
  }
}

// No thumbprint has a space.
const nameOf = (certificate: string, grant: string): string => `${certificate} ${grant}`;

const givenToken = (text: string, token: AccessToken, givenAt: number): GivenToken => ({
  ...{ text, header: bearerHeader(text) },
  ...{ token, givenAt },
});

const storedOf = ({ text, givenAt }: GivenToken): Pick<StoredToken, "text" | "givenAt"> => ({
  text,
  givenAt,
});

/** From when on another token is asked for: a third of its life is left. */
const renewalOf = ({ token: { expires }, givenAt }: GivenToken): number =>
  givenAt + ((expires * 1000 - givenAt) * 2) / 3;

const unavailable = (detail: string): never => {
  throw new SchakelError("ERROR_CODE_TOKEN_UNAVAILABLE", { detail });
};

const toTokenError = (thrown: unknown): SchakelError => {
  if (thrown instanceof RemoteError) {
    const { endpoint, status, code, detail } = thrown;
    const answered = `${String(status)} ${code ?? ""} ${detail}`.replaceAll(/ +/g, " ").trim();
    return new SchakelError("ERROR_CODE_TOKEN_UNAVAILABLE", {
      detail: `the manager of peer ${endpoint.peerId} answered ${shown(answered, 500)}`,
      cause: thrown,
    });
  }
  if (thrown instanceof SchakelError) return toSchakelError(thrown);
  return new SchakelError("ERROR_CODE_TOKEN_UNAVAILABLE", {
    detail: "the manager of the providing peer could not be reached",
    cause: thrown,
  });
};
