// Compares two logs: descends only where they differ, and names each exchange that one side lacks or that differs.
import type { TransactionId } from "../../core/names.js";
import { CompareError } from "./compare-error.js";
import {
  BUCKET_ITEMS_MAX,
  compareItems,
  compareNodes,
  countOf,
  digestOfChildren,
  digestOfItems,
  type Item,
  type Node,
  type Summary,
} from "./node.js";
import type { Parent, Side } from "./side.js";

/** An exchange as only one side has it. */
export interface OneSided {
  readonly service: string;
  readonly digest: Buffer;
}

/** One exchange on which two logs do not agree. */
export interface Difference {
  readonly transactionId: TransactionId;
  readonly kind: "missing-here" | "missing-there" | "different";
  /** The service by our log, or by the other when ours has none. */
  readonly service: string;
  /** What only we have; several when a transaction id was used again. */
  readonly here: readonly OneSided[];
  /** What only the other side has. */
  readonly there: readonly OneSided[];
}

/** What one side has in the time compared. */
export interface Total {
  readonly count: number;
  readonly digest: Buffer;
}

/** What came of a comparison. */
export interface Comparison {
  readonly here: Total;
  readonly there: Total;
  /** By rising transaction id. */
  readonly differences: readonly Difference[];
  /** Whether there are more differences than are listed. */
  readonly truncated: boolean;
}

/** The two sides of a comparison, and how far it goes. */
export interface Comparing {
  readonly own: Side;
  readonly other: Side;
  /** After this many differences it stops. */
  readonly differencesMax: number;
  /** Told what both sides have, as soon as that is known. */
  readonly counted?: (here: number, there: number) => void;
}

/** One part as either side has it; undefined where it has no exchanges. */
interface Pair {
  readonly here: Summary | undefined;
  readonly there: Summary | undefined;
}

/** How many parts are descended into together: as many as one step takes. */
const CHUNK = 64;

const isEqual = (a: Total, b: Total): boolean => a.count === b.count && a.digest.equals(b.digest);

/** The parts in which two sides differ, in order. */
const differing = (here: readonly Summary[], there: readonly Summary[]): Pair[] => {
  const pairs: Pair[] = [];
  let left = 0;
  let right = 0;
  while (left < here.length || right < there.length) {
    const a = here[left];
    const b = there[right];
    const order = a === undefined ? 1 : b === undefined ? -1 : compareNodes(a.node, b.node);
    if (order <= 0) left += 1;
    if (order >= 0) right += 1;
    if (order === 0 && a !== undefined && b !== undefined) {
      if (!isEqual(a, b)) pairs.push({ here: a, there: b });
    } else {
      pairs.push(order < 0 ? { here: a, there: undefined } : { here: undefined, there: b });
    }
  }
  return pairs;
};

const nodeOf = ({ here, there }: Pair): Node => here?.node ?? there?.node ?? { level: "whole" };

const countsOf = ({ here, there }: Pair): number => Math.max(here?.count ?? 0, there?.count ?? 0);

const asParent = (summary: Summary): Parent => {
  const { node, count, digest } = summary;
  if (node.level === "group") throw new RangeError("a group falls into exchanges alone");
  return { node, count, digest };
};

/** Asks one side for those of the parts that it has. */
const ask = async <T>(
  parts: readonly (Summary | undefined)[],
  asking: (those: readonly Summary[]) => Promise<readonly (readonly T[])[]>,
): Promise<readonly (readonly T[])[]> => {
  const those = parts.filter((each) => each !== undefined);
  const found = those.length === 0 ? [] : await asking(those);
  let next = 0;
  return parts.map((each) => (each === undefined ? [] : (found[next++] ?? [])));
};

/** What only one of two sorted lists of exchanges has. */
const onlyIn = (
  here: readonly Item[],
  there: readonly Item[],
): { readonly here: Item[]; readonly there: Item[] } => {
  const only = { here: [] as Item[], there: [] as Item[] };
  let left = 0;
  let right = 0;
  while (left < here.length || right < there.length) {
    const a = here[left];
    const b = there[right];
    const order = a === undefined ? 1 : b === undefined ? -1 : compareItems(a, b);
    if (order < 0 && a !== undefined) only.here.push(a);
    if (order > 0 && b !== undefined) only.there.push(b);
    if (order <= 0) left += 1;
    if (order >= 0) right += 1;
  }
  return only;
};

interface Found {
  service: string;
  readonly here: OneSided[];
  readonly there: OneSided[];
}

class Descent {
  readonly #found = new Map<TransactionId, Found>();

  constructor(private readonly parts: Comparing) {}

