// Checks outway/pick.ts: what it refuses, then what it does.
import { expect } from "chai";
import { parseAddress } from "../../core/address.js";
import { InwayPicker, type Candidate } from "../../outway/pick.js";

const inway = (name: string, health: Candidate["health"] = "up"): Candidate => ({
  address: parseAddress(`${name}:8443`) ?? expect.fail(name),
  health,
});

describe("outway/pick", () => {
  let now = 0;
  const picker = (): InwayPicker => new InwayPicker({ now: () => now, monotonic: () => now });
  const order = (chosen: readonly Candidate[]): string[] =>
    chosen.map(({ address }) => address.host);
  beforeEach(() => {
    now = 1_000_000;
  });

  it("tries what the directory saw down last, also after one that failed, and leaves nothing out", () => {
    const chosen = picker();
    chosen.failed(inway("c").address);
    const candidates = [inway("a", "down"), inway("b", "unknown"), inway("c")];
    expect(order(chosen.rank(candidates))).to.deep.equal(["b", "c", "a"]);
    expect(order(chosen.rank([inway("a", "down")]))).to.deep.equal(["a"]);
  });

  it("tries those seen up before those not probed yet", () => {
    expect(order(picker().rank([inway("a", "unknown"), inway("b")]))).to.deep.equal(["b", "a"]);
  });

  it("tries the faster one first", () => {
    const chosen = picker();
    chosen.connected(inway("a").address, 40);
    chosen.connected(inway("b").address, 10);
    expect(order(chosen.rank([inway("a"), inway("b")]))).to.deep.equal(["b", "a"]);
  });

  it("tries one that failed after all others, for five seconds", () => {
    const chosen = picker();
    chosen.connected(inway("b").address, 40);
    chosen.failed(inway("a").address);
    expect(order(chosen.rank([inway("a"), inway("b", "unknown")]))).to.deep.equal(["b", "a"]);
    now += 5_001;
    expect(order(chosen.rank([inway("a"), inway("b", "unknown")]))).to.deep.equal(["a", "b"]);
  });

  it("forgets a failure when a connection succeeds", () => {
    const chosen = picker();
    chosen.failed(inway("a").address);
    chosen.connected(inway("a").address, 1);
    chosen.connected(inway("b").address, 2);
    expect(order(chosen.rank([inway("b"), inway("a")]))).to.deep.equal(["a", "b"]);
  });

  it("still tries the only one after it failed", () => {
    const chosen = picker();
    chosen.failed(inway("a").address);
    expect(order(chosen.rank([inway("a")]))).to.deep.equal(["a"]);
  });
});
