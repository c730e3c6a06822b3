// The header X-NLX-Request-Data-Subject.
import { expect } from "chai";
import { SchakelError } from "../../core/errors.js";
import {
  DATA_SUBJECT_BYTES_MAX,
  DATA_SUBJECTS_MAX,
  parseDataSubjects,
} from "../../txlog/data-subjects.js";

const pairs = (count: number): string =>
  Array.from({ length: count }, (_, i) => `bsn=${String(i)}`).join(",");

const ALLOWED: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  ["bsn=123456782", [["bsn", "123456782"]]],
  [
    "bsn=1,kenteken=AB-12-cd",
    [
      ["bsn", "1"],
      ["kenteken", "AB-12-cd"],
    ],
  ],
  [
    "bsn=1 ,\t kvk-nummer_2=a.b_c-d",
    [
      ["bsn", "1"],
      ["kvk-nummer_2", "a.b_c-d"],
    ],
  ],
  [
    "bsn=1,bsn=2",
    [
      ["bsn", "1"],
      ["bsn", "2"],
    ],
  ],
  [`${"k".repeat(100)}=${"v".repeat(100)}`, [["k".repeat(100), "v".repeat(100)]]],
];

const REFUSED: readonly (readonly [string, string])[] = [
  ["nothing", ""],
  ["a space", " "],
  ["no value", "bsn"],
  ["an empty value", "bsn="],
  ["an empty key", "=geheim"],
  ["an empty pair at the end", "bsn=1,"],
  ["an empty pair in the middle", "bsn=1,,kvk=2"],
  ["a semicolon", "bsn=1;kvk=2"],
  ["a key in upper case", "BSN=geheim"],
  ["a key with a dot", "b.sn=geheim"],
  ["a space around the equals sign", "bsn = geheim"],
  ["a second equals sign", "bsn=geheim=x"],
  ["a value with a space", "bsn=geheim geheim"],
  ["a quoted value", 'bsn="geheim"'],
  ["a percent-encoded value", "bsn=geheim%20"],
  ["a value beyond ASCII", "naam=geheimé"],
  ["a newline", "bsn=geheim\n"],
  ["a key of 101 characters", `${"k".repeat(101)}=geheim`],
  ["a value of 101 characters", `bsn=geheim${"v".repeat(95)}`],
  ["a pair that comes twice", "bsn=geheim,kvk=1, bsn=geheim"],
  ["too many pairs", pairs(DATA_SUBJECTS_MAX + 1)],
  ["too many bytes", `bsn=${"1".repeat(DATA_SUBJECT_BYTES_MAX)}`],
];

describe("txlog/data-subjects", () => {
  for (const [value, expected] of ALLOWED) {
    it(`takes ${value.slice(0, 40)}`, () => {
      const found = parseDataSubjects(value).map((pair) => [pair.key, pair.value]);
      expect(found).to.deep.equal(expected);
    });
  }

  it("takes as many pairs as are allowed", () => {
    expect(parseDataSubjects(pairs(DATA_SUBJECTS_MAX))).to.have.length(DATA_SUBJECTS_MAX);
  });

  for (const [what, value] of REFUSED) {
    it(`refuses ${what}, without repeating it`, () => {
      const parse = () => parseDataSubjects(value);
      expect(parse).to.throw(SchakelError).with.property("code", "ERROR_CODE_DATA_SUBJECT_INVALID");
      expect(parse).not.to.throw(/geheim/);
    });
  }
});