  async run(): Promise<Comparison> {
    const { own, other, counted, differencesMax } = this.parts;
    const top: Parent = { node: { level: "whole" }, count: undefined, digest: undefined };
    const here = (await own.children([top]))[0] ?? [];
    const there = (await other.children([top]))[0] ?? [];
    counted?.(countOf(here), countOf(there));
    await this.#descend(differing(here, there));
    const differences = [...this.#found.keys()].sort().map((id) => this.#difference(id));
    return {
      here: { count: countOf(here), digest: digestOfChildren(here) },
      there: { count: countOf(there), digest: digestOfChildren(there) },
      differences: differences.slice(0, differencesMax),
      truncated: differences.length > differencesMax,
    };
  }

  async #descend(pairs: readonly Pair[]): Promise<void> {
    for (let at = 0; at < pairs.length; at += CHUNK) {
      if (this.#isFull()) return;
      const chunk = pairs.slice(at, at + CHUNK);
      const small = chunk.filter((pair) => this.#isSmall(pair));
      const large = chunk.filter((pair) => !this.#isSmall(pair));
      if (small.length > 0) await this.#compareItems(small);
      if (large.length > 0) await this.#compareChildren(large);
    }
  }

  #isSmall(pair: Pair): boolean {
    const { level } = nodeOf(pair);
    return level === "group" || (level === "bucket" && countsOf(pair) <= BUCKET_ITEMS_MAX);
  }

  async #compareChildren(pairs: readonly Pair[]): Promise<void> {
    const { own, other } = this.parts;
    const here = await ask(
      pairs.map((pair) => pair.here),
      (those) => own.children(those.map(asParent)),
    );
    const there = await ask(
      pairs.map((pair) => pair.there),
      (those) => other.children(those.map(asParent)),
    );
    for (const [at, pair] of pairs.entries()) {
      const parts = differing(here[at] ?? [], there[at] ?? []);
      const { level } = nodeOf(pair);
      if (level === "bucket") await this.#compareGroups(pair, parts);
      else await this.#descend(parts);
    }
  }

  /** Compares the groups of one bucket, and then what the other side said of the bucket. */
  async #compareGroups(pair: Pair, groups: readonly Pair[]): Promise<void> {
    const only = { here: [] as Item[], there: [] as Item[] };
    for (let at = 0; at < groups.length; at += CHUNK) {
      if (this.#isFull()) return;
      const found = await this.#compareItems(groups.slice(at, at + CHUNK));
      only.here.push(...found.here);
      only.there.push(...found.there);
    }
    if (pair.there === undefined) return;
    const mine =
      pair.here === undefined ? [] : ((await this.parts.own.items([pair.here]))[0] ?? []);
    const kept = onlyIn(mine, only.here.sort(compareItems)).here;
    const theirs = [...kept, ...only.there].sort(compareItems);
    if (digestOfItems(theirs).equals(pair.there.digest)) return;
    throw new CompareError(
      "digest",
      "the other side gives groups of a minute and service that do not fit its digest",
    );
  }

  async #compareItems(pairs: readonly Pair[]): Promise<ReturnType<typeof onlyIn>> {
    const { own, other } = this.parts;
    const here = await ask(
      pairs.map((pair) => pair.here),
      (those) => own.items(those),
    );
    const there = await ask(
      pairs.map((pair) => pair.there),
      (those) => other.items(those),
    );
    const all = { here: [] as Item[], there: [] as Item[] };
    pairs.forEach((pair, at) => {
      const only = onlyIn(here[at] ?? [], there[at] ?? []);
      const node = nodeOf(pair);
      const service = "service" in node ? node.service : "";
      for (const item of only.here) this.#note(item, service, "here");
      for (const item of only.there) this.#note(item, service, "there");
      all.here.push(...only.here);
      all.there.push(...only.there);
    });
    return all;
  }

  #note({ transactionId, digest }: Item, service: string, side: "here" | "there"): void {
    const found = this.#found.get(transactionId) ?? { service, here: [], there: [] };
    // The service by our log counts, whichever of the two was seen first.
    if (side === "here") found.service = service;
    found[side].push({ service, digest });
    this.#found.set(transactionId, found);
  }

  #isFull(): boolean {
    return this.#found.size > this.parts.differencesMax;
  }

  #difference(transactionId: TransactionId): Difference {
    const found = this.#found.get(transactionId) ?? { service: "", here: [], there: [] };
    const kind =
      found.here.length === 0
        ? "missing-here"
        : found.there.length === 0
          ? "missing-there"
          : "different";
    return { transactionId, kind, ...found };
  }
}

/**
 * Compares two logs.
 *
 * @throws CompareError when the other side's answers do not fit each other, and what the sides reject with
 */
export const compareLogs = (parts: Comparing): Promise<Comparison> => new Descent(parts).run();
