// The two interfaces of the store, put together from its parts.
import type { KeyObject } from "node:crypto";
import { erase } from "./erase.js";
import type { Clock } from "../../core/clock.js";
import { counts } from "./counts.js";
import { putReceipts, putReconciliation, receipts, reconciliations } from "./dealings.js";
import { entries, entry, exchange, personal } from "./entries.js";
import { beginEpoch } from "./epoch.js";
import type { Ingest } from "./ingest.js";
import { storedKeys } from "./keys.js";
import { peerLeaves, peerRecords } from "./peer-records.js";
import { checkpointAt, consistencyFrom, proofFor } from "./proofs.js";
import { prune } from "./prune.js";
import type { LogKeeper, LogReader, LogStatus } from "./read-side.js";
import { retentions, setRetention } from "./retention.js";
import type { Sealer } from "./sealer.js";
import { search } from "./search.js";
import { subjectHash } from "./subject-hash.js";
import { peersWith, sharedWith, unproven } from "./with-peer.js";
import type { Tables } from "./tables.js";
import { sealedSize, tileReader } from "./tree-rows.js";

/** What the read side stands on beside the tables. */
export interface ReaderParts {
  readonly searchKey: KeyObject;
  readonly ownPeer: string;
  readonly sealer: Sealer;
}

const statusOf = async ({ db, groupId }: Tables, sealer: Sealer): Promise<LogStatus> => {
  const { epoch, next_index } = await db
    .selectFrom("txlog_log")
    .select(["epoch", "next_index"])
    .where("group_id", "=", groupId)
    .executeTakeFirstOrThrow();
  const sealed = await sealedSize(db, { groupId, epoch });
  const witnessed = await db
    .selectFrom("txlog_cosignature")
    .select("signed_at")
    .where("group_id", "=", groupId)
    .orderBy("epoch", "desc")
    .orderBy("size", "desc")
    .limit(1)
    .executeTakeFirst();
  return {
    ...{ epoch, sealed, unsealed: next_index - sealed, problem: sealer.problem },
    witnessedAt: witnessed?.signed_at ?? 0,
  };
};

const epochsOf = async ({ db, groupId }: Tables): Promise<readonly number[]> => {
  const rows = await db
    .selectFrom("txlog_epoch")
    .select("epoch")
    .where("group_id", "=", groupId)
    .orderBy("epoch")
    .execute();
  return [1, ...rows.map(({ epoch }) => epoch)];
};

/** The read side. */
export const readerOf = (tables: Tables, parts: ReaderParts): LogReader => ({
  search: (filter, page) => search(tables, parts, filter, page),
  exchange: (wanted) => exchange(tables, wanted),
  entry: (key) => entry(tables, key),
  entries: (epoch, from, to) => entries(tables, epoch, { from, to }),
  personal: (key, recorded) => personal(tables, key, recorded),
  subjectMark: (subject) => subjectHash(parts.searchKey, subject).toString("hex"),
  tiles: (epoch) => tileReader(tables.db, { groupId: tables.groupId, epoch }),
  checkpointAt: (wanted) => checkpointAt(tables, wanted),
  proofFor: (epoch, index) => proofFor(tables, epoch, index),
  consistencyFrom: (epoch, oldSize) => consistencyFrom(tables, epoch, oldSize),
  counts: (fromMonth, toMonth) => counts(tables, fromMonth, toMonth),
  sharedWith: (peerId) => (range, service) => sharedWith(tables, peerId, range, service),
  peerRecords: (wanted) => peerRecords(tables.db, tables.groupId, wanted),
  peerLeaves: (peerId, ids) => peerLeaves(tables, peerId, ids),
  peersWith: (range) => peersWith(tables, range),
  keys: () => storedKeys(tables.db, tables.groupId),
  epochs: () => epochsOf(tables),
  status: () => statusOf(tables, parts.sealer),
  retentions: () => retentions(tables),
  reconciliations: (peerId, page) => reconciliations(tables, peerId, page),
  unproven: (peerId, range, page) => unproven(tables, peerId, range, page),
  receipts: (transactionId) => receipts(tables, transactionId),
});

/** What the keeping side stands on beside the tables. */
export interface KeeperParts {
  readonly searchKey: KeyObject;
  readonly sealer: Sealer;
  readonly ingest: Ingest;
  readonly clock: Clock;
}

/** The keeping side. */
export const keeperOf = (tables: Tables, parts: KeeperParts): LogKeeper => ({
  erase: (wanted) => erase({ tables, ...parts }, wanted),
  setRetention: (service, days) => setRetention(tables, service, days),
  prune: (beforeUs, dryRun) => prune(tables, beforeUs, dryRun),
  beginEpoch: (reason) => beginEpoch({ tables, ...parts }, reason),
  putReconciliation: (result) => putReconciliation(tables, result),
  putReceipts: (proven) => putReceipts(tables, proven),
});
