// Probes each inway as its consumers would reach it: by dialling it, with an ALPN name that is never
// forwarded. The inway answers one line, "ready" or "unready".
import type { TLSSocket } from "node:tls";
import type { Announcement, ComponentKey } from "../catalogue/announcement.js";
import type { InwayHealth } from "../catalogue/catalogue.js";
import type { BundleSource } from "../certs/bundle.js";
import type { GroupSource } from "../certs/group.js";
import { clientTls } from "../certs/tls.js";
import { formatAddress } from "../core/address.js";
import type { Clock } from "../core/clock.js";
import { dial, type DialPolicy } from "../core/dial.js";
import type { Log } from "../core/log.js";
import type { PeerId } from "../core/names.js";
import type { Registry } from "./registry.js";

const ALPN = "schakel-probe/1";
const READY = "ready\n";
const ANSWER_BYTES_MAX = 16;
const PROBES_MAX = 16;
/** Inways that let a probe wait for its whole time must not keep those of other peers from being probed. */
const PROBES_PER_PEER_MAX = 4;
const TICK_MS = 100;

/** How inways are probed. */
export interface Probing {
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  readonly registry: Registry;
  /** Which addresses may be dialled now. */
  readonly policy: () => DialPolicy;
  readonly clock: Clock;
  readonly log: Log;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

const readAnswer = (socket: TLSSocket, timeoutMs: number): Promise<string> =>
  new Promise((resolve, reject) => {
    let answer = "";
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error("no answer to the probe in time")));
    socket.on("error", reject);
    socket.on("data", (bytes: Buffer) => {
      answer += bytes.toString("latin1");
      if (answer.includes("\n") || answer.length > ANSWER_BYTES_MAX) resolve(answer);
    });
    socket.on("close", () => resolve(answer));
  });

interface Planned {
  readonly sequence: number;
  readonly dueAt: number;
}

/** Probes every live inway at its own interval, a new one at once, at most 16 at a time and 4 of one peer. */
export class Prober {
  readonly #with: Probing;
  readonly #planned = new Map<ComponentKey, Planned>();
  readonly #running = new Map<ComponentKey, PeerId>();
  readonly #timer: NodeJS.Timeout;

  constructor(probing: Probing) {
    this.#with = probing;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Begins no more probes; those that run end by their own time limit. */
  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = this.#with.clock.monotonic();
    const { current } = this.#with.registry;
    for (const key of this.#planned.keys()) {
      if (current.entry(key) === undefined) this.#planned.delete(key);
    }
    for (const announcement of this.#due(now)) {
      if (this.#running.size >= PROBES_MAX) return;
      const { key, peerId, sequence } = announcement;
      if (this.#runningOf(peerId) >= PROBES_PER_PEER_MAX) continue;
      // Spread over time, so that inways that came together are not probed together for ever.
      const dueAt = now + this.#with.intervalMs * (0.8 + Math.random() * 0.4);
      this.#planned.set(key, { sequence, dueAt });
      this.#running.set(key, peerId);
      void this.#probe(announcement).finally(() => this.#running.delete(key));
    }
  }

  /** What is to be probed now: what is new first, then what has waited longest. */
  #due(now: number): readonly Announcement[] {
    const due: { readonly announcement: Announcement; readonly since: number }[] = [];
    for (const { announcement } of this.#with.registry.current.entries()) {
      const { key, inway, sequence } = announcement;
      if (inway === undefined || this.#running.has(key)) continue;
      const planned = this.#planned.get(key);
      const since = planned?.sequence === sequence ? planned.dueAt : Number.MIN_SAFE_INTEGER;
      if (since <= now) due.push({ announcement, since });
    }
    return due.sort((a, b) => a.since - b.since).map(({ announcement }) => announcement);
  }

  #runningOf(peer: PeerId): number {
    return [...this.#running.values()].filter((each) => each === peer).length;
  }

  async #probe(announcement: Announcement): Promise<void> {
    const { registry, log } = this.#with;
    let health: InwayHealth = "down";
    let reason = "it says that it is not ready";
    try {
      if (await this.#isReady(announcement)) health = "up";
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
    const before = registry.current.entry(announcement.key)?.health;
    if (health === "down" && before !== "down") {
      const { peerId, component } = announcement;
      log.info({ peer: peerId, component, reason }, "an inway is down");
    }
    registry.setHealth(announcement, health);
  }

  async #isReady({ peerId, inway }: Announcement): Promise<boolean> {
    if (inway === undefined) return false;
    const { groups, bundles, policy, timeoutMs } = this.#with;
    const startedAt = performance.now();
    const socket = await dial({
      address: inway.address,
      policy: policy(),
      tls: clientTls(bundles.current, groups.current, { peerId, alpn: [ALPN] }),
      timeoutMs,
    });
    try {
      if (socket.alpnProtocol !== ALPN) {
        throw new Error(`${formatAddress(inway.address)} does not answer probes (ALPN)`);
      }
      const left = Math.max(1, timeoutMs - (performance.now() - startedAt));
      return (await readAnswer(socket, left)) === READY;
    } finally {
      socket.destroy();
    }
  }
}
