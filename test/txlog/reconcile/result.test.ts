// The result that both sides sign: it reads the same for both, and nobody signs one that is not right.
import { createHash } from "node:crypto";
import { expect } from "chai";
import { parseJson } from "../../../contracts/json.js";
import { compareLogs } from "../../../txlog/reconcile/compare.js";
import type { SharedItem, TimeRange } from "../../../txlog/reconcile/node.js";
import {
  checkResult,
  claimOf,
  parseResult,
  ResultError,
  resultJson,
  resultOf,
  type Result,
  type ResultDifference,
} from "../../../txlog/reconcile/result.js";
import { LocalSide } from "../../../txlog/reconcile/side.js";
import { idAt, readerOf, wireTo } from "../../support/compared-logs.js";

const FROM = Date.UTC(2026, 0, 1);
const RANGE: TimeRange = { fromMs: FROM, toMs: FROM + 3 * 86_400_000 };

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

const item = (n: number, service = "personen"): SharedItem => ({
  transactionId: idAt(FROM + n * 1_000_003, BigInt(n)),
  service,
  digest: digest(`${String(n)} ${service}`),
});

const ALL = Array.from({ length: 100 }, (_, n) => item(n, n % 2 === 0 ? "a" : "b"));
const HERE = ALL.filter((_, n) => n !== 3 && n !== 99);
const THERE = ALL.filter((_, n) => n !== 50).map((each, n) =>
  n === 20 ? { ...each, service: "c" } : n === 0 ? { ...each, digest: digest("x") } : each,
);

const parties = (own: string, other: string) => ({
  ...{ ...RANGE, groupId: "group", madeAtMs: 5 },
  here: { peerId: own, checkpoint: `${own}\n1\n` },
  there: { peerId: other, checkpoint: `${other}\n1\n` },
});

const compare = async (
  here: readonly SharedItem[],
  there: readonly SharedItem[],
  [own, other]: readonly [string, string],
): Promise<Result> =>
  resultOf(
    await compareLogs({
      own: new LocalSide(RANGE, readerOf(here)),
      other: wireTo(readerOf(there), RANGE).side,
      differencesMax: 1000,
    }),
    parties(own, other),
  );

const json = (result: Result) => parseJson(Buffer.from(JSON.stringify(resultJson(result))));

const withOne = (result: Result, more: ResultDifference): Result => ({
  ...result,
  differences: [more, ...result.differences].sort((a, b) =>
    a.transactionId < b.transactionId ? -1 : 1,
  ),
});

const refusal = async (work: () => unknown): Promise<string> => {
  try {
    await work();
    return "";
  } catch (error) {
    if (error instanceof ResultError) return error.message;
    throw error;
  }
};

describe("the result of a comparison", () => {
  let result: Result;

  before(async () => {
    result = await compare(HERE, THERE, ["1", "2"]);
  });

  it("reads the same for both sides, whoever compared", async () => {
    const other = await compare(THERE, HERE, ["2", "1"]);
    expect(resultJson(other)).to.deep.equal(resultJson(result));
    expect(claimOf(other)).to.deep.equal(claimOf(result));
    expect(result.differences).to.have.length(5);
  });

  it("is read back as it was written", () => {
    expect(parseResult(json(result))).to.deep.equal(result);
  });

  it("is right for both sides", async () => {
    await checkResult(result, "1", readerOf(HERE));
    await checkResult(result, "2", readerOf(THERE));
  });

  it("is right when it is truncated and our own part is", async () => {
    const cut = { ...result, truncated: true, differences: result.differences.slice(0, 1) };
    await checkResult(cut, "1", readerOf(HERE));
  });

  const wrong: Readonly<Record<string, readonly [(from: Result) => Result, string]>> = {
    "leaves a difference out": [
      (from) => ({ ...from, differences: from.differences.slice(1) }),
      "not all that lies between",
    ],
    "names a difference that there is not": [
      (from) =>
        withOne(from, {
          transactionId: HERE[40]!.transactionId,
          records: [[], [{ service: "a", digest: digest("y") }]],
        }),
      "not all that lies between",
    ],
    "says that only we have what we have not": [
      (from) => ({
        ...from,
        differences: [
          { ...from.differences[0]!, records: [[{ service: "a", digest: digest("y") }], []] },
        ],
      }),
      "not all that the result says only it has",
    ],
    "counts our exchanges wrongly": [
      (from) => ({ ...from, sides: [{ ...from.sides[0], count: 7 }, from.sides[1]] }),
      "other exchanges than the result says",
    ],
    "has another digest of ours": [
      (from) => ({ ...from, sides: [{ ...from.sides[0], digest: digest("z") }, from.sides[1]] }),
      "other exchanges than the result says",
    ],
    "has another digest of the other side": [
      (from) => ({ ...from, sides: [from.sides[0], { ...from.sides[1], digest: digest("z") }] }),
      "not all that lies between",
    ],
    "is about another time": [
      (from) => ({ ...from, toMs: from.fromMs + 1 }),
      "other exchanges than the result says",
    ],
  };
  for (const [title, [change, says]] of Object.entries(wrong)) {
    it(`is not signed when it ${title}`, async () => {
      expect(await refusal(() => checkResult(change(result), "1", readerOf(HERE)))).to.contain(
        says,
      );
    });
  }

  const forms: Readonly<Record<string, readonly [object, string]>> = {
    "of another version": [{ version: 2 }, "version"],
    "with one side": [{ sides: [] }, "sides"],
    "with sides out of order": [{ sides: "swapped" }, "in order"],
    "with a time that is none": [{ from_ms: -1 }, "from_ms"],
    "with a member that is unknown": [{ more: 1 }, "unknown"],
    "with too many differences": [
      { differences: Array.from({ length: 10_001 }, () => ({})) },
      "10000",
    ],
    "with a difference without records": [
      { differences: [{ transaction_id: HERE[0]!.transactionId, records: [[]] }] },
      "two items",
    ],
    "with a digest that is too short": [
      {
        differences: [
          {
            transaction_id: HERE[0]!.transactionId,
            records: [[{ service_name: "a", digest: "AA" }], []],
          },
        ],
      },
      "base64url",
    ],
  };
  for (const [title, [change, says]] of Object.entries(forms)) {
    it(`is not read ${title}`, async () => {
      const right = JSON.parse(JSON.stringify(resultJson(result))) as {
        readonly sides: readonly object[];
      };
      const more =
        "sides" in change && change.sides === "swapped"
          ? { sides: [...right.sides].reverse() }
          : change;
      const value = parseJson(Buffer.from(JSON.stringify({ ...right, ...more })));
      expect(await refusal(() => parseResult(value))).to.contain(says);
    });
  }
});
