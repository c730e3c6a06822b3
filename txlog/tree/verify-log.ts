// Verifying a log, or a part of one, against a checkpoint: every leaf, what the records say of each other, the root,
// and the checkpoints that were seen before. Needs nothing of the servers.
import { FormatError } from "../bytes.js";
import { decodeLeaf } from "../decode-leaf.js";
import { leafHash } from "../leaf.js";
import type { LogRecord } from "../record.js";
import { LogFault } from "./log-fault.js";
import type { Checkpoint } from "./checkpoint.js";
import { CompactTree } from "./merkle.js";
import { ProofError } from "./proof-error.js";
import { RecordOrder } from "./record-order.js";
import { verifyInclusion } from "./verify-proof.js";

/** One entry of a log. */
export interface Entry {
  /** Its place in the tree, from 0. */
  readonly index: number;
  readonly leaf: Buffer;
  /** The hash that the tree has there, when that is known beside the leaf: it says which leaf was changed. */
  readonly leafHash?: Buffer;
  /** From the leaf's sibling up to the head's root. Needed where entries are left out. */
  readonly proof?: readonly Buffer[];
}

/** Against what entries are verified. */
export interface LogHead {
  readonly groupId: string;
  /** From 1. */
  readonly epoch: number;
  /** Signed by the log: the caller has verified that. */
  readonly checkpoint: Checkpoint;
  /** The place of the first entry; 0 unless given. */
  readonly from?: number;
  /** The edge of the tree of size `from`, the largest subtree first. */
  readonly prefix?: readonly Buffer[];
  /** Checkpoints of the same log, no larger, by rising size, signed or seen before: the tree passes each of them. */
  readonly older?: readonly Checkpoint[];
  /**
   * Whether entries are left out: then each has its proof, and sequences and intents are not followed. False
   * unless given.
   */
  readonly selected?: boolean;
}

/** What verified entries were. */
export interface VerifiedEntries {
  readonly entries: number;
  readonly writers: number;
  /** Intents whose end is not in the log yet. */
  readonly open: number;
  /** The record of the epoch, when it is among the entries. */
  readonly epochRecord?: LogRecord & { readonly kind: "epoch" };
}

const decoded = (leaf: Buffer, index: number): LogRecord => {
  try {
    return decodeLeaf(leaf);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new LogFault("leaf-unreadable", `the leaf is no record: ${error.message}`, index);
  }
};

const proven = ({ index, proof }: Entry, hash: Buffer, { size, root }: Checkpoint): void => {
  if (proof === undefined) return;
  try {
    verifyInclusion({ leafHash: hash, index, size, proof, root });
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    throw new LogFault("proof-wrong", error.message, index);
  }
};

const startOf = ({ from = 0, prefix = [] }: LogHead): CompactTree => {
  try {
    return CompactTree.from(prefix, from);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new LogFault("malformed", `the tree before entry ${from} is not given: ${error.message}`);
  }
};

/** A log that does not continue a checkpoint of its own. */
export const forked = ({ size }: Checkpoint): LogFault =>
  new LogFault("log-forked", `the log does not continue a checkpoint of it with ${size} entries`);

/** One pass over the entries. */
class Verification {
  readonly #head: LogHead;
  readonly #tree: CompactTree;
  readonly #order: RecordOrder;
  readonly #older: Checkpoint[];
  /** The size at which the root was right for the last time. */
  #rightUntil: number;
  /** The first smaller checkpoint whose root is another one. */
  #differs: Checkpoint | undefined;
  #next: number;
  #entries = 0;
  #epochRecord: VerifiedEntries["epochRecord"];

  constructor(head: LogHead) {
    const { from = 0, groupId, epoch, older = [] } = head;
    this.#head = head;
    this.#tree = startOf(head);
    this.#order = new RecordOrder({ groupId, isBeginning: from === 0 && epoch === 1 });
    this.#older = older.filter(({ size }) => size >= from);
    this.#next = from;
    this.#rightUntil = from;
    if (head.selected !== true) this.#passCheckpoints();
  }

