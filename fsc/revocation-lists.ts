// Keeps the revocation list of every CA in use: fetched well before it ends, or when its file changes, checked, kept on disk, and
// handed to the group, whose every check obeys it.
import type { X509Certificate } from "node:crypto";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  attribute,
  listAddressesOf,
  listsIn,
  readAttributed,
  replaces,
  writeAttributed,
  type AttributedList,
  type KnownCas,
} from "../certs/attributed-list.js";
import type { BundleSource } from "../certs/bundle.js";
import type { GroupSource } from "../certs/group.js";
import { readText } from "../certs/read-file.js";
import type { RevocationList } from "../certs/revocation-list.js";
import { REVOCATION_GRACE_MS } from "../certs/revocation.js";
import { startRestartable, type Restartable } from "../core/restartable.js";
import type { Clock } from "../core/clock.js";
import type { DialPolicy } from "../core/dial.js";
import { writeFileDurably } from "../core/durable-file.js";
import type { Lifecycle } from "../core/lifecycle.js";
import type { Log } from "../core/log.js";
import { repeat } from "../core/retry.js";
import { watchFileChanges } from "../core/watch-file.js";
import { ANSWER_BYTES_MAX, fetchList, isUrl } from "./fetch-list.js";
import { RememberedChains } from "./remembered-chains.js";

/** How long before its end a list is warned about. */
export const WARNING_MS = 24 * 3_600_000;

const REFRESH_MAX_MS = 3_600_000;
const REFRESH_MIN_MS = 10_000;
const BACKOFF = { firstMs: 5_000, maxMs: 300_000 };
const KEPT_BYTES_MAX = 2 * ANSWER_BYTES_MAX;

/** What the lists are kept with. */
export interface RevocationListing {
  readonly groups: GroupSource;
  /** Our own certificates: the lists of their issuers are fetched from where they say. */
  readonly bundles: BundleSource;
  /** Files and http(s) URLs from the settings, beside what certificates say. */
  readonly sources: readonly string[];
  /** Where the last good lists are kept. */
  readonly folder: string;
  readonly policy: () => DialPolicy;
  readonly clock: Clock;
  readonly log: Log;
  readonly lifecycle: Lifecycle;
  /** How often a list that is not near its end is fetched; an hour unless given. */
  readonly refreshMs?: number | undefined;
}

/** The sources of a setting: files and URLs, separated by commas; none when it is not set. */
export const sourcesIn = (setting: string | undefined): readonly string[] =>
  (setting ?? "")
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : "it cannot be used";

const day = (time: number): string => new Date(time).toISOString();

/** The newest list of each CA in use. */
export class RevocationLists {
  readonly #with: RevocationListing;
  readonly #lists = new Map<string, AttributedList>();
  readonly #chains = new RememberedChains();
  /** Where the list of each CA came from: it is fetched from there again also when no chain says so any more. */
  readonly #from = new Map<string, string>();
  readonly #failures = new Map<string, string>();
  readonly #answered = new Set<string>();
  readonly #listeners = new Set<(lists: readonly RevocationList[]) => void>();
  #current: readonly RevocationList[] = [];
  #anchors: readonly X509Certificate[];
  #warned = "";
  #work: Restartable | undefined;

  private constructor(listing: RevocationListing) {
    this.#with = listing;
    this.#anchors = listing.groups.current.anchors;
  }

