// A file that is written some moments after its content has changed, so that a burst of changes is one write.
import { writeFileDurably } from "./durable-file.js";
import type { Log } from "./log.js";

/** How a file is written. */
export interface LateFileOptions {
  readonly path: string;
  /** How long after the first change, in milliseconds. */
  readonly delayMs: number;
  /** What lies in it, for the log: "the catalogue". */
  readonly what: string;
  readonly log: Log;
}

/** The file of one process; nobody else writes it. Its owner closes it. */
export class LateFile {
  #next: (() => string | Uint8Array) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(private readonly options: LateFileOptions) {}

  /**
   * Replaces the content soon. A failure is logged; the next change tries again.
   *
   * @param content asked when it is written
   */
  write(content: () => string | Uint8Array): void {
    this.#next = content;
    this.#timer ??= setTimeout(() => this.#flush(), this.options.delayMs).unref();
  }

  /** Writes what is not in the file yet. */
  async close(): Promise<void> {
    this.#flush();
    await this.#writing;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(async () => {
      const content = this.#next;
      this.#next = undefined;
      if (content === undefined) return;
      const { path, what, log } = this.options;
      try {
        await writeFileDurably(path, content());
      } catch (error) {
        log.warn({ err: error, file: path }, `${what} is not stored`);
      }
    });
  }
}
