// The other side of a comparison: asks it step by step and believes nothing. What it says of a part must fit what
// it said of it before.
import { CompareError } from "./compare-error.js";
import { transactionTimeMs } from "./item.js";
import {
  compareItems,
  compareNodes,
  countOf,
  digestOfChildren,
  digestOfItems,
  indexAt,
  lastByte,
  SERVICE_BYTES_MAX,
  type Item,
  type Node,
  type Summary,
  type TimeRange,
} from "./node.js";
import type { Parent, Side } from "./side.js";
import {
  STEP_NODES_MAX,
  unpackChildren,
  unpackItems,
  type StepAnswer,
  type StepRequest,
  type Wanted,
} from "./step.js";

/** Sends one step to the other side. */
export type AskStep = (request: StepRequest) => Promise<StepAnswer>;

/** How much of the other side's is compared at once. */
export interface CompareLimits {
  /** Children and exchanges received in one comparison. */
  readonly receivedMax: number;
  /** Exchanges of one bucket or group. */
  readonly itemsMax: number;
}

/** The limits unless others are given. */
export const COMPARE_LIMITS: CompareLimits = { receivedMax: 2_000_000, itemsMax: 65_536 };

const DAY_MS = 86_400_000;

const nameOf = (node: Node): string => {
  switch (node.level) {
    case "whole":
      return "the whole";
    case "day":
    case "hour":
      return `the ${node.level} ${String(node.index)}`;
    case "bucket":
      return `the minute ${String(node.index)} of a service`;
    case "group":
      return `the group ${String(node.last)} of the minute ${String(node.index)} of a service`;
  }
};

const wrong = (kind: CompareError["kind"], node: Node, problem: string): CompareError =>
  new CompareError(kind, `of ${nameOf(node)} the other side ${problem}`);

const parentIndex = { day: 1, hour: 24, bucket: 60, group: 1 } as const;

const checkPlaces = (parent: Node, children: readonly Summary[], range: TimeRange): void => {
  let before: Node | undefined;
  for (const { node, count } of children) {
    if (node.level === "whole") throw wrong("form", parent, "names the whole as a part");
    const inRange =
      parent.level === "whole"
        ? node.index >= indexAt("day", range.fromMs) && node.index * DAY_MS < range.toMs
        : Math.floor(node.index / parentIndex[node.level]) === parent.index;
    if (!inRange) throw wrong("outside", parent, `names ${nameOf(node)} as a part`);
    if ("service" in node && Buffer.byteLength(node.service) > SERVICE_BYTES_MAX) {
      throw wrong(
        "form",
        parent,
        `names a service of more than ${String(SERVICE_BYTES_MAX)} bytes`,
      );
    }
    if (count === 0) throw wrong("count", parent, "names a part without exchanges");
    if (before !== undefined && compareNodes(before, node) >= 0) {
      throw wrong("order", parent, "names its parts out of order or twice");
    }
    before = node;
  }
};

const checkItems = (parent: Summary, items: readonly Item[], range: TimeRange): void => {
  const { node } = parent;
  let before: Item | undefined;
  for (const item of items) {
    const ms = transactionTimeMs(item.transactionId);
    const isThere =
      ms >= range.fromMs &&
      ms < range.toMs &&
      "index" in node &&
      indexAt("bucket", ms) === node.index &&
      (node.level !== "group" || lastByte(item.transactionId) === node.last);
    if (!isThere) throw wrong("outside", node, "names an exchange that does not belong there");
    if (before !== undefined && compareItems(before, item) > 0) {
      throw wrong("order", node, "names its exchanges out of order");
    }
    before = item;
  }
  if (items.length !== parent.count) {
    throw wrong("count", node, `says ${String(parent.count)} and names ${String(items.length)}`);
  }
  if (!digestOfItems(items).equals(parent.digest)) {
    throw wrong("digest", node, "gives exchanges that do not fit its digest");
  }
};

/** Asks the other side, and checks what it says. */
export class RemoteSide implements Side {
  #received = 0;

