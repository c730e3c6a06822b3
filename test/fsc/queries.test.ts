// Checks fsc/queries.ts where the endpoints do not: what a query costs.
import { expect } from "chai";
import { Parameters } from "../../fsc/queries.js";

describe("fsc/queries", () => {
  it("reads a parameter that comes thousands of times in a time that grows with the query alone", () => {
    const query = "a=1&".repeat(40_000);
    const costs = [1, 2].map(() => {
      const before = process.cpuUsage();
      const parameters = new Parameters(query);
      const { user, system } = process.cpuUsage(before);
      expect(() => parameters.one("a", 10)).to.throw(/a comes more than once/);
      return (user + system) / 1000;
    });
    expect(Math.min(...costs)).to.be.lessThan(400);
  });
});
