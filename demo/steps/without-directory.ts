// Step 10: the directory goes away, the outway is restarted, and the call still answers.
import { call } from "../call.js";
import { startDirectory, startOutway, type Network } from "../services.js";
import { check, type Step } from "../step.js";
import { targetOf } from "./exchange.js";

/** Returns the network with its new outway and a directory that runs again. */
export const withoutDirectory: Step<Network, Network> = {
  name: "without-directory",
  title: "Without the directory",
  why:
    "The directory is for finding each other, not for calling. What an outway has learnt it keeps " +
    "on its own disk, so an outage of the directory stops nobody.",
  run: async (scene, network) => {
    scene.waiting("the directory stops and the outway starts again");
    await network.directory.running.stop();
    await network.outway.running.stop();
    const outway = await startOutway(scene, network.outway.port);
    scene.waiting("the answer");
    const { status, text } = await call(outway.port, targetOf("/provinces"));
    check(
      status === 200,
      `without a directory the call answered ${String(status)} instead of 200: ${text}`,
      outway.running,
    );
    scene.waiting("the directory starts again");
    const directory = await startDirectory(scene, network.directory.port);
    return {
      told: {
        lines: [
          "directory     stopped",
          "outway        stopped, and started again from what it has on disk",
          `the call      HTTP ${String(status)}`,
          "directory     started again",
        ],
        result: "the call answered 200 with the directory away",
        detail: { status },
      },
      made: { ...network, outway, directory },
    };
  },
};
