// Ports that are taken before the process that will use them starts.
import { expect } from "chai";
import { CommandError } from "../../cli/command.js";
import { reservePort } from "../../demo/ports.js";

const refusal = async (work: Promise<unknown>): Promise<CommandError> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof CommandError) return error;
    throw error;
  }
  throw new Error("it was not refused");
};

describe("demo/ports", () => {
  it("refuses a port that somebody has, naming the flag and what to do", async () => {
    const { port, release } = await reservePort("--a");
    const error = await refusal(reservePort("--b", port));
    expect(error.message).to.equal(
      `--b ${String(port)}: cannot listen on 127.0.0.1:${String(port)}: the port is already taken by another process`,
    );
    expect(error.hint).to.include("leave --b out");
    await release();
  });

  it("gives the port free when released, as often as one likes", async () => {
    const first = await reservePort("--a");
    await Promise.all([first.release(), first.release()]);
    const again = await reservePort("--a", first.port);
    expect(again.port).to.equal(first.port);
    await again.release();
  });

  it("takes different ports for different uses", async () => {
    const all = await Promise.all([reservePort("--a"), reservePort("--b"), reservePort("--c")]);
    expect(new Set(all.map(({ port }) => port)).size).to.equal(3);
    await Promise.all(all.map(({ release }) => release()));
  });
});