  /**
   * Takes the lists that were kept on disk into use, then begins to fetch. Resolves before anything is fetched:
   * a server of lists that is away keeps nobody from starting.
   */
  static async start(listing: RevocationListing): Promise<RevocationLists> {
    const lists = new RevocationLists(listing);
    await lists.#load();
    const { groups, bundles, lifecycle } = listing;
    // Watched before it is read for the first time, so that no change falls between the two.
    const files = listing.sources.filter((each) => !isUrl(each));
    const watched = files.map((path) => watchFileChanges(path, () => lists.#work?.restart()));
    lists.#work = startRestartable((signal) => lists.#run(signal));
    const stops = [
      ...watched,
      groups.onChange(({ anchors }) => lists.#anchorsChanged(anchors)),
      bundles.onChange(() => lists.#work?.restart()),
    ];
    lifecycle.onStop("revocation lists", async () => {
      for (const stop of stops) stop();
      await lists.#work?.stop();
    });
    return lists;
  }

  /** The lists in use, which the group has too. */
  current(): readonly RevocationList[] {
    return this.#current;
  }

  /** Calls the listener with each new set of lists, when the group has it. Returns the function that ends this. */
  onChange(listener: (lists: readonly RevocationList[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Remembers the chain of another peer's certificate, so that the lists of its issuers are fetched too.
   *
   * @param chain checked with `checkPath`, the peer's certificate first, without the anchor
   */
  note(chain: readonly X509Certificate[]): void {
    if (this.#chains.note(chain)) this.#work?.restart();
  }

  /** What is wrong or soon will be, one sentence each: lists near or past their end, and sources that have never answered; empty when all is well. */
  problems(): readonly string[] {
    const now = this.#with.clock.now();
    const ofLists = [...this.#lists.values()].flatMap(({ read }) => {
      const { issuer, thisUpdate, nextUpdate } = read;
      const early = Math.min(WARNING_MS, (nextUpdate - thisUpdate) / 4);
      if (now > nextUpdate + REVOCATION_GRACE_MS) {
        return [
          `the revocation list of (${issuer}) ended at ${day(nextUpdate)}: its certificates are refused`,
        ];
      }
      return now > nextUpdate - early
        ? [
            `the revocation list of (${issuer}) ends at ${day(nextUpdate)}; ` +
              `its certificates are refused from ${day(nextUpdate + REVOCATION_GRACE_MS)}`,
          ]
        : [];
    });
    // A source that has answered before shows when its list comes to its end.
    const silent = [...this.#failures].filter(([source]) => !this.#answered.has(source));
    return [...ofLists, ...silent.map(([, reason]) => reason)];
  }

  get #known(): KnownCas {
    // A CA whose list is in use stays known, whatever chains make room for others.
    const inUse = [...this.#lists.values()].map(({ list }) => list.issuerChain);
    const chains = [this.#with.bundles.current.chain, ...this.#chains.all(), ...inUse];
    return { anchors: this.#anchors, chains };
  }

  get #sources(): readonly string[] {
    const named = this.#known.chains.flatMap((chain) => listAddressesOf(chain));
    return [...new Set([...this.#with.sources, ...named, ...this.#from.values()])];
  }

  async #load(): Promise<void> {
    const { folder, log } = this.#with;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(folder)) {
      if (!name.endsWith(".crl")) continue;
      try {
        const kept = readAttributed(
          await readText(join(folder, name), KEPT_BYTES_MAX),
          this.#anchors,
        );
        if (replaces(kept, this.#lists.get(kept.issuerId))) this.#lists.set(kept.issuerId, kept);
      } catch (error) {
        log.warn({ file: name, reason: reasonOf(error) }, "a kept revocation list is not used");
      }
    }
    this.#publish();
  }

  #run(signal: AbortSignal): Promise<void> {
    return repeat(signal, {
      backoff: BACKOFF,
      turn: () => this.#turn(signal),
      failed: (error, failures, waitMs) => {
        const problem = { reason: reasonOf(error), failures, waitMs };
        this.#with.log.warn(problem, "not every revocation list was fetched");
      },
    });
  }

  async #turn(signal: AbortSignal): Promise<number> {
    const sources = this.#sources;
    const failed = (await Promise.all(sources.map((each) => this.#fetch(each, signal)))).filter(
      (reason) => reason !== undefined,
    );
    for (const source of this.#failures.keys()) {
      if (!sources.includes(source)) this.#failures.delete(source);
    }
    this.#warn();
    if (failed.length > 0) throw new Error(failed.join("; "));
    return this.#untilRefresh();
  }

  #untilRefresh(): number {
    const now = this.#with.clock.now();
    const { refreshMs = REFRESH_MAX_MS } = this.#with;
    // Half of what is left each time: many tries before a list ends.
    const left = [...this.#lists.values()].map(({ read }) => (read.nextUpdate - now) / 2);
    return Math.min(refreshMs, Math.max(REFRESH_MIN_MS, Math.min(refreshMs, ...left)));
  }

  async #fetch(source: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      for (const crl of listsIn(await fetchList(source, this.#with.policy(), signal))) {
        await this.#take(crl, source);
      }
      this.#failures.delete(source);
      this.#answered.add(source);
      return undefined;
    } catch (error) {
      const reason = reasonOf(error);
      const text = reason.startsWith(source) ? reason : `${source}: ${reason}`;
      if (!signal.aborted) this.#failures.set(source, text);
      return text;
    }
  }

  async #take(crl: Buffer, source: string): Promise<void> {
    const { clock, folder, log } = this.#with;
    const list = attribute(crl, this.#known);
    const { issuer, thisUpdate, nextUpdate, number, revoked } = list.read;
    if (thisUpdate > clock.now()) throw new Error(`the list of (${issuer}) is not valid yet`);
    const current = this.#lists.get(list.issuerId);
    if (!replaces(list, current)) return;
    // On disk before it counts: after a restart nothing older may count again.
    await writeFileDurably(join(folder, `${list.issuerId}.crl`), writeAttributed(list));
    this.#lists.set(list.issuerId, list);
    this.#from.set(list.issuerId, source);
    const about = { source, issuer, number: String(number), revoked: revoked.size };
    log.info({ ...about, nextUpdate: day(nextUpdate) }, "revocation list taken into use");
    this.#publish();
  }

  #publish(): void {
    this.#current = [...this.#lists.values()].map(({ list }) => list);
    if (this.#current.length === 0 && this.#with.groups.current.revocationLists.length === 0)
      return;
    this.#with.groups.setRevocationLists(this.#current);
    for (const listener of [...this.#listeners]) listener(this.#current);
  }

  #anchorsChanged(anchors: readonly X509Certificate[]): void {
    if (anchors === this.#anchors) return;
    this.#anchors = anchors;
    for (const [id, { list }] of this.#lists) {
      try {
        attribute(list.crl, { anchors, chains: [list.issuerChain] });
      } catch {
        this.#lists.delete(id);
        this.#from.delete(id);
      }
    }
    this.#publish();
    this.#work?.restart();
  }

  #warn(): void {
    const text = this.problems().join("; ");
    if (text !== this.#warned && text !== "")
      this.#with.log.warn({ problems: text }, "revocation lists");
    this.#warned = text;
  }
}
