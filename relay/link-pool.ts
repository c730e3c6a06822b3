// Links to targets: few for each, shared by all exchanges. Whether a target speaks the link shows when a
// connection to it has been made; those who want to connect meanwhile wait for that one.
import type { Duplex } from "node:stream";
import { ForwardError, type Target } from "./exchange.js";
import type { RelayLimits } from "./limits.js";
import { LinkConnection } from "./link-connection.js";
import { linkLimits } from "./link-limits.js";
import { LinkTarget } from "./link-target.js";

/** Exchanges on each link of a target from which on another link is made. */
const BUSY_EXCHANGES = 256;
const LINKS_MAX = 16;
/** Links that are made although those there are have room. */
const BUSY_LINKS_MAX = 4;
/** How long a target that spoke HTTP/1.1 is taken to do so; then the first connection is waited for again. */
const PLAIN_MS = 60_000;

/** The links to one target. */
interface Group {
  readonly links: Set<LinkConnection>;
  /** The connection that is being made; settles when it is known whether it is a link, and rejects as making it does. */
  making: Promise<void> | undefined;
  plainSince: number | undefined;
}

/** How a connection is made: within the target's time, and not by one who may leave. */
type Connect = (target: Target, signal: AbortSignal) => Promise<Duplex>;

const NEVER = new AbortController().signal;

/** The links of one relay. */
export class LinkPool {
  readonly #groups = new Map<string, Group>();

  constructor(
    private readonly limits: RelayLimits,
    private readonly connect: Connect,
  ) {}

  /** A link to the target with room for an exchange; undefined when there is none. */
  idle(target: Target): LinkTarget | undefined {
    const group = this.#groups.get(target.key);
    if (group === undefined) return undefined;
    let best: LinkConnection | undefined;
    for (const link of group.links) {
      if (link.room > 0 && (best === undefined || isBetter(link, best))) best = link;
    }
    if (best === undefined) return undefined;
    const isBusy = best.exchanges >= BUSY_EXCHANGES || best.isCrowded;
    if (isBusy && group.links.size < BUSY_LINKS_MAX) this.#makeAnother(target, group);
    return new LinkTarget(best, this.limits);
  }

  /**
   * A link to the target, made when there is none with room; or a connection of the caller's own, when the target
   * does not speak the link.
   *
   * @throws ForwardError connect, connect-timeout, or client-aborted when the signal aborts
   */
  async reach(target: Target, signal: AbortSignal): Promise<LinkTarget | Duplex> {
    const group = this.#groupOf(target.key);
    for (let tries = 0; tries < LINKS_MAX; tries += 1) {
      const found = this.idle(target);
      if (found !== undefined) return found;
      if (group.making !== undefined) {
        await leavable(group.making, signal);
        continue;
      }
      if (group.plainSince !== undefined) {
        if (performance.now() - group.plainSince < PLAIN_MS) return this.#plain(target, signal);
        group.plainSince = undefined;
      }
      const making = this.#make(target, group);
      try {
        const made = await leavable(making, signal);
        if (made !== undefined) return made;
      } catch (error) {
        discard(making);
        throw error;
      }
    }
    throw new ForwardError("connect", {
      nothingSent: true,
      cause: new Error("every link to the target is full or broken"),
    });
  }

  /** Looks at the clock for all links, and forgets targets that there is nothing to say of. */
  sweep(now: number): void {
    for (const [key, { links, making, plainSince }] of this.#groups) {
      for (const link of links) link.sweep(now);
      const isKnown = plainSince !== undefined && now - plainSince < PLAIN_MS;
      if (links.size === 0 && making === undefined && !isKnown) this.#groups.delete(key);
    }
  }

  /** Lets no more exchanges on the links to the targets that match; those that run finish. */
  drop(predicate: (key: string) => boolean): void {
    for (const [key, { links }] of this.#groups) {
      if (predicate(key)) for (const link of links) link.drain();
    }
  }

  /** Ends all links now. */
  destroy(): void {
    for (const { links } of this.#groups.values()) for (const link of links) link.destroy();
  }

  #groupOf(key: string): Group {
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group: Group = { links: new Set(), making: undefined, plainSince: undefined };
    this.#groups.set(key, group);
    return group;
  }

  /** A connection for one: it may have become a link meanwhile. */
  async #plain(target: Target, signal: AbortSignal): Promise<LinkTarget | Duplex> {
    const socket = await this.connect(target, signal);
    if (target.isLink?.(socket) !== true) return socket;
    const group = this.#groupOf(target.key);
    group.plainSince = undefined;
    await this.#adopt(socket, group);
    const found = this.idle(target);
    if (found !== undefined) return found;
    throw new ForwardError("connect", { nothingSent: true });
  }

  /** Makes the connection that the others wait for. Gives it when it is no link. */
  async #make(target: Target, group: Group): Promise<Duplex | undefined> {
    const connecting = this.connect(target, NEVER);
    const making = connecting.then(async (socket) => {
      if (target.isLink?.(socket) === true) await this.#adopt(socket, group);
      else group.plainSince = performance.now();
    });
    group.making = making;
    try {
      await making;
    } finally {
      group.making = undefined;
    }
    return group.plainSince === undefined ? undefined : connecting;
  }

  #makeAnother(target: Target, group: Group): void {
    if (group.making !== undefined) return;
    discard(this.#make(target, group));
  }

  /** Takes a connection for a link. Resolves when the other side has said what it takes. */
  #adopt(socket: Duplex, group: Group): Promise<void> {
    return new Promise((resolve, reject) => {
      const closed = (cause?: unknown): void => {
        group.links.delete(link);
        reject(new ForwardError("connect", { nothingSent: true, cause }));
      };
      const link = new LinkConnection(socket, true, linkLimits(this.limits), {
        ready: resolve,
        opened: () => {
          throw new Error("only the side that made the connection opens exchanges");
        },
        draining: () => undefined,
        closed,
      });
      group.links.add(link);
    });
  }
}

const isBetter = (one: LinkConnection, other: LinkConnection): boolean =>
  one.isCrowded === other.isCrowded ? one.exchanges < other.exchanges : other.isCrowded;

/** Nobody wants the connection any more, if it turns out to be one for a single exchange. */
const discard = (making: Promise<Duplex | undefined>): void => {
  making.then(
    (socket) => socket?.on("error", () => undefined).destroy(),
    () => undefined,
  );
};

/** What a promise gives, unless the signal aborts first; the promise then goes on for others. */
const leavable = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const gone = (): void => reject(new ForwardError("client-aborted", { nothingSent: true }));
    if (signal.aborted) gone();
    signal.addEventListener("abort", gone);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", gone));
  });
