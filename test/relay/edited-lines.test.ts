// Lines on their way to the other side: copied as octets or written anew, they are the same.
import { expect } from "chai";
import fc from "fast-check";
import { EditedLines } from "../../relay/edited-lines.js";
import { HeaderName } from "../../relay/header-name.js";
import { RELAY_LIMITS } from "../../relay/limits.js";
import type { HeaderLines } from "../../relay/message.js";
import { NameChoice } from "../../relay/name-choice.js";
import { scanRequestHead } from "../../relay/scan-request.js";
import { long, seed } from "../support/scale.js";

const RUNS = long ? 100_000 : 2_000;

const NAMES = [
  ...[
    "Accept",
    "X-A",
    "x_a",
    "X-Drop",
    "x-drop",
    "X_DROP",
    "Connection",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Upgrade",
  ],
  ...[
    "Proxy-Authorization",
    "proxy-connection",
    "Expect",
    "Cookie",
    "cookie",
    `X-${"l".repeat(100)}`,
    "Fsc-Authorization",
  ],
];
const VALUES = [
  "1",
  "",
  "a b",
  "\xe9\xff",
  "close",
  "X-A",
  "keep-alive, te",
  "a,b;c=d",
  "x".repeat(300),
];
const SPACES = ["", " ", " ", " ", " \t", "  "];

const line = fc.tuple(
  fc.constantFrom(...NAMES),
  fc.constantFrom(...SPACES),
  fc.constantFrom(...VALUES),
  fc.constantFrom("", "", "", " "),
);
const drop = new NameChoice((name) => name.replaceAll("_", "-") === "x-drop" || name === "host");
const set = {
  before: [["Host", "b"]] as HeaderLines,
  after: [["Z", "1"]] as HeaderLines,
};

const scan = (lines: readonly (readonly [string, string, string, string])[]) =>
  scanRequestHead(
    Buffer.from(
      `GET / HTTP/1.1\r\nHost: a\r\n${lines
        .map(([name, before, value, after]) => `${name}:${before}${value}${after}\r\n`)
        .join("")}\r\n`,
      "latin1",
    ),
    RELAY_LIMITS,
  );

describe("relay/edited-lines", () => {
  it(`copies ${RUNS} heads as it would write them anew (seed ${seed})`, () => {
    let copied = 0;
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), fc.boolean(), (lines, trailer) => {
        const request = scan(lines).with(["Fsc-Authorization", "beside"]);
        const { headers } = request;
        const octets = new EditedLines(request, drop, set).head("S\r\n", "Own: 1\r\n", trailer);
        const anew = new EditedLines({ headers }, drop, set).head("S\r\n", "Own: 1\r\n", trailer);
        expect(octets.toString("latin1")).to.equal(anew.toString("latin1"));
        if (request.raw !== undefined) copied += 1;
      }),
      { numRuns: RUNS, seed },
    );
    expect(copied).to.be.above(RUNS / 4);
  });

  it("drops names, hop-by-hop lines and those that Connection names, and sets its own", () => {
    const request = scan([
      ["X-A", " ", "1", ""],
      ["X_drop", " ", "2", ""],
      ["Connection", " ", "X-Hop", ""],
      ["X-Hop", " ", "3", ""],
      ["Upgrade", " ", "4", ""],
      ["x-a", "", "5 ", ""],
    ]);
    const head = new EditedLines(request, drop, set).head("S\r\n", "", false);
    expect(head.toString()).to.equal("S\r\nHost: b\r\nX-A: 1\r\nx-a: 5\r\nZ: 1\r\n\r\n");
  });

  for (const [name, lines] of [
    ["a line break in a value", [["X", "a\r\nY: b"]]],
    ["a name that is no token", [["X y", "a"]]],
    ["a name without octets", [["", "a"]]],
    ["a character beyond latin1", [["X", "\u20ac"]]],
    ["a control character", [["X", "\0"]]],
  ] as const) {
    it(`refuses to set ${name}`, () => {
      const edited = new EditedLines(scan([]), drop, { before: [], after: lines });
      expect(() => edited.head("S\r\n", "", false)).to.throw(TypeError);
    });
  }

  it("finds every value of a name, whatever its case, beside the head too", () => {
    const request = scan([
      ["Fsc-Authorization", " ", "a", ""],
      ["FSC-authorization", "", "b ", ""],
      ["Fsc_Authorization", " ", "c", ""],
    ]);
    const name = new HeaderName("Fsc-Authorization");
    expect(name.valuesIn(request)).to.deep.equal(["a", "b"]);
    expect(name.valuesIn(request.with(["fsc-Authorization", "d"]))).to.deep.equal(["a", "b", "d"]);
    expect(name.valuesIn({ headers: request.headers })).to.deep.equal(["a", "b"]);
    expect(new HeaderName("X").valuesIn(request)).to.deep.equal([]);
  });

  it("asks once for a name, and anew for one that is too long to keep", () => {
    let asked = 0;
    const choice = new NameChoice((name) => {
      asked += 1;
      return name === "x-a";
    });
    const of = (name: string): boolean => choice.of(Buffer.from(name), 0, name.length);
    for (let n = 0; n < 3; n++) expect([of("X-A"), of("x-b")]).to.deep.equal([true, false]);
    expect(asked).to.equal(2);
    for (let n = 0; n < 3; n++) expect(of("y".repeat(65))).to.equal(false);
    expect(asked).to.equal(5);
  });
});
