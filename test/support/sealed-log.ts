// A log of any size with its tree, keys and checkpoints, in memory: what a manager seals, without a manager.
import { generateKeyPairSync } from "node:crypto";
import { parseTransactionId, type TransactionId } from "../../core/names.js";
import { encodeLeaf, leafHash } from "../../txlog/leaf.js";
import type { LogRecord } from "../../txlog/record.js";
import {
  addSignatures,
  cosign,
  logOrigin,
  signCheckpoint,
  witnessName,
  type Checkpoint,
} from "../../txlog/tree/checkpoint.js";
import { CompactTree } from "../../txlog/tree/merkle.js";
import { noteKey, type NoteKey } from "../../txlog/tree/note.js";
import {
  consistencyProof,
  edgeFromTiles,
  GrowingTree,
  inclusionProof,
  type TileReader,
} from "../../txlog/tree/tiles.js";
import type { Entry } from "../../txlog/tree/verify-log.js";

/** The group and the peer of every such log. */
export const GROUP_ID = "test";
export const PEER_ID = "00000000000000000001";

/** A new Ed25519 key; type 4 for a witness. */
export const newNoteKey = (name: string, type: 1 | 4 = 1): NoteKey =>
  noteKey(name, generateKeyPairSync("ed25519").privateKey, type);

const WRITERS = ["501bcd69-53f6-45a3-91dc-96c72f756acf", "7f1b2a90-0d51-4c7e-8a34-3c4e5f607182"];

const transactionIdOf = (n: number): TransactionId => {
  const id = parseTransactionId(`01a20af0-61c8-7000-8000-${n.toString(16).padStart(12, "0")}`);
  if (id === undefined) throw new Error("no transaction id");
  return id;
};

interface Line {
  sequence: number;
  readonly open: { sequence: bigint; leafHash: Buffer; transactionId: TransactionId }[];
}

/** The leaves of a log: two writers in turn, each with a start, and then intents that end a little later. */
export const leavesOf = (count: number, groupId = GROUP_ID): Buffer[] => {
  const writers = WRITERS.map((): Line => ({ sequence: 0, open: [] }));
  return Array.from({ length: count }, (_, n) => {
    const at = n % 3 === 0 ? 1 : 0;
    const line = writers[at]!;
    line.sequence += 1;
    const head = {
      groupId,
      writerId: WRITERS[at]!,
      sequence: BigInt(line.sequence),
      createdAtUs: 1_790_000_000_000_000 + n,
    };
    const { record, isIntent } = recordOf(head, line, n);
    const leaf = encodeLeaf(record);
    if (isIntent) {
      line.open.push({
        sequence: head.sequence,
        leafHash: leafHash(leaf),
        transactionId: transactionIdOf(n),
      });
    }
    return leaf;
  });
};

type Head = Pick<LogRecord, "groupId" | "writerId" | "sequence" | "createdAtUs">;

const recordOf = (head: Head, line: Line, n: number): { record: LogRecord; isIntent: boolean } => {
  if (line.sequence === 1) {
    const start = { software: "0.0.0", component: "inway-1", tornSegment: 0, tornBytes: 0 };
    return {
      record: { ...head, ...start, kind: "writer-start", previousStop: "none", durability: "disk" },
      isIntent: false,
    };
  }
  if (line.open.length > 2 || (n % 2 === 1 && line.open.length > 0)) {
    const durationUs = { total: 1234, own: 12 };
    const sizes = { requestBytes: n, responseBytes: 3 * n, status: 200 };
    const outcome = { result: "complete", link: "http1", durationUs, ...sizes } as const;
    return {
      record: { ...head, kind: "outcome", intent: line.open.shift()!, outcome },
      isIntent: false,
    };
  }
  return {
    record: {
      ...head,
      kind: "intent",
      exchange: {
        direction: "incoming",
        transactionId: transactionIdOf(n),
        source: { peerId: "00000000000000000002" },
        destination: { peerId: PEER_ID },
        service: "parkeerrechten",
        method: "GET",
        commitment: Buffer.alloc(32, n),
      },
    },
    isIntent: true,
  };
};

/** A log that is sealed. Its keys are new each time. */
export class SealedLog {
  readonly key: NoteKey;
  readonly witness: NoteKey;
  readonly hashes: readonly Buffer[];
  readonly #tiles = new Map<string, Buffer>();

  private constructor(
    readonly leaves: readonly Buffer[],
    key?: NoteKey,
  ) {
    this.key = key ?? newNoteKey(logOrigin(GROUP_ID, PEER_ID));
    this.witness = newNoteKey(witnessName(GROUP_ID, "00000000000000000002"), 4);
    this.hashes = leaves.map(leafHash);
  }

  static async of(leaves: readonly Buffer[], key?: NoteKey): Promise<SealedLog> {
    const log = new SealedLog(leaves, key);
    const tree = await GrowingTree.read(log.tiles, 0);
    for (const { level, index, bytes } of tree.append(log.hashes)) {
      log.#tiles.set(`${level}/${index}`, bytes);
    }
    return log;
  }

  get size(): number {
    return this.leaves.length;
  }

  readonly tiles: TileReader = (level, index, width) => {
    const bytes = this.#tiles.get(`${level}/${index}`);
    return bytes === undefined
      ? Promise.reject(new Error(`no tile ${level}/${index}`))
      : Promise.resolve(bytes.subarray(0, width * 32));
  };

  /** How the tree was at a size. */
  checkpoint(size = this.size): Checkpoint {
    const tree = CompactTree.from();
    for (const hash of this.hashes.slice(0, size)) tree.append(hash);
    return { origin: this.key.name, size, root: tree.root() };
  }

  /** The signed checkpoint at a size. */
  note(size = this.size): string {
    return signCheckpoint(this.checkpoint(size), this.key);
  }

  /** The signed checkpoint with the witness's co-signature. */
  witnessed(size = this.size): string {
    const note = this.note(size);
    return addSignatures(note, [cosign(note, this.witness, 1_790_000_000)]);
  }

  /** An entry with the hash that the tree has, and its proof when asked for. */
  async entry(index: number, withProof = false): Promise<Entry> {
    const entry = { index, leaf: this.leaves[index]!, leafHash: this.hashes[index]! };
    return withProof
      ? { ...entry, proof: await inclusionProof(this.tiles, index, this.size) }
      : entry;
  }

  /** All entries from one on. */
  entries(from = 0): Promise<Entry[]> {
    const count = this.size - from;
    return Promise.all(Array.from({ length: count }, (_, n) => this.entry(from + n)));
  }

  /** The edge of the tree of a size. */
  edge(size: number): Promise<Buffer[]> {
    return edgeFromTiles(this.tiles, size);
  }

  /** The proof that the tree continues that of a smaller size. */
  consistency(oldSize: number): Promise<Buffer[]> {
    return consistencyProof(this.tiles, oldSize, this.size);
  }
}