  constructor(
    private readonly range: TimeRange,
    private readonly ask: AskStep,
    private readonly limits: CompareLimits = COMPARE_LIMITS,
  ) {}

  /** @throws CompareError, and what `ask` rejects with */
  async children(parents: readonly Parent[]): Promise<readonly (readonly Summary[])[]> {
    const days = Math.ceil((this.range.toMs - this.range.fromMs) / DAY_MS) + 1;
    const nodes = parents.map(({ node }) => node);
    const found = await this.#collect<Summary, Parent>(parents, {
      wanted: (from) => ({ what: "children", nodes: nodes.slice(from, from + STEP_NODES_MAX) }),
      unpack: ({ node }, packed) => unpackChildren(node, packed),
      countMax: ({ count }) => count ?? days,
    });
    parents.forEach((parent, at) => this.#checkChildren(parent, found[at] ?? []));
    return found;
  }

  /** @throws CompareError, and what `ask` rejects with */
  async items(parents: readonly Summary[]): Promise<readonly (readonly Item[])[]> {
    const { itemsMax } = this.limits;
    for (const { node, count } of parents) {
      if (count <= itemsMax) continue;
      throw wrong(
        "limit",
        node,
        `has ${String(count)} exchanges, ${String(itemsMax)} are compared`,
      );
    }
    const nodes = parents.map(({ node }) => node);
    const found = await this.#collect<Item, Summary>(parents, {
      wanted: (from) => ({ what: "items", nodes: nodes.slice(from, from + STEP_NODES_MAX) }),
      unpack: (_parent, packed) => unpackItems(packed),
      countMax: ({ count }) => count,
    });
    parents.forEach((parent, at) => checkItems(parent, found[at] ?? [], this.range));
    return found;
  }

  #checkChildren({ node, count, digest }: Parent, children: readonly Summary[]): void {
    checkPlaces(node, children, this.range);
    if (count !== undefined && countOf(children) !== count) {
      const sum = String(countOf(children));
      throw wrong("count", node, `says ${String(count)} exchanges, its parts have ${sum}`);
    }
    // A bucket's digest is over its exchanges; the comparison checks it when all groups are known.
    if (digest === undefined || node.level === "bucket") return;
    if (digestOfChildren(children).equals(digest)) return;
    throw wrong("digest", node, "gives parts that do not fit its digest");
  }

  /** Asks until every parent's children or exchanges are there. */
  async #collect<T, P extends { readonly node: Node }>(
    parents: readonly P[],
    how: {
      readonly wanted: (from: number) => Wanted;
      readonly unpack: (parent: P, packed: Buffer) => readonly T[];
      readonly countMax: (parent: P) => number;
    },
  ): Promise<readonly (readonly T[])[]> {
    const found: T[][] = parents.map(() => []);
    let at = 0;
    while (at < parents.length) {
      const wanted = how.wanted(at);
      const skip = found[at]?.length ?? 0;
      const { parts, more } = await this.ask({ ...wanted, range: this.range, skip });
      const whole = more ? parts.length - 1 : parts.length;
      let received = 0;
      parts.forEach((packed, offset) => {
        const parent = parents[at + offset];
        if (parent === undefined || offset >= wanted.nodes.length) {
          throw new CompareError("form", "the other side answers what was not asked for");
        }
        const values = how.unpack(parent, packed);
        received += values.length;
        const all = found[at + offset] ?? [];
        for (const value of values) all.push(value);
        this.#countIn(parent.node, all.length, how.countMax(parent));
      });
      this.#note(received);
      if (whole < 1 && received === 0) {
        throw new CompareError("endless", "the other side's answers bring nothing and do not end");
      }
      at += whole;
    }
    return found;
  }

  #countIn(node: Node, count: number, max: number): void {
    if (count <= max) return;
    throw wrong("count", node, `says ${String(max)} at most and names more`);
  }

  #note(received: number): void {
    this.#received += received;
    if (this.#received <= this.limits.receivedMax) return;
    const max = String(this.limits.receivedMax);
    throw new CompareError("limit", `the other side gave more than ${max} parts and exchanges`);
  }
}
