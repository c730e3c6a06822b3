// Proofs about our own tree, made from its tiles.
import { SchakelError } from "../../core/errors.js";
import { consistencyProof, inclusionProof } from "../tree/tiles.js";
import type {
  CheckpointWanted,
  StoredCheckpoint,
  StoredConsistency,
  StoredProof,
} from "./read-side.js";
import type { Tables } from "./tables.js";
import { checkpointRow, currentEpoch, tileReader, withCosignatures } from "./tree-rows.js";

/** A checkpoint of ours; undefined when there is none. */
export const checkpointAt = async (
  { db, groupId }: Tables,
  wanted: CheckpointWanted = {},
): Promise<StoredCheckpoint | undefined> => {
  const epoch = wanted.epoch ?? (await currentEpoch(db, groupId));
  const row = await checkpointRow(db, { groupId, epoch }, wanted);
  return row === undefined ? undefined : withCosignatures(db, row);
};

/** Proves that a record is under the newest checkpoint; undefined when it is not sealed. */
export const proofFor = async (
  tables: Tables,
  epoch: number,
  index: number,
): Promise<StoredProof | undefined> => {
  const checkpoint = await checkpointAt(tables, { epoch });
  if (checkpoint === undefined || index >= checkpoint.size) return undefined;
  const reader = tileReader(tables.db, { groupId: tables.groupId, epoch });
  return { index, checkpoint, hashes: await inclusionProof(reader, index, checkpoint.size) };
};

/**
 * Proves that the newest checkpoint goes on a tree of this size.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID when there is no tree as large as that
 */
export const consistencyFrom = async (
  tables: Tables,
  epoch: number,
  oldSize: number,
): Promise<StoredConsistency> => {
  const checkpoint = await checkpointAt(tables, { epoch });
  if (checkpoint === undefined || oldSize > checkpoint.size) {
    throw new SchakelError("ERROR_CODE_REQUEST_INVALID", {
      detail: `the old size is ${oldSize}, the tree of epoch ${epoch} has ${checkpoint?.size ?? 0} leaves`,
    });
  }
  const reader = tileReader(tables.db, { groupId: tables.groupId, epoch });
  return { oldSize, checkpoint, hashes: await consistencyProof(reader, oldSize, checkpoint.size) };
};
