// The manager's side of ComponentService: which inways and outways there are, and their streams.
import type { BundleSource } from "../certs/bundle.js";
import type { GroupSource } from "../certs/group.js";
import type { InternalIdentity } from "../certs/internal-identity.js";
import { formatAddress, type Address } from "../core/address.js";
import type { Clock } from "../core/clock.js";
import { SchakelError } from "../core/errors.js";
import type { GrpcServer } from "../core/grpc-server.js";
import type { Lifecycle } from "../core/lifecycle.js";
import type { Log } from "../core/log.js";
import type { ServiceName } from "../core/names.js";
import type { Component } from "../proto/gen/schakel/manager/v1/administration.js";
import type {
  ComponentServiceServer,
  WatchStateRequest,
} from "../proto/gen/schakel/manager/v1/component.js";
import { withRole, type InternalCaller } from "./caller.js";
import type { ComponentStore } from "./component-store.js";
import { ComponentStream, type StreamParts, type WatchStateCall } from "./component-stream.js";
import type { ComponentFeed, Unsubscribe } from "./feed.js";
import { readRegistration, STREAMING, type Registration } from "./registration.js";

/** How many inways and outways an organisation may have; ListComponents answers with all. */
const COMPONENTS_MAX = 1000;
const SEEN_MS = 60_000;
const RETAIN_MS = 60 * 60_000;
/** How many heartbeats a reader may leave unread. */
const STALLED_BEATS = 3;

/** What the components stand on. */
export interface ComponentsParts {
  readonly server: GrpcServer<InternalCaller>;
  readonly feed: ComponentFeed;
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  readonly store: ComponentStore;
  /** How often a stream without changes gives a sign of life, in milliseconds; a component calls itself stale after 3 s. */
  readonly heartbeatMs: number;
  /** Whether an inway may have a port other than the group's. */
  readonly anyPort: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

interface Open {
  readonly stream: ComponentStream;
  readonly request: WatchStateRequest;
  readonly caller: InternalIdentity;
}

const keyOf = ({ role, name }: { readonly role: string; readonly name: string }): string =>
  `${role}/${name}`;

/** The inways and outways of our organisation, and the stream of each that is connected. */
export class Components {
  readonly #parts: ComponentsParts;
  readonly #streamParts: StreamParts;
  readonly #open = new Map<string, Open>();
  readonly #unsubscribes: readonly Unsubscribe[];
  readonly #timers: readonly NodeJS.Timeout[];
  #written: Promise<void> = Promise.resolve();

  private constructor(parts: ComponentsParts) {
    this.#parts = parts;
    this.#streamParts = {
      ...parts,
      peerId: () => parts.bundles.current.identity.peerId,
      stallMs: parts.heartbeatMs * STALLED_BEATS,
    };
    this.#unsubscribes = this.#subscribe(parts);
    this.#timers = [
      setInterval(() => this.#noteSeen(), SEEN_MS).unref(),
      setInterval(() => this.#retain(), RETAIN_MS).unref(),
    ];
  }

  /** Begins to follow the feed. Ended by the life cycle, which closes every stream. */
  static start(parts: ComponentsParts, lifecycle: Pick<Lifecycle, "onStop">): Components {
    const components = new Components(parts);
    lifecycle.onStop("streams of components", () => components.#close());
    return components;
  }

  /** How many components are connected. */
  get connected(): number {
    return this.#open.size;
  }

  /**
   * Begins the stream of a component; from here on it belongs to this. An older stream of the same component ends.
   *
   * @throws SchakelError ERROR_CODE_ROLE_NOT_ALLOWED, ERROR_CODE_LIMIT_EXCEEDED, and what `readRegistration` throws
   */
  watch(call: WatchStateCall, caller: InternalCaller): void {
    const component = withRole(caller, STREAMING);
    const registration = this.#check(call.request, component);
    const key = keyOf(registration);
    const older = this.#open.get(key);
    if (older === undefined && this.#open.size >= COMPONENTS_MAX) {
      throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", {
        detail: `${String(COMPONENTS_MAX)} components are connected`,
      });
    }
    const { role, name } = registration;
    const { log } = this.#parts;
    if (older !== undefined) log.warn({ role, component: name }, "a newer stream ends the older");
    const stream = new ComponentStream(registration, call, this.#streamParts, (ended) =>
      this.#ended(key, ended),
    );
    this.#open.set(key, { stream, request: call.request, caller: component });
    older?.stream.close();
    log.info({ role, component: name, address: shownAddress(registration) }, "connected");
    this.#store(registration);
  }

