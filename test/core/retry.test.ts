// Trying again: how long is waited, and that an abort ends it.
import { expect } from "chai";
import { pause, repeat, type Backoff } from "../../core/retry.js";

const QUICK: Backoff = { firstMs: 2, maxMs: 8 };

/** Runs turns that fail as often as said, then aborts; answers the waits that were announced. */
const waitsOf = async (failures: number, backoff: Backoff): Promise<number[]> => {
  const aborter = new AbortController();
  const waits: number[] = [];
  await repeat(aborter.signal, {
    turn: () => Promise.reject(new Error("down")),
    failed: (_error, count, waitMs) => {
      waits.push(waitMs);
      if (count === failures) aborter.abort();
    },
    backoff,
  });
  return waits;
};

describe("core/retry", () => {
  it("doubles the wait after each failure, half of it random, up to the bound", async () => {
    const waits = await waitsOf(6, QUICK);
    for (const [at, ceiling] of [2, 4, 8, 8, 8, 8].entries())
      expect(waits[at]).to.be.within(ceiling / 2, ceiling);
  });

  it("does not overflow after many failures", async () => {
    const waits = await waitsOf(1_100, { firstMs: 0.001, maxMs: 0.002 });
    expect(waits.every((wait) => wait > 0 && wait <= 0.002)).to.equal(true);
  });

  it("spreads the waits of those that failed together", async () => {
    const waits = await Promise.all(Array.from({ length: 20 }, () => waitsOf(1, QUICK)));
    expect(new Set(waits.flat()).size).to.be.greaterThan(10);
  });

  it("counts failures in a row anew after a success", async () => {
    const aborter = new AbortController();
    const outcomes = ["fail", "fail", "ok", "fail"];
    const counts: number[] = [];
    await repeat(aborter.signal, {
      turn: () => {
        const outcome = outcomes.shift();
        if (outcome === undefined) aborter.abort();
        return outcome === "fail" ? Promise.reject(new Error("down")) : Promise.resolve(0);
      },
      failed: (_error, count) => counts.push(count),
      backoff: QUICK,
    });
    expect(counts).to.deep.equal([1, 2, 1]);
  });

  it("hands the error on and takes no turn after the abort", async () => {
    const aborter = new AbortController();
    const down = new Error("down");
    const seen: unknown[] = [];
    let turns = 0;
    await repeat(aborter.signal, {
      turn: () => {
        turns += 1;
        return Promise.reject(down);
      },
      failed: (error) => {
        seen.push(error);
        aborter.abort();
      },
      backoff: { firstMs: 60_000, maxMs: 60_000 },
    });
    expect({ turns, seen }).to.deep.equal({ turns: 1, seen: [down] });
  });

  it("takes no turn when the signal has aborted before", async () => {
    let turns = 0;
    await repeat(AbortSignal.abort(), {
      turn: () => Promise.resolve((turns += 1)),
      failed: () => undefined,
      backoff: QUICK,
    });
    expect(turns).to.equal(0);
  });

  it("does not report a turn that failed because of the abort", async () => {
    const aborter = new AbortController();
    let reported = 0;
    await repeat(aborter.signal, {
      turn: (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(new Error("aborted")));
          setImmediate(() => aborter.abort());
        }),
      failed: () => (reported += 1),
      backoff: QUICK,
    });
    expect(reported).to.equal(0);
  });

  it("ends a pause at the abort, and leaves no listener", async () => {
    const aborter = new AbortController();
    const begun = performance.now();
    const paused = pause(60_000, aborter.signal);
    aborter.abort();
    await paused;
    await pause(60_000, aborter.signal);
    expect(performance.now() - begun).to.be.lessThan(1_000);
  });
});
