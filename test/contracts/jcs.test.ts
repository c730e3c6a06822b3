// Checks contracts/jcs.ts against what RFC 8785 prints, and against openssl through the hashes.
import { expect } from "chai";
import fc from "fast-check";
import { canonical } from "../../contracts/jcs.js";
import { JSON_DEPTH_MAX, parseJson } from "../../contracts/json.js";
import { anyJson, shuffled } from "../support/contract-content.js";
import { randomFrom } from "../support/random.js";

// RFC 8785, appendix B: the bits of a double and its canonical form.
const NUMBERS: readonly (readonly [bits: string, text: string])[] = [
  ["0000000000000000", "0"],
  ["8000000000000000", "0"],
  ["0000000000000001", "5e-324"],
  ["8000000000000001", "-5e-324"],
  ["7fefffffffffffff", "1.7976931348623157e+308"],
  ["ffefffffffffffff", "-1.7976931348623157e+308"],
  ["4340000000000000", "9007199254740992"],
  ["c340000000000000", "-9007199254740992"],
  ["4430000000000000", "295147905179352830000"],
  ["44b52d02c7e14af5", "9.999999999999997e+22"],
  ["44b52d02c7e14af6", "1e+23"],
  ["44b52d02c7e14af7", "1.0000000000000001e+23"],
  ["444b1ae4d6e2ef4e", "999999999999999700000"],
  ["444b1ae4d6e2ef4f", "999999999999999900000"],
  ["444b1ae4d6e2ef50", "1e+21"],
  ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
  ["3eb0c6f7a0b5ed8d", "0.000001"],
  ["41b3de4355555553", "333333333.3333332"],
  ["41b3de4355555554", "333333333.33333325"],
  ["41b3de4355555555", "333333333.3333333"],
  ["41b3de4355555556", "333333333.3333334"],
  ["41b3de4355555557", "333333333.33333343"],
  ["becbf647612f3696", "-0.0000033333333333333333"],
  ["43143ff3c1cb0959", "1424953923781206.2"],
];

const REFUSALS: readonly (readonly [what: string, value: unknown])[] = [
  ["NaN (7fffffffffffffff)", NaN],
  ["infinity (7ff0000000000000)", Infinity],
  ["undefined", undefined],
  ["a member that is undefined", { a: undefined }],
  ["a hole in an array", new Array(1)],
  ["a bigint", 1n],
  ["a function", () => 1],
  ["a symbol", Symbol("a")],
  ["a Date", new Date(0)],
  ["a Map", new Map([["a", 1]])],
  ["bytes", Buffer.from("a")],
  ["a lone surrogate", "\ud800"],
  ["a lone surrogate in a name", { "\udc00": 1 }],
  ["a noncharacter", "\uffff"],
];

const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);

describe("the canonical form of JSON", () => {
  for (const [what, value] of REFUSALS) {
    it(`refuses ${what}`, () => {
      expect(() => canonical(value)).to.throw(TypeError);
    });
  }

  it("refuses more levels than can be read again", () => {
    expect(() => canonical(nested(JSON_DEPTH_MAX + 1))).to.throw(TypeError);
    parseJson(Buffer.from(canonical(nested(JSON_DEPTH_MAX))));
  });

  for (const [bits, text] of NUMBERS) {
    it(`writes the number ${bits} as ${text}`, () => {
      expect(canonical(Buffer.from(bits, "hex").readDoubleBE())).to.equal(text);
    });
  }

  it("sorts names as RFC 8785, 3.2.3 does: by UTF-16 code units", () => {
    const text = canonical(
      JSON.parse(
        '{"\\u20ac":"Euro Sign","\\r":"Carriage Return","\\ufb33":"Hebrew Letter Dalet With Dagesh",' +
          '"1":"One","\\ud83d\\ude00":"Emoji: Grinning Face","\\u0080":"Control",' +
          '"\\u00f6":"Latin Small Letter O With Diaeresis"}',
      ),
    );
    expect([...text.matchAll(/:"([^"]*)"/g)].map(([, value]) => value)).to.deep.equal([
      ...["Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis"],
      ...["Euro Sign", "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh"],
    ]);
  });

  it("writes the example of RFC 8785, 3.2.2 as the bytes of its 3.2.4", () => {
    const value: unknown = JSON.parse(`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\"\\/",
      "literals": [null, true, false]
    }`);
    expect(Buffer.from(canonical(value)).toString("hex")).to.equal(
      "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e" +
        "756d62657273223a5b3333333333333333332e333333333333332c31652b33302c" +
        "342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac245c75" +
        "303030665c6e4127425c225c5c5c5c5c222f227d",
    );
  });

  it("escapes controls, quotes and backslashes, and nothing else", () => {
    const controls = Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).join("");
    expect(canonical(`${controls}"\\/\u007f\u0080\u2028\u2029`)).to.equal(
      '"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f' +
        "\\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c" +
        '\\u001d\\u001e\\u001f\\"\\\\/\u007f\u0080\u2028\u2029"',
    );
  });

  it("sorts names that look like numbers as texts, and keeps __proto__", () => {
    expect(canonical(JSON.parse('{"10":1,"9":2,"__proto__":{"b":1,"a":2},"":3}'))).to.equal(
      '{"":3,"10":1,"9":2,"__proto__":{"a":2,"b":1}}',
    );
  });

  it("keeps the order of arrays", () => {
    expect(canonical([3, "b", [2, 1], {}])).to.equal('[3,"b",[2,1],{}]');
  });

  it("is the same whatever the order of members was, and reading it gives the same again", () => {
    fc.assert(
      fc.property(anyJson, fc.integer(), (value, seed) => {
        const text = canonical(value);
        expect(canonical(shuffled(value, randomFrom(seed)))).to.equal(text);
        expect(canonical(parseJson(Buffer.from(text)))).to.equal(text);
        expect(JSON.stringify(JSON.parse(text)).length).to.equal(text.length);
      }),
    );
  });
});