  /** Where connected inways offer a service of ours, each address once; empty when none does. */
  inwaysOf(service: ServiceName): readonly Address[] {
    const found = this.#parts.feed.services().find(({ name }) => name === service);
    if (found === undefined) return [];
    const offering = [...this.#open.values()]
      .map(({ stream }) => stream.registration)
      .filter(({ name }) => found.inways.length === 0 || found.inways.includes(name));
    const addresses = offering.flatMap(({ address }) => (address === undefined ? [] : [address]));
    return [...new Map(addresses.map((each) => [formatAddress(each), each])).values()];
  }

  /** Every component that has been connected, by role and name; at most 1000. */
  async list(): Promise<Component[]> {
    await this.#written;
    const now = this.#parts.clock.now();
    return (await this.#parts.store.list(COMPONENTS_MAX)).map(({ seenAt, ...about }) => {
      const connected = this.#open.has(keyOf(about));
      return { ...about, connected, seenAtMs: BigInt(connected ? now : seenAt) };
    });
  }

  #check(request: WatchStateRequest, caller: InternalIdentity): Registration {
    const { groups, bundles, clock, anyPort } = this.#parts;
    return readRegistration(request, caller, {
      group: groups.current,
      peerId: bundles.current.identity.peerId,
      now: clock.now(),
      anyPort,
    });
  }

  #subscribe({ feed, groups }: ComponentsParts): readonly Unsubscribe[] {
    const each = (tell: (stream: ComponentStream) => void) => (): void => {
      for (const { stream } of [...this.#open.values()]) tell(stream);
    };
    return [
      feed.onContract((contract) => each((stream) => stream.contract(contract))()),
      feed.onServices(each((stream) => stream.list("services"))),
      feed.onClients(each((stream) => stream.list("clients"))),
      feed.onTokenSigners(each((stream) => stream.list("signers"))),
      feed.onManagers(each((stream) => stream.managers())),
      feed.onRevocationLists(each((stream) => stream.revocations())),
      groups.onChange(() => this.#recheck()),
    ];
  }

  /** The group has changed, or a certificate was revoked: whoever would not get in now is ended. */
  #recheck(): void {
    for (const { stream, request, caller } of [...this.#open.values()]) {
      try {
        this.#check(request, caller);
      } catch (error) {
        if (error instanceof SchakelError) stream.refuse(error);
        else stream.fail(error);
      }
    }
  }

  #ended(key: string, stream: ComponentStream): void {
    // A newer stream of the same component may have taken the place.
    if (this.#open.get(key)?.stream !== stream) return;
    this.#open.delete(key);
    const { role, name } = stream.registration;
    this.#parts.log.info({ role, component: name }, "disconnected");
    this.#store(stream.registration);
  }

  #store(registration: Registration): void {
    const { store, clock, log } = this.#parts;
    const now = clock.now();
    this.#written = this.#written
      .then(() => store.put(registration, now))
      .then(() => store.forgetBeyond(COMPONENTS_MAX))
      .catch((error: unknown) => log.error({ err: error }, "a component could not be stored"));
  }

  #noteSeen(): void {
    this.#recheck();
    for (const { stream } of this.#open.values()) this.#store(stream.registration);
  }

  #retain(): void {
    const { feed, log } = this.#parts;
    // Before the contracts are read: one that comes while they are is not taken for one that is gone.
    const sent = [...this.#open.values()].map(({ stream }) => [stream, stream.sent] as const);
    feed.contracts().then(
      (contracts) => {
        const hashes = new Set(contracts.map(({ hash }) => hash));
        for (const [stream, before] of sent) stream.retain(hashes, before);
      },
      (error: unknown) => log.error({ err: error }, "contracts could not be listed"),
    );
  }

  async #close(): Promise<void> {
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
    for (const timer of this.#timers) clearInterval(timer);
    for (const { stream } of [...this.#open.values()]) stream.close();
    await this.#written;
  }
}

const shownAddress = ({ address }: Registration): string =>
  address === undefined ? "" : formatAddress(address);

/** Makes the handlers of ComponentService for a server. */
export const componentService = (
  server: GrpcServer<InternalCaller>,
  components: Components,
): ComponentServiceServer => ({
  watchState: server.serverStream((call, caller) => components.watch(call, caller)),
});
