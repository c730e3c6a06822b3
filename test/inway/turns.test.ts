// Only so much work at once, in order, also when some of it fails.
import { expect } from "chai";
import { Turns } from "../../inway/turns.js";

describe("inway/turns", () => {
  it("does no more at once than it may, in order, and goes on after a failure", async () => {
    const turns = new Turns(2);
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    let running = 0;
    let most = 0;
    const all = [0, 1, 2, 3, 4].map((index) =>
      turns.take(async () => {
        begun.push(index);
        running += 1;
        most = Math.max(most, running);
        await new Promise<void>((resolve) => ends.push(resolve));
        running -= 1;
        if (index === 1) throw new Error("one that fails");
        return index;
      }),
    );
    const results = Promise.allSettled(all);
    expect(begun).to.deep.equal([0, 1]);
    for (let index = 0; index < 5; index++) {
      ends[index]?.();
      await all[index]?.catch(() => undefined);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const settled = (await results).map((one) =>
      one.status === "fulfilled" ? one.value : "failed",
    );
    expect(settled).to.deep.equal([0, "failed", 2, 3, 4]);
    expect(begun).to.deep.equal([0, 1, 2, 3, 4]);
    expect(most).to.equal(2);
    expect(await turns.take(() => Promise.resolve("free again"))).to.equal("free again");
  });
});
