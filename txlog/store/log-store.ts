// The store of an organisation's transaction log, which its manager alone opens.
import { createSecretKey, randomBytes, randomUUID, type KeyObject } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "../../core/clock.js";
import type { Lifecycle } from "../../core/lifecycle.js";
import type { Log } from "../../core/log.js";
import { pause } from "../../core/retry.js";
import type { KeyStatement } from "../tree/key-statement.js";
import type { WitnessStore } from "../tree/witness.js";
import { Cosigner, type WitnessContact } from "./cosigner.js";
import { toBuffer } from "./exchange-rows.js";
import { Ingest } from "./ingest.js";
import { LogKeys } from "./keys.js";
import { Lease } from "../../core/lease.js";
import { migrateLog } from "./migrations.js";
import type { LogKeeper, LogReader, StoredCheckpoint } from "./read-side.js";
import { keepRetention } from "./retention.js";
import type { LogDatabase } from "./schema.js";
import { Sealer } from "./sealer.js";
import { keeperOf, readerOf } from "./sides.js";
import { WriterNames, type Tables } from "./tables.js";
import { WitnessRows } from "./witness-rows.js";

const SEARCH_KEY_BYTES = 32;
const LEASE_MS = 3_000;
const WITNESS_INTERVAL_MS = 10_000;
/** How long sealing waits at the start for what witnesses know. */
const WITNESS_START_MS = 2_000;

/** Who co-signs our checkpoints now. */
export type Witnesses = () => Promise<readonly WitnessContact[]>;

/** What the store stands on. */
export interface LogStoreOptions {
  /** Opened with secure delete; whoever opened it ends it, after the store has stopped. */
  readonly db: LogDatabase;
  /** The folder of the keys and of the file that says how far the log was sealed. */
  readonly folder: string;
  readonly groupId: string;
  /** Our own peer. */
  readonly peerId: string;
  /** Signs a statement about a key with our peer's certificate. */
  readonly sign: (statement: KeyStatement) => Promise<string>;
  /** Nobody unless given. */
  readonly witnesses?: Witnesses;
  readonly witnessIntervalMs?: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Makes the row of the log when there is none. Gives the key under which data subjects are found. */
const openRow = async (db: LogDatabase, groupId: string): Promise<KeyObject> => {
  await db
    .insertInto("txlog_log")
    .values({
      ...{ group_id: groupId, epoch: 1, next_index: 0, next_writer: 1 },
      search_key: randomBytes(SEARCH_KEY_BYTES),
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const row = await db
    .selectFrom("txlog_log")
    .select("search_key")
    .where("group_id", "=", groupId)
    .executeTakeFirstOrThrow();
  return createSecretKey(toBuffer(row.search_key) ?? Buffer.alloc(0));
};

/** The store. */
export class LogStore {
  /** Takes the records of writers in. */
  readonly ingest: Ingest;
  /** Makes one tree of them, and signs its checkpoints. */
  readonly sealer: Sealer;
  /** For those who look, prove and compare. */
  readonly reader: LogReader;
  /** Erasing, retention, pruning, epochs, and what came of dealings with others. */
  readonly keeper: LogKeeper;
  /** What we have co-signed of others' logs. */
  readonly witnessed: WitnessStore;
  readonly #cosigner: Cosigner;
  readonly #tables: Tables;
  readonly #checkpoints = new Set<(checkpoint: StoredCheckpoint) => void>();

  private constructor(
    private readonly options: LogStoreOptions,
    /** Our keys: `signer` for our checkpoints, `witness` for others'. */
    readonly keys: LogKeys,
    searchKey: KeyObject,
  ) {
    const { db, groupId, peerId, clock, log, folder } = options;
    this.#tables = { db, groupId, writers: new WriterNames(db, groupId) };
    this.ingest = new Ingest({ db, groupId, peerId, log }, searchKey);
    const holder = randomUUID();
    const lease = new Lease({
      ...{ db, table: "txlog_lease", groupId, name: "seal", holder, clock },
      durationMs: LEASE_MS,
    });
    this.sealer = new Sealer({
      ...{ db, groupId, peerId, keys, lease, clock, log, headPath: join(folder, "log-head") },
      sealed: (checkpoint) => {
        for (const listener of [...this.#checkpoints]) listener(checkpoint);
      },
    });
    const { sealer, ingest } = this;
    const intervalMs = options.witnessIntervalMs ?? WITNESS_INTERVAL_MS;
    const witnesses: Witnesses = options.witnesses ?? (() => Promise.resolve([]));
    this.#cosigner = new Cosigner({ db, groupId, sealer, witnesses, intervalMs, clock, log });
    this.reader = readerOf(this.#tables, { searchKey, ownPeer: peerId, sealer });
    this.keeper = keeperOf(this.#tables, { searchKey, sealer, ingest, clock });
    this.witnessed = new WitnessRows(db, groupId);
  }

  /** Opens the store: brings its tables up to date, opens its keys. Nothing is sealed before `start`. */
  static async open(options: LogStoreOptions): Promise<LogStore> {
    const { db, groupId, folder } = options;
    await migrateLog(db);
    const searchKey = await openRow(db, groupId);
    const keys = await LogKeys.open({ ...options, folder: join(folder, "log-keys") });
    const store = new LogStore(options, keys, searchKey);
    await store.sealer.judge();
    return store;
  }

  /** Begins to seal, to ask witnesses and to keep retention. The life cycle ends it. */
  start(lifecycle: Pick<Lifecycle, "onStop">): void {
    const { clock, log } = this.options;
    const stop = new AbortController();
    const sealing = this.#startSealing(stop.signal);
    const retaining = keepRetention(this.#tables, { clock, log, signal: stop.signal });
    lifecycle.onStop("the log's store", async () => {
      stop.abort();
      await sealing;
      await this.#cosigner.stop();
      await this.sealer.stop();
      await retaining;
    });
  }

  /** Asks the witnesses once about the newest checkpoint. */
  cosign(): Promise<void> {
    return this.#cosigner.ask();
  }

  /** What an operator should look at: that nobody has co-signed for too long. Undefined when all is well. */
  warning(): string | undefined {
    return this.#cosigner.warning();
  }

  /** Calls back with each new checkpoint, which has no co-signatures yet. Returns the function that ends that. */
  onCheckpoint(listener: (checkpoint: StoredCheckpoint) => void): () => void {
    const own = (checkpoint: StoredCheckpoint): void => listener(checkpoint);
    this.#checkpoints.add(own);
    return () => void this.#checkpoints.delete(own);
  }

  /** Asks witnesses first, for a moment: what was rolled back must not go on. */
  async #startSealing(signal: AbortSignal): Promise<void> {
    await Promise.race([
      this.#cosigner.ask().catch(() => undefined),
      pause(WITNESS_START_MS, signal),
    ]);
    if (signal.aborted) return;
    this.#cosigner.start();
    this.sealer.start();
  }
}
