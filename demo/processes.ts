// Starts processes of this project, reads what they print, and ends every one of them: when asked, when
// the starter fails, and when the starter is killed. The demo and the system tests stand on it. Only
// syntax that Node can strip stands here, so that Node runs it as a source too.
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { extname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** How many lines of a process are kept at most; the oldest go first. */
export const LINES_MAX = 20_000;
/** How long a process may take to stop before it is killed, in milliseconds. */
export const STOP_TIMEOUT_MS = 10_000;
/** How many lines an error shows of the process it is about. */
const LINES_SHOWN = 20;

// Beside this file, as it is: compiled in dist/, or a source that Node itself strips of its types.
const END_WITH_PARENT = new URL(`./end-with-parent${extname(import.meta.url)}`, import.meta.url);

/** One line that a process printed. */
export interface Line {
  /** Counts from 0 over both streams, in the order in which the lines were read. */
  readonly number: number;
  readonly stream: "stdout" | "stderr";
  readonly text: string;
  /** What the line says when it is a JSON object, as a log line is; otherwise empty. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** How a process ended: by itself with a code, or by a signal. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What a command that ran to its end left. */
export interface Outcome extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** What may differ from process to process. */
export interface StartOptions {
  /** Variables beside those of this process; of ours, all SCHAKEL_* are left out. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A process that ended, or kept silent, where it should not have. The message ends with its last lines. */
export class ProcessError extends Error {
  readonly running: Running;

  constructor(running: Running, problem: string) {
    super([`${running.name} ${problem}`, ...running.lastLines()].join("\n"));
    this.name = "ProcessError";
    this.running = running;
  }
}

/** "exit code 1" or "signal SIGKILL". */
export const describeExit = ({ code, signal }: Exit): string =>
  signal === null ? `exit code ${String(code)}` : `signal ${signal}`;

const fieldsOf = (text: string): Readonly<Record<string, unknown>> => {
  if (!text.startsWith("{")) return {};
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
};

/** A process that was started, until after its end. Made by `Processes.start` alone. */
export class Running {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the process has ended and all it printed was read. Never rejects. */
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Line[] = [];
  readonly #readers = new Set<(line: Line) => void>();
  #printed = 0;
  #ended = false;
  #asked = false;
  #stopping = false;

  constructor(name: string, pid: number, child: ChildProcessWithoutNullStreams) {
    this.name = name;
    this.pid = pid;
    this.#child = child;
    for (const stream of ["stdout", "stderr"] as const)
      createInterface({ input: child[stream] }).on("line", (text) => this.#read(stream, text));
    this.exited = new Promise((resolve) => {
      child.once("close", (code, signal) => {
        this.#ended = true;
        resolve({ code, signal });
      });
    });
  }

  /** The lines printed so far, oldest first; at most the last LINES_MAX. */
  get lines(): readonly Line[] {
    return this.#lines;
  }

  /** Whether the process has ended. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether somebody here told the process to end; an end without it is an accident. */
  get asked(): boolean {
    return this.#asked;
  }

  /** The text of the last lines, for an error message. */
  lastLines(count = LINES_SHOWN): string[] {
    return this.#lines.slice(-count).map((line) => line.text);
  }

  /**
   * Resolves with the first line, already printed or still to come, for which the predicate holds.
   * For a line after a certain moment, compare `line.number` with `lines.at(-1)?.number` of then.
   *
   * @throws ProcessError when the time is over or the process ended without such a line
   */
  async waitForLine(predicate: (line: Line) => boolean, timeoutMs: number): Promise<Line> {
    const printed = this.#lines.find(predicate);
    if (printed !== undefined) return printed;
    const { promise, resolve, reject } = Promise.withResolvers<Line>();
    const reader = (line: Line): void => {
      if (predicate(line)) resolve(line);
    };
    const timer = setTimeout(
      () => reject(new ProcessError(this, `did not get ready in ${String(timeoutMs)} ms`)),
      timeoutMs,
    );
    void this.exited.then((exit) =>
      reject(new ProcessError(this, `ended early, with ${describeExit(exit)}`)),
    );
    this.#readers.add(reader);
    try {
      return await promise;
    } finally {
      this.#readers.delete(reader);
      clearTimeout(timer);
    }
  }

  /** Sends a signal to this process alone; nothing happens when it has ended. */
  kill(signal: NodeJS.Signals): void {
    this.#asked = true;
    this.#stopping ||= signal === "SIGTERM" || signal === "SIGINT";
    this.#child.kill(signal);
  }

  /**
   * Asks the process to stop (SIGTERM) and kills it when it has not within the time. Resolves when it
   * has ended; may be called at any time and more than once.
   */
  async stop(timeoutMs = STOP_TIMEOUT_MS): Promise<Exit> {
    // A second signal would make it drop everything.
    if (!this.#stopping) this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), timeoutMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  #read(stream: Line["stream"], text: string): void {
    const line: Line = { number: this.#printed++, stream, text, fields: fieldsOf(text) };
    this.#lines.push(line);
    if (this.#lines.length > LINES_MAX) this.#lines.splice(0, LINES_MAX / 2);
    for (const reader of this.#readers) reader(line);
  }
}

const cleanEnvironment = (added: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("SCHAKEL_")),
  ),
  ...added,
});

/** A group of processes with one owner, who calls `stopAll` whatever happens. */
export class Processes {
  readonly #running: Running[] = [];
  readonly #accident = Promise.withResolvers<Running>();
  #stopping: Promise<void> | undefined;

  /** Resolves with the first process that ended without having been told to. Never rejects. */
  get accident(): Promise<Running> {
    return this.#accident.promise;
  }

  /**
   * Starts `node` with these arguments, the script first. The process has a session of its own, so
   * that Ctrl-C reaches this process alone, which then stops the others in order.
   *
   * @param name how errors call it
   * @throws Error when it cannot be started, or after `stopAll`
   */
  async start(name: string, args: readonly string[], options: StartOptions = {}): Promise<Running> {
    const running = await this.#spawn(name, args, options);
    void running.exited.then(() => {
      if (!running.asked) this.#accident.resolve(running);
    });
    return running;
  }

  /**
   * Runs `node` with these arguments to its end, whatever its exit code.
   *
   * @throws ProcessError when it takes longer than `timeoutMs`; it has ended then too
   */
  async run(
    name: string,
    args: readonly string[],
    options: StartOptions & { readonly timeoutMs?: number } = {},
  ): Promise<Outcome> {
    const { timeoutMs = 30_000, ...others } = options;
    const running = await this.#spawn(name, args, others);
    const timer = setTimeout(() => running.kill("SIGKILL"), timeoutMs);
    const exit = await running.exited;
    clearTimeout(timer);
    if (running.asked) throw new ProcessError(running, `took longer than ${String(timeoutMs)} ms`);
    const text = (stream: Line["stream"]): string =>
      running.lines
        .filter((line) => line.stream === stream)
        .map((line) => `${line.text}\n`)
        .join("");
    return { ...exit, stdout: text("stdout"), stderr: text("stderr") };
  }

  /** Stops every process, the last started first. Resolves when all have ended; always the same promise. */
  stopAll(): Promise<void> {
    this.#stopping ??= this.#stopInOrder();
    return this.#stopping;
  }

  /** Kills every process at once, for a user who does not want to wait. `stopAll` still has to be called. */
  killAll(): void {
    for (const running of this.#running) if (!running.ended) running.kill("SIGKILL");
  }

  async #stopInOrder(): Promise<void> {
    for (const running of this.#running.toReversed()) await running.stop();
  }

  async #spawn(name: string, args: readonly string[], options: StartOptions): Promise<Running> {
    if (this.#stopping !== undefined)
      throw new Error(`${name} is not started: all is being stopped`);
    const child = spawn(process.execPath, ["--import", fileURLToPath(END_WITH_PARENT), ...args], {
      cwd: options.cwd,
      env: cleanEnvironment(options.env ?? {}),
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
      windowsHide: true,
    });
    // A process that ended before it read its input leaves a broken pipe here, which is no news.
    child.stdin.on("error", () => undefined);
    if (child.pid === undefined) {
      const [cause] = (await once(child, "error")) as [Error];
      throw new Error(`${name} could not be started: ${cause.message}`, { cause });
    }
    const running = new Running(name, child.pid, child);
    this.#running.push(running);
    return running;
  }
}
