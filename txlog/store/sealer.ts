// Seals what has arrived: one tree an epoch, whose tiles and signed checkpoint are written together. Nothing is
// sealed on a database that was restored from an older copy.
import type { Clock } from "../../core/clock.js";
import type { Log } from "../../core/log.js";
import { repeat, type Backoff } from "../../core/retry.js";
import { logOrigin, signCheckpoint } from "../tree/checkpoint.js";
import { GrowingTree, rootFromTiles } from "../tree/tiles.js";
import { toBuffer } from "./exchange-rows.js";
import { readHead, writeHead, type LogHead } from "./head-file.js";
import type { LogKeys } from "./keys.js";
import { LeaseLost, type Lease } from "../../core/lease.js";
import type { StoredCheckpoint } from "./read-side.js";
import type { LogDatabase, LogSchema } from "./schema.js";
import {
  checkpointRow,
  currentEpoch,
  putTiles,
  sealedSize,
  tileReader,
  type TreeName,
} from "./tree-rows.js";

/** How often it is looked for what has arrived: a record is sealed at most a second after it has come. */
const TURN_MS = 400;
const BACKOFF: Backoff = { firstMs: 200, maxMs: 5_000 };
/** How many records one checkpoint takes in; what is left comes at once in the next. */
const SEAL_MAX = 32_768;

/** What the sealer stands on. */
export interface SealerParts {
  readonly db: LogDatabase;
  readonly groupId: string;
  readonly peerId: string;
  readonly keys: LogKeys;
  readonly lease: Lease<LogSchema>;
  readonly clock: Clock;
  readonly log: Log;
  /** The file that says how far the log was sealed. */
  readonly headPath: string;
  /** Told of each new checkpoint, without co-signatures. Must not throw. */
  readonly sealed: (checkpoint: StoredCheckpoint) => void;
}

/** What a log that was restored is told to do. */
const REMEDY = "restore a newer copy, or let the log go on with 'schakel log begin-epoch'";

interface Growing {
  readonly name: TreeName;
  readonly tree: GrowingTree;
}

/** Seals until it is stopped. */
export class Sealer {
  readonly #parts: SealerParts;
  #growing: Growing | undefined;
  #head: LogHead | undefined;
  #isJudged = false;
  #problem: string | undefined;
  #failure: string | undefined;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #sealing: Promise<unknown> = Promise.resolve();
  #noting: Promise<unknown> = Promise.resolve();

  constructor(parts: SealerParts) {
    this.#parts = parts;
  }

