// How the end of an exchange becomes an outcome: where its time went.
import { expect } from "chai";
import {
  abandoned,
  answeredWith,
  farTimeOf,
  forwarded,
  type Ended,
} from "../../txlog/from-exchange.js";

const ended = (total: number, target: number): Ended => ({
  ...{ result: "complete", status: 200, requestBytes: 1, responseBytes: 2, link: "http1" },
  durationUs: { total, target },
});

describe("txlog/from-exchange", () => {
  const SPLIT = {
    "an outway's exchange": [
      forwarded(ended(10, 7), "other").durationUs,
      { total: 10, own: 3, other: 7 },
    ],
    "an inway's exchange": [
      forwarded(ended(10, 7), "source").durationUs,
      { total: 10, own: 3, source: 7 },
    ],
    "an exchange whose parts were rounded": [
      forwarded(ended(10, 11), "source").durationUs,
      { total: 10, own: 0, source: 11 },
    ],
    "an exchange that was answered for want of an answer": [
      answeredWith("ERROR_CODE_SERVICE_TIMEOUT", ended(10, 0), { side: "source", us: 8 })
        .durationUs,
      { total: 10, own: 2, source: 8 },
    ],
    "an exchange that reached nobody": [
      answeredWith("ERROR_CODE_SERVICE_UNREACHABLE", ended(10, 0), { side: "other", us: undefined })
        .durationUs,
      { total: 10, own: 10 },
    ],
    "an exchange of which nothing else is known": [
      answeredWith("ERROR_CODE_ACCESS_DENIED", ended(10, 0)).durationUs,
      { total: 10 },
    ],
    "an exchange whose client went": [
      abandoned(10, 0, { side: "other", us: 4 }).durationUs,
      { total: 10, own: 6, other: 4 },
    ],
    "an exchange whose client went before anything": [abandoned(10, 0).durationUs, { total: 10 }],
  };
  for (const [what, [durations, expected]] of Object.entries(SPLIT)) {
    it(`splits the time of ${what}`, () => {
      expect(durations).to.deep.equal(expected);
    });
  }

  it("claims nothing of a forwarding that may have reached somebody at an unknown time", () => {
    expect(farTimeOf("other", { targetUs: undefined, nothingSent: false })).to.equal(undefined);
    const nobody = farTimeOf("other", { targetUs: undefined, nothingSent: true });
    expect(nobody).to.deep.equal({ side: "other", us: undefined });
    const somebody = farTimeOf("source", { targetUs: 3, nothingSent: false });
    expect(somebody).to.deep.equal({ side: "source", us: 3 });
  });
});
