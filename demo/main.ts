// `npm run demo`: a whole group with fictional organisations on one machine, told step by step. It ends
// every process it started and removes its folder, however it ends.
import "../cli/node-version.js";
import { Command, InvalidArgumentError } from "commander";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { action, CommandError, reportsAsWeDo } from "../cli/command.js";
import { describeExit, ProcessError, Processes } from "./processes.js";
import { reopen } from "./reopen.js";
import { JsonScreen, TextScreen, type Screen } from "./screen.js";
import type { Scene } from "./step.js";
import { tellStory } from "./story.js";
import { tour } from "./tour.js";

const EXAMPLES = `
Examples:
  See how an exchange works, then try it yourself until Ctrl-C
    $ npm run demo
  Check that everything works on this machine, as a script does
    $ npm run demo -- --once --json
  Choose the ports, and keep the keys, certificates and logs to look at them
    $ npm run demo -- --inway-port 8443 --outway-port 8080 --keep
`;

/** How long after the first a second signal means impatience. */
const IMPATIENT_MS = 1_000;

interface Options {
  readonly once?: boolean;
  readonly json?: boolean;
  readonly keep?: boolean;
  readonly inwayPort?: number;
  readonly outwayPort?: number;
}

const parsePort = (text: string): number => {
  const port = /^[1-9][0-9]{0,4}$/.test(text) ? Number(text) : NaN;
  if (!(port <= 65535)) throw new InvalidArgumentError("Allowed is a port from 1 to 65535.");
  return port;
};

/**
 * Resolves at the first SIGINT, SIGTERM or SIGHUP. At a later one the processes are killed instead of
 * stopped; but one at the same moment is the same Ctrl-C, which npm passes on to a child that got it too.
 */
const interruption = (processes: Processes): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    let askedAt: number | undefined;
    const ask = (signal: NodeJS.Signals): void => {
      askedAt ??= performance.now();
      if (performance.now() - askedAt > IMPATIENT_MS) processes.killAll();
      resolve(signal);
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, ask);
  });

/** Rejects with what ends the demo before its time. */
const abandonment = (processes: Processes, interrupted: Promise<NodeJS.Signals>): Promise<never> =>
  Promise.race([
    interrupted.then((signal) => {
      throw new CommandError(`the demo was ended by ${signal} before its story was told`);
    }),
    processes.accident.then(async (running) => {
      const exit = describeExit(await running.exited);
      throw new ProcessError(running, `ended unexpectedly, with ${exit}`);
    }),
  ]);

const play = async (
  options: Options,
  scene: Scene,
  screen: Screen,
  interrupted: Promise<NodeJS.Signals>,
): Promise<void> => {
  const begun = performance.now();
  const wanted = { inway: options.inwayPort, outway: options.outwayPort };
  const told = await tellStory(screen, scene, wanted);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  screen.say(["", `Every step came out as it should, in ${seconds} s.`]);
  if (options.once === true) return;
  screen.say(tour(scene, await Promise.race([reopen(scene, told), scene.abandoned])));
  // From here on a signal is the good end.
  await Promise.race([interrupted, scene.abandoned]);
};

const run = async (options: Options): Promise<void> => {
  // A reader that went away, as `head` does, must not keep anything from being ended and removed.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  const processes = new Processes();
  const interrupted = interruption(processes);
  const abandoned = abandonment(processes, interrupted);
  abandoned.catch(() => undefined);
  const screen = options.json === true ? new JsonScreen() : new TextScreen();
  const waiting = (what: string): void => screen.waiting(what);
  const folder = await realpath(await mkdtemp(join(tmpdir(), "schakel-demo-")));
  try {
    await play(options, { folder, processes, waiting, abandoned }, screen, interrupted);
  } finally {
    waiting("everything stops");
    await processes.stopAll();
    if (options.keep !== true) await rm(folder, { recursive: true, force: true });
    const left = options.keep === true ? `${folder} is kept` : "its folder is removed";
    screen.say(["", `The demo has ended: no process is left, and ${left}.`]);
  }
};

await reportsAsWeDo(new Command("npm run demo --"))
  .description(
    "Runs a whole group with fictional organisations on this machine and tells, step by step, how one asks another something.",
  )
  .helpOption("-h, --help", "show help")
  .option("--once", "tell the story and end; exit code 0 only if each step came out as it should")
  .option("--json", "one JSON object a step on standard output: step, ok, detail")
  .option("--inway-port <port>", "where the inway listens (default: a free port)", parsePort)
  .option("--outway-port <port>", "where the outway listens (default: a free port)", parsePort)
  .option("--keep", "keep the folder with keys, certificates and logs, and say where it is")
  .addHelpText("after", EXAMPLES)
  .allowExcessArguments(false)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .action(action(run))
  .parseAsync();
