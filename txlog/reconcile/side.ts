// One side of a comparison, and the one that stands on a log's own index.
import type { InnerNode, Item, Node, SharedItem, Summary, TimeRange } from "./node.js";
import { compareItems, holds, rangeOf } from "./node.js";
import { daysOf, groupsOf, Tally } from "./tally.js";

/** What a comparison asks of either side. */
export interface Side {
  /**
   * What parts fall into, in order; a part that is not there falls into nothing.
   *
   * @param parents what this side said of them before
   */
  children(parents: readonly Parent[]): Promise<readonly (readonly Summary[])[]>;
  /** The exchanges of buckets or groups, in order. */
  items(parents: readonly Summary[]): Promise<readonly (readonly Item[])[]>;
}

/** A part whose children are asked for. */
export interface Parent {
  readonly node: InnerNode;
  /** How many exchanges this side said it has; undefined for the whole, of which nothing was said yet. */
  readonly count: number | undefined;
  readonly digest: Buffer | undefined;
}

/**
 * Reads the exchanges shared with the other side whose transaction ids were made in a stretch of time, in the order
 * of those ids; of one service when it is named.
 */
export type ReadShared = (
  range: TimeRange,
  service?: string,
) => AsyncIterable<readonly SharedItem[]>;

/**
 * A side that reads our own log. Hours are summed up when the whole is asked for and kept, since every day falls
 * into some of them; a later look at the whole reads again.
 */
export class LocalSide implements Side {
  #hours: readonly Summary[] | undefined;

  constructor(
    private readonly range: TimeRange,
    private readonly read: ReadShared,
  ) {}

  async children(parents: readonly Parent[]): Promise<readonly (readonly Summary[])[]> {
    const found: (readonly Summary[])[] = [];
    for (const { node } of parents) found.push(await this.childrenOf(node));
    return found;
  }

  async items(parents: readonly Summary[]): Promise<readonly (readonly Item[])[]> {
    const found: (readonly Item[])[] = [];
    for (const { node } of parents) found.push(await this.itemsOf(node));
    return found;
  }

  /** What one part falls into. */
  async childrenOf(node: InnerNode): Promise<readonly Summary[]> {
    switch (node.level) {
      case "whole":
        this.#hours = await this.#sum(this.range, false);
        return daysOf(this.#hours);
      case "day": {
        const hours = (this.#hours ??= await this.#sum(this.range, false));
        return hours.filter((each) => dayOf(each) === node.index);
      }
      case "hour":
        return this.#sum(rangeOf(node, this.range), true);
      case "bucket":
        return groupsOf(node, await this.itemsOf(node));
    }
  }

  /** The exchanges of one bucket or group. */
  async itemsOf(node: Node): Promise<readonly Item[]> {
    const items: Item[] = [];
    const service = "service" in node ? node.service : undefined;
    for await (const page of this.read(rangeOf(node, this.range), service)) {
      for (const item of page) if (holds(node, item)) items.push(item);
    }
    return items.sort(compareItems);
  }

  async #sum(range: TimeRange, keepBuckets: boolean): Promise<readonly Summary[]> {
    const tally = new Tally(keepBuckets);
    for await (const page of this.read(range)) for (const item of page) tally.add(item);
    return tally.finish();
  }
}

const dayOf = ({ node }: Summary): number =>
  "index" in node ? Math.floor(node.index / 24) : Number.NaN;
