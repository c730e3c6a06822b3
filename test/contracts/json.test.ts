// Checks contracts/json.ts: what strict JSON refuses, then what it reads.
import { expect } from "chai";
import fc from "fast-check";
import {
  isInteroperableText,
  JSON_DEPTH_MAX,
  JsonError,
  NUMBER_LENGTH_MAX,
  parseJson,
} from "../../contracts/json.js";
import { anyJson } from "../support/contract-content.js";

const read = (text: string) => parseJson(Buffer.from(text));

const refused = (act: () => unknown): JsonError => {
  try {
    act();
  } catch (error) {
    if (error instanceof JsonError) return error;
    throw error;
  }
  throw new Error("it was read");
};

const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);

const REFUSALS: readonly (readonly [what: string, text: string, reason: string])[] = [
  ["nothing", "", "the end instead of a value"],
  ["spaces alone", " \n\t\r", "the end instead of a value"],
  ["two values", "1 2", "something after the JSON value at character 3"],
  ["a comma after the last element", "[1,]", "no value"],
  ["a comma after the last member", '{"a":1,}', "a member without a name"],
  ["an array that does not end", "[1", 'neither "," nor "]"'],
  ["an object that does not end", '{"a":1', 'neither "," nor "}"'],
  ["a member without a colon", '{"a" 1}', 'no ":" after a name'],
  ["a name without quotes", "{a:1}", "a member without a name"],
  ["single quotes", "'a'", "no value"],
  ["a comment", "/* a */1", "no value"],
  ["a word of JavaScript", "undefined", "no value"],
  ["NaN", "NaN", "no value"],
  ["Infinity", "-Infinity", "no value"],
  ["a literal in capitals", "True", "no value"],
  ["a literal that goes on", "nulls", "something after"],
  ["a form feed between values", "[\f1]", "no value"],
  ["a no-break space", "\u00a01", "no value"],
  ["a leading zero", "01", "something after"],
  ["a leading zero after a minus", "-01", "something after"],
  ["a leading plus", "+1", "no value"],
  ["a point without digits before", ".5", "no value"],
  ["a point without digits after", "1.", "something after"],
  ["an exponent without digits", "1e", "something after"],
  ["a number in hexadecimal", "0x10", "something after"],
  ["a minus alone", "-", "no value"],
  ["an integer beyond 2^53 - 1", "9007199254740992", "beyond 2^53 - 1"],
  ["one below -(2^53 - 1)", "-9007199254740992", "beyond 2^53 - 1"],
  ["one beyond by its exponent", "1e16", "beyond 2^53 - 1"],
  ["one beyond every double", "1e400", "beyond 2^53 - 1"],
  ["more digits than a double has", "0.123456789012345678", "more precise"],
  ["a number that becomes 0", "1e-400", "more precise"],
  ["a name twice", '{"a":1,"a":1}', "the same name twice"],
  ["a name twice by an escape", '{"a":1,"\\u0061":2}', "the same name twice"],
  ["a name twice deep inside", '[{"b":{"a":1,"c":2,"a":3}}]', "the same name twice"],
  ["__proto__ twice", '{"__proto__":1,"__proto__":2}', "the same name twice"],
  ["an empty name twice", '{"":1,"":2}', "the same name twice"],
  ["a lone high surrogate", '"\\ud800"', "lone surrogate"],
  ["a lone low surrogate", '"\\udc00"', "lone surrogate"],
  ["surrogates in the wrong order", '"\\udc00\\ud800"', "lone surrogate"],
  ["a lone surrogate in a name", '{"\\ud83d":1}', "lone surrogate"],
  ["a noncharacter", '"\\uffff"', "noncharacter"],
  ["a noncharacter of another plane", '"\\ud83f\\udfff"', "noncharacter"],
  ["a noncharacter in its own bytes", '"\ufdd0"', "noncharacter"],
  ["a bare line break in a string", '"a\nb"', "bare control character"],
  ["a bare NUL in a string", '"a\0b"', "bare control character"],
  ["a string that does not end", '"a', "the end inside a string"],
  ["a string that ends in a backslash", '"a\\', "an escape that JSON does not have"],
  ["an escape of JavaScript", '"\\x41"', "an escape that JSON does not have"],
  ["an escaped single quote", '"\\\'"', "an escape that JSON does not have"],
  ["an escape of three digits", '"\\u041"', "an escape that JSON does not have"],
  ["an escape with braces", '"\\u{41}"', "an escape that JSON does not have"],
  ["a byte order mark", "\ufeff1", "a byte order mark"],
  ["too many levels", nested(JSON_DEPTH_MAX + 2), "arrays and objects in each other"],
];

