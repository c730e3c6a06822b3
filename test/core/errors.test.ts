// The table of errors and the class that carries its codes.
import { expect } from "chai";
import {
  ERRORS,
  errorRow,
  SchakelError,
  systemCode,
  toSchakelError,
  type ErrorCode,
} from "../../core/errors.js";

const withCode = (code: unknown, cause?: unknown): Error =>
  Object.assign(new Error("failed", { cause }), { code });

const looped = (): Error => {
  const error = new Error("loop");
  error.cause = error;
  return error;
};

describe("core/errors", () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    it(`has a whole row for ${code}`, () => {
      const { status, at, text, hint } = errorRow(code);
      expect(status).to.be.within(400, 599);
      expect(Object.keys(at)).to.not.deep.equal([]);
      expect(Object.values(at).every((location) => /^(C1|O1|A1|M1|D1)$/.test(location))).to.equal(
        true,
      );
      // A message is the sentence, or the sentence with a detail after a colon.
      expect(text).to.match(/^[a-z].*[^.:]$/);
      expect(hint).to.match(/^[A-Z].*[.?]$/);
    });
  }

  const wrong = [
    { name: "an error", thrown: new TypeError("x") },
    { name: "a text", thrown: "x" },
    { name: "nothing", thrown: undefined },
    { name: "null", thrown: null },
    { name: "an object that only looks like ours", thrown: { code: "ERROR_CODE_ACCESS_DENIED" } },
    { name: "an error with one of our codes", thrown: withCode("ERROR_CODE_ACCESS_DENIED") },
  ];
  for (const { name, thrown } of wrong) {
    it(`makes an internal error of ${name}, and tells nothing of it`, () => {
      const error = toSchakelError(thrown);
      expect(error.code).to.equal("ERROR_CODE_INTERNAL");
      expect(error.message).to.equal(ERRORS.ERROR_CODE_INTERNAL.text);
      expect(error.cause).to.equal(thrown);
    });
  }

  it("leaves an error of ours as it is", () => {
    const error = new SchakelError("ERROR_CODE_ACCESS_DENIED", {
      detail: "peer 1",
      choices: ["a"],
    });
    expect(toSchakelError(error)).to.equal(error);
    expect(error.message).to.equal(`${ERRORS.ERROR_CODE_ACCESS_DENIED.text}: peer 1`);
    expect(error.choices).to.deep.equal(["a"]);
  });

  const codes = [
    { name: "an error without a code", thrown: new Error("x"), code: undefined },
    { name: "a code that is a number", thrown: withCode(13), code: undefined },
    { name: "something that is no error", thrown: { code: "ECONNRESET" }, code: undefined },
    { name: "a cause that is its own cause", thrown: looped(), code: undefined },
    { name: "the error itself", thrown: withCode("ECONNRESET"), code: "ECONNRESET" },
    { name: "its cause", thrown: new Error("x", { cause: withCode("ENOENT") }), code: "ENOENT" },
    { name: "the nearest of two", thrown: withCode("EPIPE", withCode("ENOENT")), code: "EPIPE" },
    { name: "a cause behind a number", thrown: withCode(14, withCode("ENOENT")), code: "ENOENT" },
  ];
  for (const { name, thrown, code } of codes) {
    it(`finds ${String(code)} as the system's code in ${name}`, () => {
      expect(systemCode(thrown)).to.equal(code);
    });
  }
});
