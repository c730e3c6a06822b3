// Another organisation's log as we have seen it: each checkpoint must continue the one before, or it is an alarm.
import {
  isOriginOf,
  openCheckpoint,
  requireEpoch,
  type Checkpoint,
  type OpenedCheckpoint,
} from "../tree/checkpoint.js";
import { LogFault } from "../tree/log-fault.js";
import { HASH_BYTES } from "../tree/merkle.js";
import { NoteError, type Verifier } from "../tree/note.js";
import {
  consistencyProof,
  ProofError,
  rootFromTiles,
  verifyConsistency,
  type TileReader,
} from "../tree/tiles.js";
import { verifyProof } from "../tree/tlog-proof.js";
import type { WitnessStore } from "../tree/witness.js";

/** How often it is tried when others note checkpoints of the same log at the same time. */
const ATTEMPTS = 5;

/** Another organisation's log. */
export interface SeenLogParts {
  /** The origin of its first epoch. */
  readonly origin: string;
  /** Its keys, by its statements. */
  readonly keys: readonly Verifier[];
  /** Keeps the newest checkpoint seen of each origin. */
  readonly seen: WitnessStore;
  /** Asks for its newest checkpoint. */
  readonly newest: () => Promise<string>;
  /** Asks for its tiles. */
  readonly tiles: (epoch: number) => TileReader;
}

/** The epoch that an origin is of. */
export const epochOf = (origin: string, first: string): number =>
  origin === first ? 1 : Number(origin.slice(first.length + 1));

const faultOf = (error: unknown): unknown => {
  if (error instanceof NoteError) {
    const kind = error.kind === "unsigned" ? "unknown-key" : error.kind;
    return new LogFault(kind, `the other side's checkpoint is not accepted: ${error.message}`);
  }
  return error instanceof ProofError ? new LogFault("proof-wrong", error.message) : error;
};

const forked = ({ origin, size }: Checkpoint): LogFault =>
  new LogFault(
    "log-forked",
    `the log ${origin} does not continue the one of ${String(size)} entries that was seen before`,
  );

const isOlder = (checkpoint: Checkpoint, than: Checkpoint): boolean =>
  than.origin === checkpoint.origin && checkpoint.size < than.size;

const older = ({ origin, size }: Checkpoint, than: Checkpoint): LogFault =>
  new LogFault(
    "checkpoint-older",
    `the newest checkpoint of ${origin} has ${String(size)} entries, one of ${String(than.size)} was seen before`,
  );

/** Tiles as they should be: what another organisation gives may have any length. */
const checked =
  (tiles: TileReader): TileReader =>
  async (level, index, width) => {
    const bytes = await tiles(level, index, width);
    if (bytes.length === width * HASH_BYTES) return bytes;
    throw new LogFault("proof-wrong", "a tile of the other side has another size");
  };

/** Looks at another log and remembers what it saw. */
export class SeenLog {
  /** Checkpoints of proofs that were shown to fit, by origin, size and root. */
  readonly #accepted = new Set<string>();

  constructor(private readonly parts: SeenLogParts) {}

  /**
   * Fetches its newest checkpoint and keeps it once it is shown to continue the one seen before.
   *
   * @throws LogFault `signature-wrong`, `unknown-key`, `malformed`, `checkpoint-older`, `log-forked` or `proof-wrong`;
   * what the asking rejects with
   */
  async look(): Promise<OpenedCheckpoint & { readonly note: string }> {
    // What was seen before it was asked; what others note meanwhile may well be newer than its answer.
    let required: Checkpoint | undefined;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const note = await this.parts.newest();
      const opened = this.#open(note);
      const { checkpoint } = opened;
      if (required !== undefined && isOlder(checkpoint, required))
        throw older(checkpoint, required);
      const last = await this.parts.seen.get(checkpoint.origin);
      required = last;
      if (last !== undefined && isOlder(checkpoint, last)) continue;
      await this.#continues(last, checkpoint);
      if (await this.parts.seen.put(checkpoint.origin, last?.size ?? 0, { ...checkpoint, note })) {
        return { ...opened, note };
      }
    }
    throw new LogFault("proof-wrong", "the other side's log changes too fast to be looked at");
  }

  /**
   * Verifies that a leaf is in the log, under a checkpoint that fits those seen.
   *
   * @param proof C2SP tlog-proof
   * @throws LogFault as `look` does
   */
  async verify(proof: string, leafHash: Buffer): Promise<OpenedCheckpoint> {
    try {
      const opened = verifyProof(proof, leafHash, { log: this.parts.keys, witnesses: [] });
      const { checkpoint } = opened;
      const key = `${checkpoint.origin} ${String(checkpoint.size)} ${checkpoint.root.toString("hex")}`;
      if (!this.#accepted.has(key)) await this.#fits(checkpoint);
      this.#accepted.add(key);
      return opened;
    } catch (error) {
      throw faultOf(error);
    }
  }

  #open(note: string): OpenedCheckpoint {
    try {
      const opened = openCheckpoint(note, { log: this.parts.keys, witnesses: [] });
      const { origin } = opened.checkpoint;
      requireEpoch(origin, this.parts.origin);
      if (isOriginOf(origin, this.parts.origin)) return opened;
      throw new LogFault("malformed", "the other side's checkpoint is that of another log");
    } catch (error) {
      throw faultOf(error);
    }
  }

  /** That a checkpoint and the newest that was seen of its origin are of one log. */
  async #fits(checkpoint: Checkpoint): Promise<void> {
    const last = await this.parts.seen.get(checkpoint.origin);
    const isBefore = last !== undefined && last.size > checkpoint.size;
    await (isBefore ? this.#continues(checkpoint, last) : this.#continues(last, checkpoint));
  }

  async #continues(before: Checkpoint | undefined, newer: Checkpoint): Promise<void> {
    if (before === undefined || before.size === 0) return;
    if (before.size === newer.size) {
      if (before.root.equals(newer.root)) return;
      throw forked(before);
    }
    const tiles = checked(this.parts.tiles(epochOf(newer.origin, this.parts.origin)));
    try {
      const proof = await consistencyProof(tiles, before.size, newer.size);
      verifyConsistency({
        ...{ oldSize: before.size, oldRoot: before.root },
        ...{ newSize: newer.size, newRoot: newer.root, proof },
      });
    } catch (error) {
      if (!(error instanceof ProofError)) throw error;
      // Tiles that do not give the new root are wrong; those that do show that the old one was another log's.
      if ((await rootFromTiles(tiles, newer.size)).equals(newer.root)) throw forked(before);
      throw new LogFault("proof-wrong", "the other side's tiles do not fit its checkpoint");
    }
  }
}
