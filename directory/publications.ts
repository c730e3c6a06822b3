// What is published with this directory at each moment. Contracts are put in as they come and change; what is
// shown of a peer is made anew only when one of its contracts has changed or come to its beginning or end.
import type { ContractContent, Validity } from "../contracts/content.js";
import { isConnection, serviceDelegator, type GrantData } from "../contracts/grant.js";
import type { ContentHash } from "../contracts/hash.js";
import { stateAt } from "../contracts/state.js";
import type { Clock } from "../core/clock.js";
import type { PeerId, ServiceName } from "../core/names.js";
import {
  publishedServices,
  publishingOf,
  type Publishing,
  type ShownService,
} from "../fsc/services-listing.js";
import type { StoredContract } from "../fsc/stored-contract.js";

/** A clock that is kept right goes back by less. */
const STEP_MS = 1_000;

const NONE: ReadonlySet<string> = new Set();

/** What is shown of one peer. */
interface Shown {
  /** Ordered by name. */
  readonly services: readonly ShownService[];
  readonly names: ReadonlySet<string>;
  /** When a contract of the peer begins or ends next, in milliseconds since 1970. */
  readonly until: number;
}

/** When time alone changes what a contract shows. */
const boundaries = ({ not_before, not_after }: Validity): readonly number[] => [
  not_before * 1000,
  // The second `not_after` is the last.
  (not_after + 1) * 1000,
];

/** Whether a directory is what it is in a grant, and nothing else: it offers no service and delegates to nobody. */
const publishesWith = (data: GrantData, own: PeerId): boolean =>
  !isConnection(data) &&
  data.directory.peer_id === own &&
  data.service.peer_id !== own &&
  serviceDelegator(data) !== own;

/** Why a directory takes no such contract, to be shown to whoever sent it; undefined for one that it takes. */
export const notForDirectory = (
  { grants }: Pick<ContractContent, "grants">,
  own: PeerId,
): string | undefined =>
  grants.every(({ data }) => publishesWith(data, own))
    ? undefined
    : `peer ${own} is a directory: it takes contracts whose every grant publishes another peer's service with it`;

/** The publication contracts of one directory that every party has accepted and that have not ended. */
export class Publications {
  readonly #contracts = new Map<PeerId, Map<ContentHash, Publishing>>();
  readonly #shown = new Map<PeerId, Shown>();
  readonly #listeners = new Set<(peer: PeerId) => void>();
  #all: readonly ShownService[] | undefined;
  /** Before this moment time alone changes nothing. */
  #until = Number.POSITIVE_INFINITY;
  #looked: number;

  constructor(
    private readonly own: PeerId,
    private readonly clock: Clock,
  ) {
    this.#looked = clock.now();
  }

  /** Calls back with each peer of which something else may be shown now. Returns the function that ends this. */
  onChange(listener: (peer: PeerId) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes a contract as it is now. One that publishes nothing here is left alone. */
  note(contract: StoredContract): void {
    const publishing = publishingOf(contract, this.own);
    const { hash, decision, validity, services } = publishing;
    const state = stateAt(decision, validity, this.clock.now());
    for (const peer of new Set(services.map(({ peerId }) => peerId))) {
      const known = this.#contracts.get(peer) ?? new Map<ContentHash, Publishing>();
      if (state === "VALID") known.set(hash, publishing);
      else if (!known.delete(hash)) continue;
      this.#contracts.set(peer, known);
      this.#renew(peer);
    }
  }

  /**
   * Looks again at what is in force: time has passed.
   *
   * @returns whether the clock was set back: what had ended by the time that it showed before is known no longer,
   * and the caller notes again what is valid
   */
  recheck(): boolean {
    const now = this.clock.now();
    const wentBack = now < this.#looked;
    const isStep = now < this.#looked - STEP_MS;
    this.#looked = now;
    if (now < this.#until && !wentBack) return false;
    for (const [peer, { until }] of [...this.#shown]) {
      if (until <= now || wentBack) this.#renew(peer);
    }
    this.#until = Math.min(...[...this.#shown.values()].map(({ until }) => until));
    return isStep;
  }

  /** The names of a peer's services that are shown now. */
  of(peer: PeerId): ReadonlySet<string> {
    return this.#shown.get(peer)?.names ?? NONE;
  }

  /** The peer in whose name a service is shown now; undefined for its own peer, and for one that is not shown. */
  delegatorOf(peer: PeerId, service: ServiceName): PeerId | undefined {
    return this.#shown.get(peer)?.services.find(({ name }) => name === service)?.delegator;
  }

  /** Every service that is shown now, ordered by peer id and name. */
  all(): readonly ShownService[] {
    this.#all ??= [...this.#shown]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([, { services }]) => services);
    return this.#all;
  }

  #renew(peer: PeerId): void {
    const now = this.clock.now();
    const contracts = this.#contracts.get(peer) ?? new Map<ContentHash, Publishing>();
    for (const [hash, { decision, validity }] of contracts) {
      if (stateAt(decision, validity, now) !== "VALID") contracts.delete(hash);
    }
    this.#all = undefined;
    if (contracts.size > 0) {
      this.#shown.set(peer, this.#shownOf(peer, [...contracts.values()], now));
    } else {
      this.#contracts.delete(peer);
      this.#shown.delete(peer);
    }
    this.#until = Math.min(this.#until, this.#shown.get(peer)?.until ?? this.#until);
    for (const listener of this.#listeners) listener(peer);
  }

  #shownOf(peer: PeerId, contracts: readonly Publishing[], now: number): Shown {
    const services = publishedServices(contracts, now).filter(({ peerId }) => peerId === peer);
    const changes = contracts.flatMap(({ validity }) => boundaries(validity));
    return {
      services,
      names: new Set(services.map(({ name }) => name)),
      until: Math.min(...changes.filter((moment) => moment > now)),
    };
  }
}
