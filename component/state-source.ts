// Follows the state that the organisation's own manager keeps for an inway or outway, and keeps it on disk. The
// process works by the last state that it has, whether the manager is there or not, until the offline limit.
import type { ClientReadableStream } from "@grpc/grpc-js";
import type { BundleSource } from "../certs/bundle.js";
import type { GroupSource } from "../certs/group.js";
import type { InternalSource } from "../certs/internal-bundle.js";
import { formatAddress, type Address } from "../core/address.js";
import type { Clock } from "../core/clock.js";
import { SchakelError } from "../core/errors.js";
import type { Lifecycle } from "../core/lifecycle.js";
import type { Log } from "../core/log.js";
import { startRestartable } from "../core/restartable.js";
import { repeat, type Backoff } from "../core/retry.js";
import { VERSION } from "../core/version.js";
import {
  ComponentServiceClient,
  type WatchStateResponse,
} from "../proto/gen/schakel/manager/v1/component.js";
import type { ComponentState } from "./component-state.js";
import { KnownState } from "./known-state.js";
import { openManager } from "./manager-channel.js";
import { followStream } from "./state-stream.js";

/** How long the manager may be silent before the state counts as stale, in milliseconds. */
export const STALE_MS = 3_000;

const BACKOFF: Backoff = { firstMs: 100, maxMs: 5_000 };
/** How long to wait after a stream that worked has ended: at most this. */
const RECONNECT_MS_MAX = 500;
const TICK_MS = 500;

/** What the state is kept for, and how the manager is reached. */
export interface StateOptions {
  readonly role: "inway" | "outway";
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  /** Our certificate inside the organisation, and where the manager is. */
  readonly internal: InternalSource;
  /** Where outways reach an inway; undefined for an outway. */
  readonly address: Address | undefined;
  /** Where the last state lies; written by this source alone. */
  readonly file: string;
  /** How long the process goes on while the manager is silent, in milliseconds. */
  readonly offlineLimitMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly lifecycle: Lifecycle;
}

/** The state of a component, kept up to date until the process stops. */
export class StateSource {
  readonly #with: StateOptions;
  readonly #known: KnownState;
  readonly #ticks = new Set<() => void>();
  #connected = false;
  #stale = false;

  private constructor(options: StateOptions, known: KnownState) {
    this.#with = options;
    this.#known = known;
  }

  /** Starts to follow the manager. The last state on disk is in use when this resolves; the manager need not be there. */
  static async open(options: StateOptions): Promise<StateSource> {
    const { groups, bundles, internal, lifecycle } = options;
    const known = await KnownState.open(options);
    const source = new StateSource(options, known);
    const work = startRestartable((signal) => source.#run(signal));
    let { id, version } = groups.current;
    const unsubscribe = [
      bundles.onChange(() => work.restart()),
      internal.onChange(() => work.restart()),
      groups.onChange((group) => {
        known.recheck();
        // A new revocation list makes a new group too, and says nothing of what the manager knows.
        if (group.id === id && group.version === version) return;
        ({ id, version } = group);
        work.restart();
      }),
    ];
    const timer = setInterval(() => source.#tick(), TICK_MS).unref();
    lifecycle.onStop("state", async () => {
      clearInterval(timer);
      unsubscribe.forEach((end) => end());
      await work.stop();
      await known.close();
    });
    return source;
  }

  /** The state that was received last, however old it is; undefined when none ever was. */
  get current(): ComponentState | undefined {
    return this.#known.current;
  }

  /**
   * The state to work by.
   *
   * @throws SchakelError ERROR_CODE_STATE_UNAVAILABLE when none has come yet, or when the manager has been silent
   * beyond the offline limit
   */
  require(): ComponentState {
    const problem = this.problem();
    const { current } = this.#known;
    if (current !== undefined && problem === undefined) return current;
    throw new SchakelError("ERROR_CODE_STATE_UNAVAILABLE", { detail: problem ?? "none has come" });
  }

  /** How long nothing has been heard of the manager, in milliseconds: infinite when nobody can know, undefined when nothing ever was. */
  get silenceMs(): number | undefined {
    return this.#known.silenceMs;
  }

  /** Why there is nothing to work by; undefined when there is. For the health page. */
  problem(): string | undefined {
    const silence = this.silenceMs;
    if (this.#known.current === undefined || silence === undefined) {
      return "nothing has come from the manager yet";
    }
    const { offlineLimitMs } = this.#with;
    return silence > offlineLimitMs
      ? `the manager has been silent for ${seconds(silence)}, allowed are ${seconds(offlineLimitMs)}`
      : undefined;
  }

  /** Since when the state is stale, in words; undefined when the manager is heard. For the health page. */
  warning(): string | undefined {
    const silence = this.silenceMs ?? 0;
    return silence > STALE_MS
      ? `stale: the manager has been silent for ${seconds(silence)}; work goes on with what is known`
      : undefined;
  }

  /** Calls back after each change of the state. Returns the function that ends that. */
  onChange(listener: (state: ComponentState) => void): () => void {
    return this.#known.onChange(listener);
  }

  /** Calls back after each change of the state and twice a second: what depends on the time is asked again then. */
  onTick(listener: () => void): () => void {
    this.#ticks.add(listener);
    const end = this.onChange(listener);
    return () => {
      this.#ticks.delete(listener);
      end();
    };
  }

  #tick(): void {
    const { log } = this.#with;
    const warning = this.warning();
    if (warning !== undefined && !this.#stale) log.warn({ reason: warning }, "the state is stale");
    if (warning === undefined && this.#stale) log.info({}, "the state is up to date again");
    this.#stale = warning !== undefined;
    this.#known.tick();
    for (const listener of this.#ticks) listener();
  }

  async #run(signal: AbortSignal): Promise<void> {
    await repeat(signal, {
      backoff: BACKOFF,
      turn: () => this.#watchOnce(signal),
      failed: (error, failures, waitMs) => {
        this.#with.log.warn({ reason: reasonOf(error), failures, waitMs }, "the manager is away");
      },
    });
  }

  /** Follows one stream to its end. Resolves when the stream had worked, rejects when it had not. */
  async #watchOnce(signal: AbortSignal): Promise<number> {
    const { internal, log } = this.#with;
    const client = await openManager(ComponentServiceClient, { bundle: internal.current });
    try {
      await followStream(this.#call(client), signal, this.#known.begin(), () => this.#complete());
      if (!this.#connected) throw new Error("the manager ended the stream before the full state");
    } catch (error) {
      if (!this.#connected) throw error;
      if (!signal.aborted) log.info({ reason: reasonOf(error) }, "the manager's stream ended");
    } finally {
      this.#connected = false;
      client.close();
    }
    return Math.random() * RECONNECT_MS_MAX;
  }

  #call(client: ComponentServiceClient): ClientReadableStream<WatchStateResponse> {
    const { groups, bundles, address } = this.#with;
    return client.watchState({
      groupId: groups.current.id,
      certificateChain: bundles.current.chain.map(({ raw }) => raw),
      address: address === undefined ? "" : formatAddress(address),
      version: VERSION,
    });
  }

  #complete(): void {
    if (this.#connected) return;
    this.#connected = true;
    const contracts = this.current?.contracts.size;
    this.#with.log.info({ contracts }, "the manager's state is in use");
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

const seconds = (ms: number): string =>
  Number.isFinite(ms)
    ? `${String(Math.round(ms / 1000))} s`
    : "nobody knows how long, since the clock has been set back";
