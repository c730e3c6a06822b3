// The streams of WatchCatalogue: first everything, then each change, at the reader's own pace.
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { ComponentKey } from "../catalogue/announcement.js";
import type { PeerIdentity } from "../certs/identity.js";
import { SchakelError } from "../core/errors.js";
import type { GrpcServer } from "../core/grpc-server.js";
import type { Log } from "../core/log.js";
import type { PeerId } from "../core/names.js";
import type {
  WatchCatalogueRequest,
  WatchCatalogueResponse,
} from "../proto/gen/schakel/directory/v1/directory.js";
import { catalogueEntry, catalogueKey } from "./listing.js";
import type { Registry } from "./registry.js";

/** How many components one message carries at most. */
const MESSAGE_COMPONENTS_MAX = 50;
/** How many signed bytes one message carries at most, unless a single component has more. */
const MESSAGE_BYTES_MAX = 128 * 1024;
/** How many changed components may wait for a reader. */
const WAITING_MAX = 10_000;

type Call = ServerWritableStream<WatchCatalogueRequest, WatchCatalogueResponse>;

/** What the streams stand on. */
export interface WatchersParts {
  readonly server: GrpcServer<PeerIdentity>;
  readonly registry: Registry;
  readonly heartbeatMs: number;
  /** How long a reader may leave the stream unread before it is ended, in milliseconds. */
  readonly stallMs: number;
  readonly watchersPerPeerMax: number;
  readonly log: Log;
}

/**
 * One stream. It remembers which components the reader has yet to hear of, not their states: the state
 * is looked up when it is sent, so a slow reader costs names alone and never hears old news.
 */
class Watcher {
  #snapshot: ComponentKey[] | undefined;
  readonly #changed = new Set<ComponentKey>();
  /** Since when the reader has not taken what was written, on the monotonic clock. */
  #stalledAt: number | undefined;
  #isOver = false;
  readonly #heartbeat: NodeJS.Timeout;

  constructor(
    readonly peerId: PeerId,
    private readonly call: Call,
    private readonly parts: WatchersParts,
    private readonly ended: (watcher: Watcher) => void,
  ) {
    this.#snapshot = [...parts.registry.current.entries()].map(({ announcement: { key } }) => key);
    this.#heartbeat = setInterval(() => this.#beat(), parts.heartbeatMs);
    call.on("drain", () => {
      this.#stalledAt = undefined;
      this.#pump();
    });
    call.on("cancelled", () => this.#end());
    call.on("close", () => this.#end());
    this.#pump();
  }

  changed(keys: readonly ComponentKey[]): void {
    for (const key of keys) this.#changed.add(key);
    if (this.#changed.size > WAITING_MAX) this.#endSlow();
    else this.#pump();
  }

  /** Ends the stream in good order; the reader comes back to whoever answers then. */
  close(): void {
    this.#end();
    this.call.end();
  }

  #pump(): void {
    while (this.#stalledAt === undefined && !this.#isOver) {
      if (this.#snapshot !== undefined) this.#writeSnapshot(this.#snapshot);
      else if (this.#changed.size > 0) this.#writeChanges();
      else return;
    }
  }

  #writeSnapshot(keys: ComponentKey[]): void {
    const { upserted, taken } = this.#take(keys);
    const rest = keys.slice(taken);
    const snapshotComplete = rest.length === 0;
    this.#snapshot = snapshotComplete ? undefined : rest;
    this.#write({ snapshot: true, snapshotComplete, upserted, removed: [] });
  }

  #writeChanges(): void {
    const keys = [...this.#changed].slice(0, MESSAGE_COMPONENTS_MAX);
    const { upserted, removed, taken } = this.#take(keys);
    for (const key of keys.slice(0, taken)) this.#changed.delete(key);
    this.#write({ snapshot: false, snapshotComplete: false, upserted, removed });
  }

  /** The states of as many of the first components as one message may carry. */
  #take(keys: readonly ComponentKey[]): Pick<WatchCatalogueResponse, "upserted" | "removed"> & {
    readonly taken: number;
  } {
    const upserted = [];
    const removed = [];
    let taken = 0;
    let bytes = 0;
    for (const key of keys) {
      if (taken === MESSAGE_COMPONENTS_MAX || bytes >= MESSAGE_BYTES_MAX) break;
      taken += 1;
      const entry = this.parts.registry.current.entry(key);
      if (entry === undefined) {
        removed.push(catalogueKey(key));
        continue;
      }
      upserted.push(catalogueEntry(entry));
      bytes += entry.announcement.signed.announcement.length;
    }
    return { upserted, removed, taken };
  }

  #write(message: Omit<WatchCatalogueResponse, "heartbeatIntervalMs">): void {
    const heartbeatIntervalMs = BigInt(this.parts.heartbeatMs);
    if (!this.call.write({ ...message, heartbeatIntervalMs })) this.#stalledAt = performance.now();
  }

  #beat(): void {
    if (this.#stalledAt === undefined) {
      this.#write({ snapshot: false, snapshotComplete: false, upserted: [], removed: [] });
    } else if (performance.now() - this.#stalledAt > this.parts.stallMs) {
      this.#endSlow();
    }
  }

  #endSlow(): void {
    this.parts.log.warn({ peer: this.peerId }, "a catalogue stream is read too slowly; ended");
    this.#end();
    this.parts.server.endSlowReader(this.call);
  }

  #end(): void {
    this.#isOver = true;
    clearInterval(this.#heartbeat);
    this.ended(this);
  }
}

/** All open streams. */
export class Watchers {
  readonly #parts: WatchersParts;
  readonly #open = new Set<Watcher>();
  readonly #unsubscribe: () => void;

  constructor(parts: WatchersParts) {
    this.#parts = parts;
    this.#unsubscribe = parts.registry.onChange((keys) => {
      for (const watcher of this.#open) watcher.changed(keys);
    });
  }

  /** How many streams are open. */
  get count(): number {
    return this.#open.size;
  }

  /**
   * Begins a stream; from here on it belongs to the watchers.
   *
   * @throws SchakelError ERROR_CODE_LIMIT_EXCEEDED when the peer has too many
   */
  add(call: Call, { peerId }: PeerIdentity): void {
    const { watchersPerPeerMax } = this.#parts;
    const own = [...this.#open].filter((watcher) => watcher.peerId === peerId).length;
    if (own >= watchersPerPeerMax) {
      throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", {
        detail: `a peer may have ${watchersPerPeerMax} catalogue streams`,
      });
    }
    const watcher = new Watcher(peerId, call, this.#parts, (over) => this.#open.delete(over));
    this.#open.add(watcher);
  }

  /** Ends every stream. */
  close(): void {
    this.#unsubscribe();
    for (const watcher of [...this.#open]) watcher.close();
  }
}
