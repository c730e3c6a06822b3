// Keeps a consumer's catalogue of the group up to date from a directory's stream, and on disk. Nothing a
// directory says is believed without the peer's own signature, and nothing older than what is known.
import type { ClientReadableStream } from "@grpc/grpc-js";
import type { BundleSource } from "../certs/bundle.js";
import type { Group, GroupSource } from "../certs/group.js";
import type { Clock } from "../core/clock.js";
import type { DialPolicy } from "../core/dial.js";
import type { Lifecycle } from "../core/lifecycle.js";
import type { Log } from "../core/log.js";
import type { PeerId } from "../core/names.js";
import { repeat, type Backoff } from "../core/retry.js";
import type { WatchCatalogueResponse } from "../proto/gen/schakel/directory/v1/directory.js";
import type { Catalogue } from "./catalogue.js";
import { openDirectory, type DirectoryEndpoint } from "./directory-client.js";
import { KnownCatalogue } from "./known.js";
import { startRestartable } from "../core/restartable.js";
import { Update } from "./update.js";

const BACKOFF: Backoff = { firstMs: 100, maxMs: 20_000 };
/** How long to wait after a stream that worked has ended: at most this, so that consumers do not all come back at once. */
const RECONNECT_MS_MAX = 1_000;
const FIRST_MESSAGE_MS = 30_000;
// Whatever a directory says of its heartbeat.
const HEARTBEAT_MS_MIN = 100;
const HEARTBEAT_MS_MAX = 60_000;
const HEARTBEATS_MISSED_MAX = 3;

/** How the catalogue is watched. */
export interface Watching {
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  readonly policy: DialPolicy;
  /** Where the last catalogue lies; written by this watcher alone. */
  readonly file: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly lifecycle: Lifecycle;
}

/** How a watcher fares, for health and metrics. */
export interface WatcherState {
  /** Whether a stream has given the full catalogue and is alive. */
  readonly connected: boolean;
  /** Since when nothing has been heard of a directory, in milliseconds; undefined when never anything was. */
  readonly ageMs: number | undefined;
}

/** A catalogue that is kept up to date until the process stops. */
export interface CatalogueWatcher {
  /** The catalogue now; undefined until a first one was received or found on disk. */
  readonly current: Catalogue | undefined;
  /** Calls back after each change. Returns the function that ends that. */
  onChange(listener: (catalogue: Catalogue) => void): () => void;
  readonly state: WatcherState;
}

type Stream = ClientReadableStream<WatchCatalogueResponse>;

class Watcher implements CatalogueWatcher {
  readonly #with: Watching;
  readonly #known: KnownCatalogue;
  #connected = false;
  #heardAt: number | undefined;
  #turns = 0;

  constructor(watching: Watching, known: KnownCatalogue) {
    this.#with = watching;
    this.#known = known;
  }

  get current(): Catalogue | undefined {
    return this.#known.current;
  }

  get state(): WatcherState {
    const heardAt = this.#heardAt;
    return {
      connected: this.#connected,
      ageMs: heardAt === undefined ? undefined : this.#with.clock.monotonic() - heardAt,
    };
  }

  onChange(listener: (catalogue: Catalogue) => void): () => void {
    return this.#known.onChange(listener);
  }

  async run(signal: AbortSignal): Promise<void> {
    await repeat(signal, {
      backoff: BACKOFF,
      turn: () => this.#watchOnce(signal),
      failed: (error, failures, waitMs) => {
        const reason = error instanceof Error ? error.message : String(error);
        this.#with.log.warn({ reason, failures, waitMs }, "the catalogue cannot be watched");
      },
    });
  }

  /** Follows one stream to its end. Resolves when the stream had worked, rejects when it had not. */
  async #watchOnce(signal: AbortSignal): Promise<number> {
    const { groups, bundles, policy, log } = this.#with;
    const group = groups.current;
    const directory = this.#nextDirectory(group);
    const client = await openDirectory({ directory, group, bundle: bundles.current, policy });
    try {
      const stream = client.watchCatalogue({ groupId: group.id });
      const end = (): void => stream.cancel();
      signal.addEventListener("abort", end);
      if (signal.aborted) end();
      await this.#follow(stream, group, directory).finally(() =>
        signal.removeEventListener("abort", end),
      );
    } catch (error) {
      if (!this.#connected) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      if (!signal.aborted) log.info({ directory: directory.peerId, reason }, "the stream ended");
    } finally {
      this.#connected = false;
      client.close();
    }
    return Math.random() * RECONNECT_MS_MAX;
  }

  /** Takes the directories in turn, so that one that is away or lies is left. */
  #nextDirectory({ directories }: Group): DirectoryEndpoint {
    const directory = directories[this.#turns++ % directories.length];
    if (directory === undefined) throw new Error("the group names no directory");
    return directory;
  }

  #follow(stream: Stream, group: Group, { peerId }: DirectoryEndpoint): Promise<void> {
    return new Promise((resolve, reject) => {
      const update = new Update(this.#known, group, this.#with.log);
      let failure: unknown;
      const fail = (error: unknown): void => {
        failure ??= error;
        stream.cancel();
      };
      const silent = (): void => fail(new Error("the directory's stream has gone silent"));
      let timer = setTimeout(silent, FIRST_MESSAGE_MS);
      stream.on("data", (message: WatchCatalogueResponse) => {
        if (failure !== undefined || group !== this.#with.groups.current) return;
        clearTimeout(timer);
        timer = setTimeout(silent, silenceMs(message));
        try {
          update.take(message);
          this.#heard(update.isComplete, peerId);
        } catch (error) {
          fail(error);
        }
      });
      stream.on("error", (error) => {
        clearTimeout(timer);
        reject(failure instanceof Error ? failure : error);
      });
      stream.on("end", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #heard(isComplete: boolean, directory: PeerId): void {
    this.#heardAt = this.#with.clock.monotonic();
    if (isComplete && !this.#connected) {
      this.#connected = true;
      this.#with.log.info({ directory }, "watching the catalogue");
    }
  }
}

const silenceMs = ({ heartbeatIntervalMs }: WatchCatalogueResponse): number =>
  HEARTBEATS_MISSED_MAX *
  Math.min(HEARTBEAT_MS_MAX, Math.max(HEARTBEAT_MS_MIN, Number(heartbeatIntervalMs)));

/**
 * Starts to watch the group's catalogue, until the process stops. The last catalogue on disk is in use
 * when this resolves, and stays in use while no directory answers.
 */
export const startWatching = async (watching: Watching): Promise<CatalogueWatcher> => {
  const { groups, bundles, lifecycle } = watching;
  const known = await KnownCatalogue.open(watching);
  const watcher = new Watcher(watching, known);
  const work = startRestartable((signal) => watcher.run(signal));
  const unsubscribe = [
    bundles.onChange(() => work.restart()),
    groups.onChange(() => {
      known.recheck();
      work.restart();
    }),
  ];
  lifecycle.onStop("catalogue", async () => {
    unsubscribe.forEach((end) => end());
    await work.stop();
    await known.close();
  });
  return watcher;
};
