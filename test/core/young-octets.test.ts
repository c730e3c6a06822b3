// What is read from sockets is let go of early, and not by collecting everything.
import { expect } from "chai";
import { constants, PerformanceObserver, type PerformanceEntry } from "node:perf_hooks";
import { octetsCame } from "../../core/young-octets.js";
import { until } from "../support/until.js";

const MIB = 1024 ** 2;

interface Collection extends PerformanceEntry {
  readonly detail?: { readonly kind?: number; readonly flags?: number };
}

describe("core/young-octets", () => {
  const asked: (number | undefined)[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries() as Collection[]) {
      if (detail?.flags === constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) asked.push(detail.kind);
    }
  });

  before(() => {
    observer.observe({ entryTypes: ["gc"] });
  });
  after(() => {
    observer.disconnect();
  });

  it("has what is young looked through each time that 32 MiB have come, and not before", async () => {
    // What other tests have read counts no more.
    octetsCame(32 * MIB);
    await until("a collection", () => asked.splice(0).length === 1);
    for (let n = 0; n < 31; n++) octetsCame(MIB);
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked).to.deep.equal([]);
    for (let n = 0; n < 33; n++) octetsCame(MIB);
    await until("two collections", () => asked.length === 2);
    // One of them may have ended a whole collection that was under way for another reason.
    expect(asked).to.include(constants.NODE_PERFORMANCE_GC_MINOR);
  });
});
