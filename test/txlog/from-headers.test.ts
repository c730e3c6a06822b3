// What a record takes from the headers of a request.
import { expect } from "chai";
import { mayBeTrailer } from "../../core/exchange-headers.js";
import { personalOf } from "../../txlog/from-headers.js";

describe("txlog/from-headers", () => {
  for (const name of ["X-NLX-Request-Data-Subject", "X_NLX_Request_Data_Subject"]) {
    it(`records ${name}, which a source may read`, () => {
      expect(personalOf("/", [[name, "bsn=1"]]).dataSubjects).to.deep.equal([
        { key: "bsn", value: "1" },
      ]);
    });

    it(`takes ${name} in no trailer, which comes too late for a record`, () => {
      expect(mayBeTrailer(name.toLowerCase())).to.equal(false);
    });
  }

  it("records both spellings of a header when both are there", () => {
    const lines = [
      ["X-NLX-Request-Process-Id", "a"],
      ["x_nlx_request_process_id", "b"],
    ] as const;
    expect(personalOf("/", lines)).to.include({ processId: "a, b" });
  });
});
