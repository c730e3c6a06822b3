// Comparing two logs: exactly the differences are found, whatever they are, and a side that lies is found out.
import { createHash } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { CompareError } from "../../../txlog/reconcile/compare-error.js";
import { compareLogs, type Comparison } from "../../../txlog/reconcile/compare.js";
import type { SharedItem, TimeRange } from "../../../txlog/reconcile/node.js";
import { COMPARE_LIMITS, type AskStep } from "../../../txlog/reconcile/remote-side.js";
import { LocalSide } from "../../../txlog/reconcile/side.js";
import type { StepAnswer, StepRequest } from "../../../txlog/reconcile/step.js";
import { skip } from "../../support/skip.js";
import { long, seed } from "../../support/scale.js";
import { idAt, readerOf, wireTo } from "../../support/compared-logs.js";

const FROM = Date.UTC(2026, 0, 1);
const RANGE: TimeRange = { fromMs: FROM, toMs: FROM + 40 * 86_400_000 };

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

const item = (ms: number, random: bigint, service = "personen"): SharedItem => ({
  transactionId: idAt(ms, random),
  service,
  digest: digest(`${String(ms)} ${String(random)} ${service}`),
});

const compare = (
  here: readonly SharedItem[],
  there: readonly SharedItem[],
  ask?: (honest: AskStep) => AskStep,
  limits = COMPARE_LIMITS,
): Promise<Comparison> =>
  compareLogs({
    own: new LocalSide(RANGE, readerOf(here)),
    other: wireTo(readerOf(there), RANGE, { limits, ...(ask === undefined ? {} : { ask }) }).side,
    differencesMax: 10_000,
  });

/** The differences by hand. */
const byHand = (here: readonly SharedItem[], there: readonly SharedItem[]): readonly string[] => {
  const keyed = (items: readonly SharedItem[]): Map<string, string[]> => {
    const found = new Map<string, string[]>();
    for (const { transactionId, service, digest: value } of items) {
      const all = found.get(transactionId) ?? [];
      found.set(transactionId, [...all, `${service} ${value.toString("hex")}`]);
    }
    return found;
  };
  const a = keyed(here);
  const b = keyed(there);
  return [...new Set([...a.keys(), ...b.keys()])].sort().flatMap((id) => {
    const mine = [...(a.get(id) ?? [])].sort().join();
    const theirs = [...(b.get(id) ?? [])].sort().join();
    return mine === theirs ? [] : [id];
  });
};

const named = ({ differences }: Comparison): readonly string[] =>
  differences.map(({ transactionId }) => transactionId);

const moment = fc.oneof(
  fc.integer({ min: 0, max: 40 * 86_400_000 - 1 }),
  // Many in one minute, so that minutes hold several.
  fc.integer({ min: 86_400_000, max: 86_460_000 }),
);
const arbitraryItem = fc
  .record({
    ms: moment,
    random: fc.bigInt({ min: 0n, max: 2n ** 70n }),
    service: fc.constantFrom("personen", "adressen", "zürich", "a"),
  })
  .map(({ ms, random, service }) => item(FROM + ms, random, service));

const change = fc.record({
  what: fc.constantFrom("removed here", "removed there", "changed", "twice here", "other service"),
  at: fc.nat(),
});

const changed = (
  shared: readonly SharedItem[],
  changes: readonly { readonly what: string; readonly at: number }[],
): { readonly here: readonly SharedItem[]; readonly there: readonly SharedItem[] } => {
  const here = new Map(shared.map((each) => [each.transactionId, [each]]));
  const there = new Map(shared.map((each) => [each.transactionId, [each]]));
  for (const { what, at } of changes) {
    const one = shared[at % Math.max(1, shared.length)];
    if (one === undefined) break;
    if (what === "removed here") here.delete(one.transactionId);
    if (what === "removed there") there.delete(one.transactionId);
    if (what === "changed") there.set(one.transactionId, [{ ...one, digest: digest("changed") }]);
    if (what === "twice here") here.set(one.transactionId, [one, { ...one, digest: digest("2") }]);
    if (what === "other service") there.set(one.transactionId, [{ ...one, service: "b" }]);
  }
  return { here: [...here.values()].flat(), there: [...there.values()].flat() };
};

/** `count` exchanges in one minute. */
const minuteOf = (count: number): SharedItem[] =>
  Array.from({ length: count }, (_, n) => item(FROM + (n % 60_000), BigInt(n) * 7919n));

const refusal = async (run: Promise<unknown>): Promise<string> => {
  try {
    await run;
    return "none";
  } catch (error) {
    if (error instanceof CompareError) return error.kind;
    throw error;
  }
};

