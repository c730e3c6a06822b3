// The last state on disk, so that a component goes on when it starts and its manager is away. A line of JSON
// that says what follows, then the state as one message of the stream, which is verified again when it is read.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { systemCode } from "../core/errors.js";
import { LateFile } from "../core/late-file.js";
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
  readonly #file: LateFile;

  constructor(
    private readonly path: string,
    log: Log,
  ) {
    this.#file = new LateFile({ path, delayMs: WRITE_DELAY_MS, what: "the state", log });
  }

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
    this.#file.write(() => encode(state()));
  }

  /** Writes what is not in the file yet. */
  close(): Promise<void> {
    return this.#file.close();
  }
}
