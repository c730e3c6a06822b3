// Names from outside: what is taken, and that nothing else is.
import { expect } from "chai";
import {
  newTransactionId,
  parseComponentName,
  parseServiceName,
  parseThumbprint,
  parseTransactionId,
  PEER_ID_PATTERN_DEFAULT,
  peerIdRule,
} from "../../core/names.js";

const V7 = "019aac5e-7d2b-7abc-8def-0123456789ab";
const V4 = "3f0c7a1e-9d2b-4abc-8def-0123456789ab";
const OIN = "00000001234567890000";

describe("core/names", () => {
  const cases = [
    {
      name: "a service name",
      parse: parseServiceName,
      refused: ["", ".", "..", "a b", "a/b", "a%2fb", "a\n", "é", "a:b", "a?", "a".repeat(101)],
      taken: ["a", "A", "a.b-c_d", "...", "-", "0", "a".repeat(100)],
    },
    {
      name: "a component name",
      parse: parseComponentName,
      refused: ["", ".", "..", "a b", "a/b", "a\\b", "a\u0000", "ａ", "a".repeat(101)],
      taken: ["inway", "inway-1", "Inway_2.b"],
    },
    {
      name: "a peer id of the default rule",
      parse: peerIdRule(PEER_ID_PATTERN_DEFAULT),
      refused: ["", "1", OIN.slice(1), `${OIN}0`, `${OIN}\n`, ` ${OIN}`, `${OIN.slice(1)}a`].concat(
        ["0000000123456789000٣", `${OIN},${OIN}`],
      ),
      taken: [OIN],
    },
    {
      name: "a peer id of a rule without anchors",
      parse: peerIdRule("[a-z]+|[0-9]+"),
      refused: ["a1", "1a", "A", "a b", "a/b"],
      taken: ["a", "1", "abc"],
    },
    {
      name: "a peer id of a rule that allows everything",
      parse: peerIdRule(".*"),
      refused: [
        "",
        " ",
        "a b",
        "a/b",
        "a\tb",
        "a\u0000b",
        "a\u200bb",
        "a\u202eb",
        ".",
        "..",
        "a".repeat(256),
      ],
      taken: ["a", "é", "a.b", "a".repeat(255)],
    },
    {
      name: "a transaction id",
      parse: parseTransactionId,
      refused: [
        "",
        V4,
        V7.slice(1),
        `${V7}0`,
        `${V7}\n`,
        ` ${V7}`,
        `{${V7}}`,
        V7.replaceAll("-", ""),
      ]
        .concat(["00000000-0000-0000-0000-000000000000", V7.replace("-8def", "-0def")])
        .concat([`urn:uuid:${V7}`, `${V7}, ${V7}`, "ffffffff-ffff-ffff-ffff-ffffffffffff"]),
      taken: [V7],
    },
    {
      name: "a thumbprint",
      parse: parseThumbprint,
      refused: ["", "a".repeat(63), "a".repeat(65), "g".repeat(64), `${"a".repeat(64)}\n`].concat([
        `${"aa:".repeat(31)}aa`,
        ` ${"a".repeat(63)}`,
      ]),
      taken: ["a".repeat(64), "0123456789abcdef".repeat(4)],
    },
  ];

  for (const { name, parse, refused, taken } of cases) {
    describe(name, () => {
      for (const text of refused) {
        it(`refuses ${JSON.stringify(text.slice(0, 60))} (${String(text.length)} characters)`, () => {
          expect(parse(text)).to.equal(undefined);
        });
      }
      for (const text of taken) {
        it(`takes ${text.slice(0, 60)} as it is`, () => {
          expect(parse(text)).to.equal(text);
        });
      }
    });
  }

  for (const pattern of ["(", "[", "a)|(b", "\\", "+"]) {
    it(`refuses the peer id pattern ${pattern}`, () => {
      expect(() => peerIdRule(pattern)).to.throw(SyntaxError);
    });
  }

  it("gives transaction ids and thumbprints back in lower case", () => {
    expect(parseTransactionId(V7.toUpperCase())).to.equal(V7);
    expect(parseThumbprint("A".repeat(64))).to.equal("a".repeat(64));
  });

  it("makes transaction ids that rise and differ", () => {
    const ids = Array.from({ length: 1000 }, newTransactionId);
    expect(new Set(ids).size).to.equal(1000);
    expect([...ids].sort()).to.deep.equal(ids);
    expect(ids.every((id) => parseTransactionId(id) === id)).to.equal(true);
  });
});
