// How times and tables are read and written on the command line.
import { expect } from "chai";
import { hashGiven } from "../../cli/contract-calls.js";
import { table } from "../../cli/table.js";
import { lengthOfTime, momentInTime, shownLength, shownMoment } from "../../cli/times.js";

describe("cli/times", () => {
  const lengths: readonly (readonly [string, number])[] = [
    ["1s", 1],
    ["90s", 90],
    ["30m", 1_800],
    ["12h", 43_200],
    ["30d", 2_592_000],
    ["52w", 31_449_600],
    ["36500d", 3_153_600_000],
  ];
  for (const [text, seconds] of lengths) {
    it(`reads ${text}`, () => expect(lengthOfTime(text)).to.equal(seconds));
  }

  for (const text of [
    "",
    "0s",
    "-1d",
    "1",
    "1.5h",
    "01d",
    "1 d",
    "1y",
    "1D",
    "36501d",
    "99999999999w",
  ]) {
    it(`refuses the length "${text}"`, () => {
      expect(() => lengthOfTime(text)).to.throw("Allowed is a time such as");
    });
  }

  const moments: readonly (readonly [string, string])[] = [
    ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"],
    ["2026-01-31t12:00:00z", "2026-01-31T12:00:00Z"],
    ["2026-01-31 12:00:00.999Z", "2026-01-31T12:00:00Z"],
    ["2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"],
    ["2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z"],
  ];
  for (const [text, shown] of moments) {
    it(`reads ${text}`, () => expect(shownMoment(momentInTime(text) * 1000)).to.equal(shown));
  }

  const noMoments = [
    ...[
      "",
      "now",
      "2026-01-31",
      "2026-01-31T12:00:00",
      "2026-02-30T12:00:00Z",
      "2026-13-01T00:00:00Z",
    ],
    ...[
      "2026-01-31T25:00:00Z",
      "2026-01-31T12:00:00+99:00",
      "1970-01-01T00:00:00Z",
      "1969-12-31T23:59:59Z",
    ],
  ];
  for (const text of noMoments) {
    it(`refuses the moment "${text}"`, () => {
      expect(() => momentInTime(text)).to.throw("RFC 3339");
    });
  }

  const shownLengths: readonly (readonly [bigint, string])[] = [
    [1n, "1s"],
    [90n, "90s"],
    [1_800n, "30m"],
    [7_200n, "2h"],
    [172_800n, "2d"],
    [2n ** 60n + 1n, "1152921504606846977s"],
  ];
  for (const [seconds, text] of shownLengths) {
    it(`writes ${String(seconds)} s as ${text}`, () => expect(shownLength(seconds)).to.equal(text));
  }

  it("writes never as nothing, and what no calendar has as a number", () => {
    expect(shownMoment(0n)).to.equal("");
    expect(shownMoment(2n ** 60n)).to.equal("1152921504606846976 ms since 1970");
  });
});

describe("cli/table", () => {
  it("aligns columns by characters, and leaves nothing at the end of a line", () => {
    const text = table(
      ["A", "LONG", "C"],
      [
        ["ü€𝄞", "x", ""],
        ["b", "", "c"],
      ],
    );
    expect(text).to.equal("A    LONG  C\nü€𝄞  x\nb          c\n");
  });

  it("prints the head alone for no rows", () => expect(table(["A", "B"], [])).to.equal("A  B\n"));
});

describe("a hash on the command line", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["$1$1$abcdefghij", "$1$1$abcdefghij"],
    ["$1$3$abcdefghij", "$1$3$abcdefghij"],
    ["abcdefghij", "$1$1$abcdefghij"],
    ["-bcdefghij", "$1$1$-bcdefghij"],
    ["", ""],
  ];
  for (const [given, hash] of cases) {
    it(`"${given}" names "${hash}"`, () => expect(hashGiven(given)).to.equal(hash));
  }
});
