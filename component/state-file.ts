// The last state on disk, so that a component goes on when it starts and its manager is away. A line of JSON
// that says what follows, then the state as one message of the stream, which is verified again when it is read.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { writeFileDurably } from "../core/durable-file.js";
import { systemCode } from "../core/errors.js";
import type { Log } from "../core/log.js";
import { WatchStateResponse } from "../proto/gen/schakel/manager/v1/component.js";

const WRITE_DELAY_MS = 200;
const FORMAT = "schakel/component-state/v1";

const HEAD = z.strictObject({
  format: z.literal(FORMAT),
  /** Whose state it is: another group's, peer's or component's is never taken for ours. */
  groupId: z.string(),
  peerId: z.string(),
  role: z.string(),
  /** When the manager was last heard, milliseconds since 1970. */
  heardAt: z.int().min(0),
  sha256: z.string(),
});

/** Whose state lies in a file. */
export interface StateOwner {
  readonly groupId: string;
  readonly peerId: string;
  readonly role: string;
}

/** A state as it lies on disk, not verified. */
export interface StoredState extends StateOwner {
  /** When the manager was last heard, milliseconds since 1970. */
  readonly heardAt: number;
  readonly message: WatchStateResponse;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const encode = ({ message, ...owner }: StoredState): Buffer => {
  const body = WatchStateResponse.encode(message).finish();
  const head = JSON.stringify({ format: FORMAT, ...owner, sha256: sha256(body) });
  return Buffer.concat([Buffer.from(`${head}\n`), body]);
};

/** The file of one process. Nobody else writes it. */
export class StateFile {
  #next: (() => StoredState) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly path: string,
    private readonly log: Log,
  ) {}

  /**
   * What lies in the file; undefined when there is none.
   *
   * @throws Error when it cannot be read, is of another format, or is not what was written
   */
  async read(): Promise<StoredState | undefined> {
    let bytes: Buffer;
    try {
      bytes = await readFile(this.path);
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw error;
    }
    const end = bytes.indexOf("\n");
    const { groupId, peerId, role, heardAt, ...head } = HEAD.parse(
      JSON.parse(bytes.subarray(0, Math.max(0, end)).toString()),
    );
    const body = bytes.subarray(end + 1);
    if (sha256(body) !== head.sha256) throw new Error("the state on disk is damaged");
    return { groupId, peerId, role, heardAt, message: WatchStateResponse.decode(body) };
  }

  /**
   * Replaces the content some moments later, so that a burst of changes is one write. A failure is logged; the next
   * change tries again.
   *
   * @param state asked when it is written
   */
  write(state: () => StoredState): void {
    this.#next = state;
    this.#timer ??= setTimeout(() => this.#flush(), WRITE_DELAY_MS).unref();
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
      const state = this.#next;
      this.#next = undefined;
      if (state === undefined) return;
      try {
        await writeFileDurably(this.path, encode(state()));
      } catch (error) {
        this.log.warn({ err: error, file: this.path }, "the state is not stored");
      }
    });
  }
}
