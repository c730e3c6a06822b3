// Sums up exchanges that come in the order of their transaction ids, in one pass and little memory.
import { transactionTimeMs } from "./item.js";
import {
  compareItems,
  countOf,
  digestOfChildren,
  digestOfItems,
  indexAt,
  type Item,
  type Node,
  type SharedItem,
  type Summary,
} from "./node.js";

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

const pushInOrder = (items: Item[], item: Item): void => {
  let at = items.length;
  // Only those with the same transaction id may have to change places.
  for (; at > 0; at--) {
    const before = items[at - 1];
    if (before === undefined || compareItems(before, item) <= 0) break;
  }
  if (at === items.length) items.push(item);
  else items.splice(at, 0, item);
};

/** Holds the exchanges of the minute that is being read, and summaries of what is over. */
export class Tally {
  #minute = Number.NEGATIVE_INFINITY;
  #items = new Map<string, Item[]>();
  #buckets: Summary[] = [];
  readonly #hours: Summary[] = [];

  /**
   * @param keepBuckets whether `finish` is asked for buckets, all of them; else for hours
   */
  constructor(private readonly keepBuckets: boolean) {}

  /**
   * Adds an exchange.
   *
   * @throws RangeError when its minute is before that of the one before
   */
  add({ transactionId, service, digest }: SharedItem): void {
    const minute = indexAt("bucket", transactionTimeMs(transactionId));
    if (minute !== this.#minute) this.#begin(minute);
    const items = this.#items.get(service);
    const item = { transactionId, digest };
    if (items === undefined) this.#items.set(service, [item]);
    else pushInOrder(items, item);
  }

  /** The buckets, or the hours, in order. Nothing may be added after it. */
  finish(): readonly Summary[] {
    this.#endMinute();
    if (this.keepBuckets) return this.#buckets;
    this.#endHour();
    return this.#hours;
  }

  #begin(minute: number): void {
    if (minute < this.#minute) throw new RangeError("exchanges come in the order of their ids");
    this.#endMinute();
    const isNextHour = Math.floor(minute / 60) !== Math.floor(this.#minute / 60);
    if (isNextHour && !this.keepBuckets) this.#endHour();
    this.#minute = minute;
  }

  #endMinute(): void {
    const services = [...this.#items.keys()].sort(byBytes);
    for (const service of services) {
      const items = this.#items.get(service) ?? [];
      const node: Node = { level: "bucket", index: this.#minute, service };
      this.#buckets.push({ node, count: items.length, digest: digestOfItems(items) });
    }
    this.#items = new Map();
  }

  #endHour(): void {
    if (this.#buckets.length === 0) return;
    this.#hours.push(
      parentOf({ level: "hour", index: Math.floor(this.#minute / 60) }, this.#buckets),
    );
    this.#buckets = [];
  }
}

/** The summary of the whole, a day or an hour from those of what it falls into. */
export const parentOf = (node: Node, children: readonly Summary[]): Summary => ({
  node,
  count: countOf(children),
  digest: digestOfChildren(children),
});

/** The days of hours that come in order. */
export const daysOf = (hours: readonly Summary[]): readonly Summary[] => {
  const byDay = new Map<number, Summary[]>();
  for (const hour of hours) {
    const index = "index" in hour.node ? Math.floor(hour.node.index / 24) : 0;
    const day = byDay.get(index);
    if (day === undefined) byDay.set(index, [hour]);
    else day.push(hour);
  }
  return [...byDay].map(([index, children]) => parentOf({ level: "day", index }, children));
};

/** The groups of a bucket's exchanges. */
export const groupsOf = (
  { index, service }: Extract<Node, { readonly level: "bucket" }>,
  items: readonly Item[],
): readonly Summary[] => {
  const byLast = new Map<string, Item[]>();
  for (const item of items) {
    const last = item.transactionId.slice(-2);
    const group = byLast.get(last);
    if (group === undefined) byLast.set(last, [item]);
    else group.push(item);
  }
  return [...byLast.keys()].sort().map((last) => {
    const group = byLast.get(last) ?? [];
    return {
      node: { level: "group", index, service, last: Number.parseInt(last, 16) },
      count: group.length,
      digest: digestOfItems(group),
    };
  });
};
