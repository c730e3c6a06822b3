// Checks contracts/fields.ts: every way to read a member, and what each refuses.
import { expect } from "chai";
import { FieldError, Fields, SECONDS_MAX } from "../../contracts/fields.js";
import { parseJson } from "../../contracts/json.js";

const fields = (text: string, path = "a"): Fields => new Fields(parseJson(Buffer.from(text)), path);

type Read = (from: Fields) => unknown;

const REFUSALS: readonly (readonly [what: string, text: string, read: Read, message: string])[] = [
  [
    "a text that is absent",
    "{}",
    (f) => f.text("b", { max: 5 }),
    "a.b is absent, it must be a text",
  ],
  ["a text that is null", '{"b":null}', (f) => f.text("b", { max: 5 }), "a.b is null"],
  ["a text too short", '{"b":""}', (f) => f.text("b", { max: 5 }), "a.b has 0 characters"],
  ["a text too long", '{"b":"abcdef"}', (f) => f.text("b", { max: 5 }), "allowed are 1 to 5"],
  ["a text that is inherited", "{}", (f) => f.text("toString", { max: 5 }), "a.toString is absent"],
  [
    "a text that does not parse",
    '{"b":"x\\u202ey"}',
    (f) => f.parsed("b", { max: 5, parse: () => undefined, what: "a name" }),
    'a.b is "x\ufffdy", it must be a name',
  ],
  ["a word that is none of them", '{"b":"C"}', (f) => f.word("b", ["A", "B"]), "it must be A or B"],
  ["a word in another case", '{"b":"a"}', (f) => f.word("b", ["A"]), 'a.b is "a"'],
  ["seconds as a text", '{"b":"1"}', (f) => f.seconds("b"), "a.b is of type string"],
  ["seconds below 0", '{"b":-1}', (f) => f.seconds("b"), "a.b is -1"],
  ["parts of a second", '{"b":0.5}', (f) => f.seconds("b"), "a.b is 0.5"],
  ["seconds of null", '{"b":null}', (f) => f.seconds("b"), "a.b is null"],
  ["seconds beyond dates", '{"b":9007199254740991}', (f) => f.seconds("b"), "the year 9999"],
  ["a list that is an object", '{"b":{}}', (f) => f.list("b"), "a.b is of type object"],
  ["an object that is a list", '{"b":[]}', (f) => f.object("b"), "a.b is an array"],
  ["fields of a number", '{"b":1}', (f) => f.fields("b"), "a.b is of type number"],
];

describe("the fields of an object", () => {
  for (const [what, text, read, message] of REFUSALS) {
    it(`refuse ${what}`, () => {
      expect(() => read(fields(text))).to.throw(FieldError, message);
    });
  }

  it("refuse what is no object", () => {
    for (const text of ["null", "[]", "1", '"a"', "true"]) {
      expect(() => fields(text, "")).to.throw(FieldError, "the whole ");
    }
    expect(() => new Fields(undefined, "a")).to.throw(FieldError, "a is absent");
  });

  it("refuse at their end what was not read, and say what is known", () => {
    const some = fields('{"b":1,"c":2,"__proto__":3}');
    some.any("b");
    some.any("d");
    expect(() => some.end()).to.throw(
      FieldError,
      'a has the member "c", which is unknown; known are b, d',
    );
    some.any("c");
    expect(() => some.end()).to.throw(FieldError, '"__proto__"');
    some.any("__proto__");
    some.end();
  });

  it("give what they hold", () => {
    const some = fields('{"t":"abc","s":253402300799,"l":[1],"o":{"x":null},"w":"B"}', "");
    expect(some.text("t", { min: 3, max: 3 })).to.equal("abc");
    expect(some.parsed("t", { max: 3, parse: (text) => text.length, what: "a text" })).to.equal(3);
    expect(some.seconds("s")).to.equal(SECONDS_MAX);
    expect(new Date(SECONDS_MAX * 1000).toISOString()).to.equal("9999-12-31T23:59:59.000Z");
    expect(some.list("l")).to.deep.equal([1]);
    expect(some.fields("o").pathOf("x")).to.equal("o.x");
    expect(some.fields("o").any("x")).to.equal(null);
    expect(some.word("w", ["A", "B"])).to.equal("B");
    expect([some.has("t"), some.has("toString")]).to.deep.equal([true, false]);
    expect(some.names()).to.deep.equal(["t", "s", "l", "o", "w"]);
    some.object("o");
    some.end();
  });
});