  add(entry: Entry): void {
    const { index, leaf } = entry;
    const hash = leafHash(leaf);
    this.#requirePlace(index);
    if (entry.leafHash !== undefined && !entry.leafHash.equals(hash)) {
      const found =
        "the leaf's hash is not the one that stands beside it for its place in the tree";
      throw new LogFault("leaf-changed", found, index);
    }
    proven(entry, hash, this.#head.checkpoint);
    const record = decoded(leaf, index);
    if (record.kind === "epoch") this.#epochRecord = record;
    this.#next = index + 1;
    this.#entries += 1;
    if (this.#head.selected === true) {
      this.#requireProof(entry);
      return;
    }
    this.#order.add(record, index, hash);
    this.#tree.append(hash);
    this.#passCheckpoints();
  }

  end(): VerifiedEntries {
    if (this.#head.selected !== true) this.#requireRoot();
    return {
      entries: this.#entries,
      writers: this.#order.writers,
      open: this.#order.open,
      ...(this.#epochRecord === undefined ? {} : { epochRecord: this.#epochRecord }),
    };
  }

  #requirePlace(index: number): void {
    const { size } = this.#head.checkpoint;
    if (index < this.#next) {
      throw new LogFault("entry-repeated", `it comes again, after entry ${this.#next - 1}`, index);
    }
    if (index > this.#next && this.#head.selected !== true) {
      throw new LogFault("entry-missing", `the next entry is ${index}`, this.#next);
    }
    if (index >= size) {
      throw new LogFault("size-differs", `the checkpoint has ${size} entries and no more`, index);
    }
  }

  #requireProof({ index, proof }: Entry): void {
    if (proof === undefined) {
      throw new LogFault("proof-wrong", "entries are left out, and it has no proof", index);
    }
  }

  #passCheckpoints(): void {
    for (let next = this.#older[0]; next?.size === this.#next; next = this.#older[0]) {
      this.#older.shift();
      if (this.#differs !== undefined) continue;
      if (next.root.equals(this.#tree.root())) this.#rightUntil = next.size;
      else this.#differs = next;
    }
  }

  /** What is to be told when this was found: a root that differed before comes first. */
  first(fault: LogFault): LogFault {
    const size = this.#differs?.size;
    const isFirst = fault.index !== undefined && size !== undefined && fault.index < size;
    return size === undefined || isFirst || fault.kind === "log-forked"
      ? fault
      : this.#rootDiffers(size);
  }

  #rootDiffers(size: number): LogFault {
    const until = `an entry of ${this.#rightUntil} to ${size - 1} is not the one`;
    const detail = `${until} that the checkpoint of ${size} entries was signed over`;
    return new LogFault("root-differs", detail, this.#rightUntil);
  }

  #requireRoot(): void {
    const { size, root } = this.#head.checkpoint;
    if (this.#next < size) {
      const found = `the entries end here, the checkpoint has ${size}`;
      throw new LogFault("size-differs", found, this.#next);
    }
    if (!root.equals(this.#tree.root())) throw this.#rootDiffers(size);
    // The entries are those of the head, so it is the older checkpoint that was signed over others.
    if (this.#differs !== undefined) throw forked(this.#differs);
  }
}

/** Told how many entries have been verified. */
export type Progress = (done: number) => void;

/**
 * Verifies entries: a whole log, its end from some place on, or, where `selected`, single ones.
 *
 * @throws LogFault at the first entry that is not right. Where neither a hash nor a proof beside the leaf nor an older
 * checkpoint says which one it is, `index` is the first that it can be.
 */
export const verifyEntries = async (
  entries: AsyncIterable<Entry>,
  head: LogHead,
  progress: Progress = () => undefined,
): Promise<VerifiedEntries> => {
  const verification = new Verification(head);
  let done = 0;
  try {
    for await (const entry of entries) {
      verification.add(entry);
      done += 1;
      progress(done);
    }
    return verification.end();
  } catch (error) {
    throw error instanceof LogFault ? verification.first(error) : error;
  }
};