describe("comparing two logs", () => {
  it(`finds exactly what differs in random logs (seed ${String(seed)})`, async function () {
    this.timeout(120_000);
    await fc.assert(
      fc.asyncProperty(
        fc.array(arbitraryItem, { maxLength: 60 }),
        fc.array(change, { maxLength: 6 }),
        async (shared, changes) => {
          const unique = [...new Map(shared.map((each) => [each.transactionId, each])).values()];
          const { here, there } = changed(unique, changes);
          const found = await compare(here, there);
          expect(named(found)).to.deep.equal(byHand(here, there));
          expect([found.here.count, found.there.count]).to.deep.equal([here.length, there.length]);
          expect(found.truncated).to.equal(false);
          if (named(found).length === 0) expect(found.here).to.deep.equal(found.there);
        },
      ),
      { numRuns: long ? 2_000 : 150, seed },
    );
  });

  it("says on which side an exchange is missing, and which one differs", async () => {
    const [a, b, c, d] = [1n, 2n, 3n, 4n].map((n) => item(FROM + Number(n) * 1000, n));
    const found = await compare([a!, b!, c!], [b!, { ...c!, digest: digest("x") }, d!]);
    expect(found.differences.map(({ kind, service }) => [kind, service])).to.deep.equal([
      ["missing-there", "personen"],
      ["different", "personen"],
      ["missing-here", "personen"],
    ]);
  });

  it("names one exchange once that the two sides have under different services", async () => {
    const one = item(FROM, 1n, "a");
    const found = await compare([one], [{ ...one, service: "b" }]);
    expect(found.differences.map(({ kind, service }) => [kind, service])).to.deep.equal([
      ["different", "a"],
    ]);
  });

  it("compares a minute with many exchanges by the last byte of their ids", async () => {
    const there = minuteOf(5_000);
    const here = there.filter((_, at) => at !== 17 && at !== 4_321);
    const found = await compare(here, there);
    expect(named(found)).to.deep.equal(
      [there[17]!, there[4_321]!].map((each) => each.transactionId).sort(),
    );
  });

  it("stops after as many differences as are wanted, and says so", async () => {
    const found = await compareLogs({
      own: new LocalSide(RANGE, readerOf([])),
      other: wireTo(readerOf(minuteOf(3_000)), RANGE).side,
      differencesMax: 10,
    });
    expect(found.differences).to.have.length(10);
    expect(found.truncated).to.equal(true);
  });

  it("leaves out what lies outside of the time compared, at both ends", async () => {
    const outside = [item(RANGE.fromMs - 1, 1n), item(RANGE.toMs, 2n)];
    const found = await compare([], outside);
    expect(found.there.count).to.equal(0);
    expect(found.differences).to.deep.equal([]);
  });

  const cost = async (count: number): Promise<{ ms: number; bytes: number; found: Comparison }> => {
    const there: SharedItem[] = [];
    const day = 86_400_000;
    for (let n = 0; n < count; n++) {
      const value = Buffer.alloc(32);
      value.writeUInt32BE(n);
      const ms = FROM + Math.floor((n / count) * 30 * day);
      const service = n % 3 === 0 ? "adressen" : "personen";
      there.push({
        transactionId: idAt(ms, BigInt(n) * 0x9e3779b97f4a7c15n),
        service,
        digest: value,
      });
    }
    const gone = new Set([17, Math.floor(count / 2)]);
    const here = there
      .filter((_, at) => !gone.has(at))
      .map((each, at) => (at === 1_000 ? { ...each, digest: digest("changed") } : each));
    const own = new LocalSide(RANGE, readerOf(here));
    const wire = wireTo(readerOf(there), RANGE);
    const from = performance.now();
    const found = await compareLogs({ own, other: wire.side, differencesMax: 10_000 });
    return { ms: performance.now() - from, bytes: wire.passed.bytes, found };
  };

  it("finds three differences among 50,000 exchanges with less than 200 kB", async function () {
    this.timeout(60_000);
    const { bytes, found } = await cost(50_000);
    expect(found.differences).to.have.length(3);
    expect(bytes).to.be.lessThan(200_000);
  });

  it("finds three differences among a million exchanges in under 10 s and 1 MB", async function () {
    if (!long) skip(this, "a million exchanges belong to the long run (npm run test:long)");
    this.timeout(120_000);
    const { ms, bytes, found } = await cost(1_000_000);
    expect(found.differences).to.have.length(3);
    expect(bytes).to.be.lessThan(1_000_000);
    expect(ms).to.be.lessThan(10_000);
  });
});

/** Changes the answers to steps that match. */
const lying =
  (
    matches: (request: StepRequest) => boolean,
    lie: (answer: StepAnswer, request: StepRequest) => StepAnswer,
  ) =>
  (honest: AskStep): AskStep =>
  async (request) => {
    const answer = await honest(request);
    return matches(request) ? lie(answer, request) : answer;
  };

const asksFor =
  (what: StepRequest["what"], level: string) =>
  (request: StepRequest): boolean =>
    request.what === what && request.nodes[0]?.level === level;

const flipped = (part: Buffer, at: number): Buffer => {
  const copy = Buffer.from(part);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
};

/** Changes the first part of an answer. */
const firstPart =
  (with_: (part: Buffer) => Buffer) =>
  ({ parts, more }: StepAnswer): StepAnswer => ({
    parts: parts.map((part, at) => (at === 0 ? with_(part) : part)),
    more,
  });

