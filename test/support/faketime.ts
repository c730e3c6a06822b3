// Moving the clock of real processes while they run, with libfaketime. Durations of a process go on as they were.
import { existsSync, readdirSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

const LIBRARY = "faketime/libfaketime.so.1";
const FOLDERS = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];

const below = (folder: string): string[] => {
  if (!existsSync(folder)) return [];
  const folders = readdirSync(folder, { withFileTypes: true }).filter((each) => each.isDirectory());
  return [folder, ...folders.map(({ name }) => join(folder, name))];
};

/** Where libfaketime is: Debian has it below a folder of the machine's architecture. Undefined when it is nowhere. */
export const faketimeLibrary = (): string | undefined =>
  FOLDERS.flatMap(below)
    .map((folder) => join(folder, LIBRARY))
    .find((path) => existsSync(path));

/** Says how to have the tests run that need it. */
export const NO_FAKETIME = "libfaketime.so.1 is not here: install the Debian package faketime";

/** The clock of all processes that were started with its `env`. */
export class FakedClock {
  #moved = 0;

  private constructor(
    private readonly file: string,
    private readonly library: string,
  ) {}

  /** @param file where the processes read how far their clock has moved */
  static async create(file: string, library: string): Promise<FakedClock> {
    const clock = new FakedClock(file, library);
    await clock.advance(0);
    return clock;
  }

  /** What a process is started with. */
  get env(): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: this.library,
      FAKETIME_TIMESTAMP_FILE: this.file,
      FAKETIME_NO_CACHE: "1",
      // One for each of the two names that versions of the library know it by.
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** The processes' time, in milliseconds since 1970. */
  now(): number {
    return Date.now() + this.#moved * 1000;
  }

  /** Moves the clock on, of all processes at once. */
  async advance(seconds: number): Promise<void> {
    this.#moved += seconds;
    // Never half written, since the processes read it at every look at their clock.
    const next = `${this.file}.next`;
    await writeFile(next, `+${String(this.#moved)}\n`);
    await rename(next, this.file);
  }
}
