// When the writer writes: at once, or a moment later when others will come.
import { expect } from "chai";
import { Wakes } from "../../txlog/wakes.js";
import { until } from "../support/until.js";

const GATHER_MS = 20;
const BUSY = 4;

describe("txlog/wakes", () => {
  let flushes = 0;
  let wakes: Wakes;
  beforeEach(() => {
    flushes = 0;
    wakes = new Wakes(
      { gatherMs: GATHER_MS },
      { flush: () => (flushes += 1), sum: () => undefined },
    );
  });
  afterEach(() => wakes.stop());

  /** Whether it flushes in the turn of the event loop after this one. */
  const flushesAtOnce = async (): Promise<boolean> => {
    await new Promise((resolve) => setImmediate(resolve));
    return flushes === 1;
  };

  const cases = [
    ["at once while it is at rest, whatever is under way", 0, 1, 10, true],
    ["at once after a batch with few intents", BUSY - 1, 1, 10, true],
    ["at once while it is busy, when all that are under way wait", BUSY, 10, 10, true],
    ["later while it is busy and others are under way", BUSY, 9, 10, false],
  ] as const;
  for (const [what, before, waiting, underWay, atOnce] of cases) {
    it(`flushes ${what}`, async () => {
      wakes.flushed(before);
      wakes.gathered(waiting, underWay);
      expect(await flushesAtOnce()).to.equal(atOnce);
      await until("the flush", () => flushes === 1);
    });
  }

  it("does not wait any more when the last that are under way have come", async () => {
    wakes.flushed(BUSY);
    wakes.gathered(1, 2);
    wakes.gathered(2, 2);
    expect(await flushesAtOnce()).to.equal(true);
  });

  it("waits again after a flush that found the log broken", async () => {
    wakes.flushed(BUSY);
    wakes.gathered(1, 10);
    await until("the first flush", () => flushes === 1);
    wakes.gathered(1, 10);
    await until("the second flush", () => flushes === 2);
  });

  it("flushes nothing once it is stopped", async () => {
    wakes.flushed(BUSY);
    wakes.gathered(1, 10);
    wakes.stop();
    wakes.gathered(1, 10);
    wakes.later(0);
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS * 2));
    expect(flushes).to.equal(0);
  });
});