  /** Begins to seal whatever arrives. */
  start(): void {
    this.#running = repeat(this.#stop.signal, {
      backoff: BACKOFF,
      turn: async () => ((await this.seal()) ? 0 : TURN_MS),
      failed: (error, failures, waitMs) => {
        if (error instanceof LeaseLost) return;
        this.#failure = `records are not sealed: ${error instanceof Error ? error.message : String(error)}`;
        this.#parts.log.error({ err: error, failures, waitMs }, "records could not be sealed");
      },
    });
  }

  /** Ends sealing; what is being sealed is sealed to its end. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#sealing;
    await this.#parts.lease.release();
  }

  /** Why nothing is sealed, in a sentence; undefined when all is well. */
  get problem(): string | undefined {
    return this.#problem ?? this.#failure;
  }

  /** Whether the database is older than what was sealed before. */
  get isRolledBack(): boolean {
    return this.#problem !== undefined;
  }

  /** How far the log was sealed when that was last noted; undefined before anything was. */
  get head(): LogHead | undefined {
    return this.#head;
  }

  /** Seals once, unless another process does. Gives whether there is more to seal at once. */
  seal(): Promise<boolean> {
    const turn = this.#sealing.then(() => this.#turn());
    this.#sealing = turn.catch(() => undefined);
    return turn;
  }

  /** Does something while nothing is sealed. */
  pausing<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#sealing.then(work);
    this.#sealing = done.catch(() => undefined);
    return done;
  }

  /** A witness has seen more than the database has: it was restored from an older copy. */
  rolledBack(reason: string): void {
    if (this.#problem !== undefined) return;
    this.#problem = `the log's database is older than what was sealed: ${reason}; nothing is sealed. ${REMEDY}`;
    this.#parts.log.error({ reason }, "the log's database is older than what was sealed");
  }

  /** Judges the database anew; after a new epoch has begun. */
  async rejudge(head: LogHead): Promise<void> {
    await this.#note(head);
    this.#growing = undefined;
    this.#problem = undefined;
    this.#isJudged = true;
  }

  /** Notes the newest checkpoint that a witness has co-signed. */
  async noteWitnessed(note: string, size: number): Promise<void> {
    if (this.#head === undefined) return;
    await this.#note({ ...this.#head, witnessed: note, witnessedSize: size });
  }

  /** Compares the database with the file that says how far the log was sealed, once. */
  async judge(): Promise<void> {
    if (this.#isJudged) return;
    const { db, groupId, headPath } = this.#parts;
    const head = await readHead(headPath);
    const epoch = await currentEpoch(db, groupId);
    this.#head = head;
    this.#isJudged = true;
    if (head === undefined || head.epoch < epoch) return;
    const size = (await checkpointRow(db, { groupId, epoch }))?.size ?? 0;
    if (head.epoch > epoch || head.size > size) {
      this.rolledBack(
        `it ends with ${size} leaves of epoch ${epoch}, ${headPath} has ${head.size} of epoch ${head.epoch}`,
      );
      return;
    }
    const root = await rootFromTiles(tileReader(db, { groupId, epoch }), head.size);
    if (!root.equals(head.root)) {
      this.rolledBack(`its first ${head.size} leaves are not those that ${headPath} names`);
    }
  }

  async #turn(): Promise<boolean> {
    const { lease, db, groupId } = this.#parts;
    await this.judge();
    if (this.#problem !== undefined) return false;
    if (!(await this.#hasArrived())) {
      this.#failure = undefined;
      return false;
    }
    const { token } = await lease.hold();
    if (token === undefined) return false;
    const epoch = await currentEpoch(db, groupId);
    const sealed = await db.transaction().execute(async (tx) => {
      await lease.require(tx, token);
      return this.#grow(tx, { groupId, epoch });
    });
    this.#failure = undefined;
    if (sealed === undefined) return false;
    this.#growing = sealed.growing;
    const { checkpoint } = sealed;
    await this.#noteHead(checkpoint);
    this.#parts.sealed(checkpoint);
    return sealed.isFull;
  }

  /** Whether there is anything to seal. Asked first: taking the lease is a write. */
  async #hasArrived(): Promise<boolean> {
    const { db, groupId } = this.#parts;
    const { epoch, next_index } = await db
      .selectFrom("txlog_log")
      .select(["epoch", "next_index"])
      .where("group_id", "=", groupId)
      .executeTakeFirstOrThrow();
    return next_index > (await sealedSize(db, { groupId, epoch }));
  }

  /** Seals what has arrived, in the transaction that holds the lease. */
  async #grow(
    tx: LogDatabase,
    name: TreeName,
  ): Promise<
    | { readonly growing: Growing; readonly checkpoint: StoredCheckpoint; readonly isFull: boolean }
    | undefined
  > {
    const { groupId, epoch } = name;
    const last = await checkpointRow(tx, name);
    const size = last?.size ?? 0;
    const rows = await tx
      .selectFrom("txlog_record")
      .select(["leaf_hash", "tree_index"])
      .where("group_id", "=", groupId)
      .where("epoch", "=", epoch)
      .where("tree_index", ">=", size)
      .orderBy("tree_index")
      .limit(SEAL_MAX)
      .execute();
    if (rows.length === 0) return undefined;
    const wrong = rows.find((row, place) => row.tree_index !== size + place);
    if (wrong !== undefined) {
      throw new Error(`the leaf before ${wrong.tree_index} of epoch ${epoch} is missing`);
    }
    const tree = await this.#treeOf(tx, name, last);
    const hashes = rows.map((row) => toBuffer(row.leaf_hash) ?? Buffer.alloc(0));
    await putTiles(tx, name, tree.append(hashes));
    const checkpoint = await this.#putCheckpoint(tx, name, tree);
    return { growing: { name, tree }, checkpoint, isFull: rows.length === SEAL_MAX };
  }

  /** A tree of its own to grow: the one of the last time when nobody has sealed since, else as the tiles have it. */
  async #treeOf(
    tx: LogDatabase,
    name: TreeName,
    last: { readonly size: number; readonly root: Uint8Array } | undefined,
  ): Promise<GrowingTree> {
    const size = last?.size ?? 0;
    const kept = this.#growing;
    if (kept?.name.epoch === name.epoch && kept.tree.size === size) return kept.tree.copy();
    const tree = await GrowingTree.read(tileReader(tx, name), size);
    if (last !== undefined && toBuffer(last.root)?.equals(tree.root()) !== true) {
      throw new Error(`the tiles of epoch ${name.epoch} do not lead to its checkpoint of ${size}`);
    }
    return tree;
  }

  async #putCheckpoint(
    tx: LogDatabase,
    { groupId, epoch }: TreeName,
    tree: GrowingTree,
  ): Promise<StoredCheckpoint> {
    const { peerId, keys, clock } = this.#parts;
    const root = tree.root();
    const { size } = tree;
    const origin = logOrigin(groupId, peerId, epoch);
    const note = signCheckpoint({ origin, size, root }, keys.signer);
    const madeAtMs = clock.now();
    await tx
      .insertInto("txlog_checkpoint")
      .values({ group_id: groupId, epoch, size, root, note, made_at_ms: madeAtMs })
      .execute();
    return { epoch, size, root, note, madeAtMs };
  }

  #noteHead({ epoch, size, root }: StoredCheckpoint): Promise<void> {
    const { witnessed = "", witnessedSize = 0 } = this.#head ?? {};
    return this.#note({ epoch, size, root, witnessed, witnessedSize });
  }

  /** Writes the file, one time after the other, so that the newest stays. */
  #note(head: LogHead): Promise<void> {
    this.#head = head;
    const noted = this.#noting.then(() => writeHead(this.#parts.headPath, head));
    this.#noting = noted.catch(() => undefined);
    return noted;
  }
}
