// What a step of the story is, and how it fails.
import { CommandError } from "../cli/command.js";
import type { Processes, Running } from "./processes.js";
import type { Heading, Screen, Told } from "./screen.js";

/** What every step may use. */
export interface Scene {
  /** The demo's folder: keys, certificates, and the state of every process. */
  readonly folder: string;
  readonly processes: Processes;
  /** Says what is being waited for. */
  readonly waiting: (what: string) => void;
  /** Rejects when the story has to end before its time: a process died, or the user has had enough. */
  readonly abandoned: Promise<never>;
}

/** A step: it works on what earlier steps made, and checks all that it tells. */
export interface Step<In, Out> extends Heading {
  /** @throws StepError when something did not come out as it should */
  readonly run: (scene: Scene, given: In) => Promise<{ readonly told: Told; readonly made: Out }>;
}

/** A step that did not come out as it should. The message ends with what the processes concerned said last. */
export class StepError extends CommandError {
  constructor(problem: string, ...concerned: readonly Running[]) {
    const said = concerned.flatMap((running) => [
      `what ${running.name} said last:`,
      ...running.lastLines().map((line) => `  ${line}`),
    ]);
    super([problem, ...said].join("\n"));
    this.name = "StepError";
  }
}

/**
 * Checks something that a step tells.
 *
 * @param problem what was found instead
 * @throws StepError when it does not hold
 */
export const check: (
  holds: boolean,
  problem: string,
  ...concerned: readonly Running[]
) => asserts holds = (holds, problem, ...concerned) => {
  if (!holds) throw new StepError(problem, ...concerned);
};

/** Tells one step and returns what it made. A failure is shown and thrown on. */
export const tell = async <In, Out>(
  screen: Screen,
  scene: Scene,
  step: Step<In, Out>,
  given: In,
): Promise<Out> => {
  screen.begin(step);
  try {
    const { told, made } = await Promise.race([step.run(scene, given), scene.abandoned]);
    screen.end(told);
    return made;
  } catch (error) {
    screen.failed(error instanceof Error ? error.message : String(error));
    throw error;
  }
};
