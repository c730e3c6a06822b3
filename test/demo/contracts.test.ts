// Commands as the demo shows them: what can be copied from the screen is what was run.
import { expect } from "chai";
import { execFileSync } from "node:child_process";
import { shortHash, typed } from "../../demo/contracts.js";

const HASH = `$1$1$${"aB-_".repeat(22)}`;

describe("demo/contracts", () => {
  const commands = [
    ["service", "publish", "municipalities", "--wait"],
    ["access", "approve", shortHash({ hash: HASH })],
    ["access", "approve", HASH],
    ["access", "request", "1".repeat(20), "municipalities", "--let", "2".repeat(20), "--wait"],
  ];
  for (const args of commands) {
    it(`shows ${args.slice(0, 2).join(" ")} ${args[2]!.slice(0, 14)} so that a shell reads it as it is`, () => {
      const lines = typed(args);
      const script = lines.join("\n").replace("$ schakel", "printf '%s\\n'");
      const read = execFileSync("sh", ["-c", script], { encoding: "utf8" });
      expect(read.trimEnd().split("\n")).to.deep.equal(args);
    });
  }

  it("breaks a command that is too long for the screen", () => {
    const lines = typed(commands[3]!);
    expect(lines).to.have.length(2);
    for (const line of lines) expect(line.length).to.be.at.most(75);
  });
});
