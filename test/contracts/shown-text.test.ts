// Checks contracts/shown-text.ts: other people's text in our messages.
import { expect } from "chai";
import fc from "fast-check";
import { quoted, shown, SHOWN_MAX } from "../../contracts/shown-text.js";

describe("somebody else's text", () => {
  for (const [what, text] of [
    ["a line break", "a\nb"],
    ["an escape of terminals", "a\u001bb"],
    ["a NUL", "a\0b"],
    ["a turn of the writing direction", "a\u202eb"],
    ["an isolate", "a\u2066b"],
    ["a zero-width space", "a\u200bb"],
    ["a line separator", "a\u2028b"],
    ["a lone surrogate", "a\ud800b"],
    ["a private character", "a\ue000b"],
    ["an unassigned character", "a\u{e0080}b"],
  ] as const) {
    it(`is shown without ${what}`, () => {
      expect(shown(text)).to.equal("a\ufffdb");
    });
  }

  it("is shown as it is when nothing is odd in it", () => {
    expect(shown("Gemeente 's-Gravenhage é \u{1f600}")).to.equal(
      "Gemeente 's-Gravenhage é \u{1f600}",
    );
    expect(quoted("a")).to.equal('"a"');
  });

  it("is cut by characters, never within one", () => {
    const faces = "\u{1f600}".repeat(SHOWN_MAX + 1);
    expect(shown(faces)).to.equal(`${"\u{1f600}".repeat(SHOWN_MAX)}…`);
    expect(shown("\u{1f600}".repeat(SHOWN_MAX))).to.equal("\u{1f600}".repeat(SHOWN_MAX));
    expect(shown("abc", 2)).to.equal("ab…");
  });

  it("is never longer than allowed, nor has anything unfit in it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        const fit = shown(text, 50);
        expect(Array.from(fit).length).to.be.at.most(51);
        expect(/[\p{C}\p{Zl}\p{Zp}]/u.test(fit)).to.equal(false);
      }),
    );
  });
});
