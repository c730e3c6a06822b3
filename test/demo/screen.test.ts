// The text of the story stays within its columns.
import { expect } from "chai";
import { wrap } from "../../demo/screen.js";

describe("demo/screen", () => {
  const cases = [
    { text: "one two three", columns: 80, lines: ["one two three"] },
    { text: "one two three", columns: 7, lines: ["one two", "three"] },
    { text: "one two three", columns: 6, lines: ["one", "two", "three"] },
    {
      text: "averylongword is kept whole",
      columns: 8,
      lines: ["averylongword", "is kept", "whole"],
    },
    { text: "", columns: 8, lines: [""] },
  ];
  for (const { text, columns, lines } of cases) {
    it(`breaks ${JSON.stringify(text)} at ${String(columns)} columns`, () => {
      expect(wrap(text, columns)).to.deep.equal(lines);
    });
  }
});