describe("a side of a comparison that lies", () => {
  const few = [0, 1, 2, 3].map((n) => item(FROM + n * 3_600_000, BigInt(n)));
  const there = [...few, item(FROM + 1, 99n), item(FROM + 2, 99n)];
  // A day's entry: 8 bytes index, 4 count, 32 digest.
  const lies: readonly (readonly [
    title: string,
    matches: (request: StepRequest) => boolean,
    lie: (answer: StepAnswer) => StepAnswer,
    kind: string,
  ])[] = [
    [
      "a day whose hours have another digest",
      asksFor("children", "day"),
      firstPart((p) => flipped(p, 20)),
      "digest",
    ],
    [
      "hours that count less than their day",
      asksFor("children", "day"),
      firstPart((p) => flipped(p, 11)),
      "count",
    ],
    [
      "hours of another day",
      asksFor("children", "day"),
      firstPart((p) => flipped(p, 6)),
      "outside",
    ],
    [
      "days outside of the time compared",
      asksFor("children", "whole"),
      firstPart((p) => flipped(p, 4)),
      "outside",
    ],
    [
      "a day named twice",
      asksFor("children", "whole"),
      firstPart((p) => Buffer.concat([p, p])),
      "order",
    ],
    [
      "an hour's minutes left out",
      asksFor("children", "hour"),
      firstPart(() => Buffer.alloc(0)),
      "count",
    ],
    [
      "exchanges with another digest",
      asksFor("items", "bucket"),
      firstPart((p) => flipped(p, 20)),
      "digest",
    ],
    ["exchanges left out", asksFor("items", "bucket"), firstPart((p) => p.subarray(48)), "count"],
    [
      "exchanges of another minute",
      asksFor("items", "bucket"),
      firstPart((p) => flipped(p, 3)),
      "outside",
    ],
    [
      "exchanges out of order",
      asksFor("items", "bucket"),
      firstPart((p) => Buffer.concat([p.subarray(48, 96), p.subarray(0, 48), p.subarray(96)])),
      "order",
    ],
    [
      "exchanges beyond their count",
      asksFor("items", "bucket"),
      firstPart((p) => Buffer.concat([p, p])),
      "count",
    ],
    [
      "an id that is no UUID of version 7",
      asksFor("items", "bucket"),
      firstPart((p) => Buffer.concat([p.subarray(0, 6), Buffer.of(0x40), p.subarray(7)])),
      "form",
    ],
    [
      "an answer that is cut within an entry",
      asksFor("children", "day"),
      firstPart((p) => p.subarray(0, 30)),
      "form",
    ],
    [
      "more parts than were asked for",
      asksFor("children", "day"),
      ({ parts }) => ({ parts: [...parts, ...parts], more: false }),
      "form",
    ],
    [
      "an answer that never comes",
      asksFor("children", "day"),
      () => ({ parts: [], more: true }),
      "endless",
    ],
    [
      "an answer without anything",
      asksFor("children", "day"),
      () => ({ parts: [], more: false }),
      "endless",
    ],
    [
      "a day that never ends",
      asksFor("children", "day"),
      ({ parts }) => ({ parts, more: true }),
      "endless",
    ],
  ];
  for (const [title, matches, lie, kind] of lies) {
    it(`is found out by ${title}`, async () => {
      expect(await refusal(compare(few, there, lying(matches, lie)))).to.equal(kind);
    });
  }

  it("is found out when the groups of a minute do not fit its digest", async () => {
    const all = minuteOf(3_000);
    const here = all.slice(1, -1);
    // Says of all but one group that they are as ours are, and hides one difference so.
    const ours = new LocalSide(RANGE, readerOf(here));
    const ask = (honest: AskStep): AskStep => {
      return async (request) => {
        const answer = await honest(request);
        if (!asksFor("children", "bucket")(request) || request.what !== "children") return answer;
        const { node } = { node: request.nodes[0]! };
        const mine = await ours.childrenOf(node);
        const gone = Number.parseInt(all[0]!.transactionId.slice(-2), 16);
        const part = Buffer.from(answer.parts[0]!);
        for (let at = 0; at < part.length; at += 37) {
          const same = mine.find(
            ({ node: each }) => each.level === "group" && each.last === part[at],
          );
          if (part[at] === gone && same !== undefined) {
            part.writeUInt32BE(same.count, at + 1);
            same.digest.copy(part, at + 5);
          } else if (part[at] === Number.parseInt(all[1]!.transactionId.slice(-2), 16)) {
            part.writeUInt32BE(part.readUInt32BE(at + 1) + 1, at + 1);
          }
        }
        return { parts: [part], more: false };
      };
    };
    expect(await refusal(compare(here, all, ask))).to.be.oneOf(["digest", "count"]);
  });

  it("is refused beyond the limit of exchanges in one group", async () => {
    const limits = { ...COMPARE_LIMITS, itemsMax: 5 };
    expect(await refusal(compare([], minuteOf(6), undefined, limits))).to.equal("limit");
  });

  it("is refused beyond the limit of what is received", async () => {
    const limits = { ...COMPARE_LIMITS, receivedMax: 5 };
    expect(await refusal(compare([], minuteOf(6), undefined, limits))).to.equal("limit");
  });
});