describe("strict JSON", () => {
  for (const [what, text, reason] of REFUSALS) {
    it(`refuses ${what}`, () => {
      const error = refused(() => read(text));
      expect(error.message).to.include(reason);
      expect(error.isTooLarge).to.equal(false);
    });
  }

  for (const [what, hex] of [
    ["a byte that UTF-8 does not have", "22ff22"],
    ["a surrogate in UTF-8", "22eda08022"],
    ["a character in more bytes than needed", "22c08022"],
    ["a character beyond U+10FFFF", "22f490808022"],
    ["UTF-16", "fffe3100"],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(refused(() => parseJson(Buffer.from(hex, "hex"))).message).to.match(/UTF-8/);
    });
  }

  it("refuses a text over its size as too large", () => {
    const error = refused(() => parseJson(Buffer.from('"aaaa"'), { bytesMax: 5 }));
    expect(error.isTooLarge).to.equal(true);
    expect(parseJson(Buffer.from('"aaa"'), { bytesMax: 5 })).to.equal("aaa");
  });

  it("refuses more values than allowed, members and elements alike", () => {
    const error = refused(() => parseJson(Buffer.from('[1,{"a":2}]'), { valuesMax: 3 }));
    expect(error.message).to.include("more than 3 values");
    parseJson(Buffer.from('[1,{"a":2}]'), { valuesMax: 4 });
  });

  it("refuses a number as long as the text without looking at each of its digits", () => {
    const started = performance.now();
    for (const text of [`0.1${"0".repeat(900_000)}1`, `1${"0".repeat(900_000)}1`]) {
      expect(refused(() => read(text)).message).to.include(
        `${String(NUMBER_LENGTH_MAX)} characters`,
      );
    }
    expect(performance.now() - started).to.be.below(2_000);
  });

  it("repeats nothing of the text in what it says", () => {
    expect(refused(() => read('{"secret": !}')).message).not.to.include("secret");
  });

  it("keeps __proto__ and constructor as members and gives objects no prototype", () => {
    const value = read('{"__proto__":{"admin":true},"constructor":1}') as Record<string, unknown>;
    expect(Object.keys(value)).to.deep.equal(["__proto__", "constructor"]);
    expect(Object.getPrototypeOf(value)).to.equal(null);
    expect("admin" in value).to.equal(false);
    expect(({} as Record<string, unknown>)["admin"]).to.equal(undefined);
  });

  it("gives values that nobody can change", () => {
    const value = read('{"a":[{}]}') as { a: object[] };
    expect(() => value.a.push({})).to.throw(TypeError);
    expect(() => Object.assign(value, { b: 1 })).to.throw(TypeError);
  });

  it("reads numbers up to 2^53 - 1 in any form, and -0 as 0", () => {
    for (const [text, value] of [
      ["9007199254740991", 9007199254740991],
      ["-9007199254740991", -9007199254740991],
      ["1.50", 1.5],
      ["1E+3", 1000],
      ["0.000000000000000000000000001", 1e-27],
      ["1.00000000000000000000000000", 1],
      ["5e-324", 5e-324],
      ["0e400", 0],
    ] as const) {
      expect(read(text), text).to.equal(value);
    }
    expect(Object.is(read("-0"), 0)).to.equal(true);
    expect(Object.is(read("-0.0e5"), 0)).to.equal(true);
  });

  it("reads the deepest that is allowed", () => {
    expect(read(nested(JSON_DEPTH_MAX + 1))).to.be.an("array");
  });

  it("reads whatever JSON.stringify writes of values that I-JSON allows", () => {
    fc.assert(
      fc.property(anyJson, fc.constantFrom(0, 2), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        expect(JSON.stringify(read(text))).to.equal(JSON.stringify(JSON.parse(text)));
      }),
    );
  });

  it("never reads what JSON.parse refuses, and never anything else than it does", () => {
    const letter = fc.constantFrom(...Array.from('{}[]:,"\\u0061e-+. \ntruefalsn19'));
    fc.assert(
      fc.property(fc.string({ unit: letter, maxLength: 12 }), (text) => {
        let value: unknown;
        try {
          value = read(text);
        } catch {
          return;
        }
        expect(JSON.stringify(value)).to.equal(JSON.stringify(JSON.parse(text)));
      }),
      { numRuns: 3000 },
    );
  });
});

describe("texts of I-JSON", () => {
  it("have no lone surrogates and no noncharacters", () => {
    for (const text of ["\ud800", "a\udfff", "\ufffe", "\u{10ffff}", "\ufdef"]) {
      expect(isInteroperableText(text), JSON.stringify(text)).to.equal(false);
    }
    for (const text of ["", "é", "\u{1f600}", "\ufffd", "\u{10fffd}"]) {
      expect(isInteroperableText(text), text).to.equal(true);
    }
  });
});
