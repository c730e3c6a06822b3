// How a record is made to fit the limits of the writer.
import { expect } from "chai";
import type { ExchangeEntry } from "../../txlog/entry.js";
import { fitIntent, fitOutcome, fitRefusal, LOG_LIMITS } from "../../txlog/limits.js";
import { COMPLETE, exchange } from "../support/transaction-log.js";

const limits = {
  ...LOG_LIMITS,
  textBytes: 20,
  pathBytes: 30,
  nameBytes: 24,
  additionalDataBytes: 10,
  dataSubjects: 2,
};
const subjects = ["1", "2", "3"].map((value) => ({ key: "bsn", value }));
const LONG = "x".repeat(31);

const REFUSED: readonly (readonly [string, Partial<ExchangeEntry>])[] = [
  ["service", { service: LONG }],
  ["grant hash", { grantHash: LONG }],
  ["source", { source: { peerId: LONG } }],
  ["destination", { destination: { peerId: LONG } }],
  ["delegator", { source: { peerId: "1", delegatorId: LONG } }],
  ["additional data", { additionalData: '{"a":"bcdef"}' }],
  ["number of data subjects", { personal: { dataSubjects: subjects } }],
];

describe("txlog/limits", () => {
  it("leaves an exchange within the limits as it is", () => {
    const entry = exchange({ personal: { path: "/p" } });
    expect(fitIntent(entry, limits)).to.equal(entry);
  });

  for (const [what, more] of REFUSED) {
    it(`refuses an intent whose ${what} is over the limit`, () => {
      expect(() => fitIntent(exchange(more), limits)).to.throw(RangeError);
    });

    it(`makes a refusal fit whose ${what} is over the limit`, () => {
      const once = fitRefusal(exchange(more), limits);
      expect(() => fitIntent(once, { ...limits, additionalDataBytes: 30 })).not.to.throw();
    });
  }

  it("cuts free texts and the path, and shows it", () => {
    const entry = exchange({ method: LONG, client: LONG, personal: { path: LONG, user: LONG } });
    const fitted = fitIntent(entry, limits);
    expect(fitted.method).to.equal(`${"x".repeat(17)}…`);
    expect(fitted.client).to.equal(fitted.method);
    expect(fitted.personal).to.deep.equal({ path: `${"x".repeat(27)}…`, user: fitted.method });
  });

  it("cuts between characters", () => {
    for (const [character, length] of [
      ["é", 2],
      ["€", 3],
      ["😀", 4],
    ] as const) {
      const { method } = fitIntent(exchange({ method: character.repeat(20) }), limits);
      expect(method).to.equal(character.repeat(Math.floor(17 / length)) + "…");
    }
  });

  it("keeps a text whose bytes are exactly at the limit", () => {
    const method = "é".repeat(10);
    expect(fitIntent(exchange({ method }), limits).method).to.equal(method);
  });

  it("says in an outcome that additional data over the limit was left out", () => {
    const { additionalData } = fitOutcome({ ...COMPLETE, additionalData: '{"a":"bcdef"}' }, limits);
    expect(additionalData).to.equal('{"schakel.omitted":true}');
  });

  it("makes the durations of an outcome whole and never negative", () => {
    const durationUs = { total: 1.5, own: -0.2, other: 7 };
    expect(fitOutcome({ ...COMPLETE, durationUs }, limits).durationUs).to.deep.equal({
      total: 2,
      own: 0,
      other: 7,
    });
  });
});
