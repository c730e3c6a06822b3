// The tree as it lies in the tables: tiles, checkpoints and co-signatures.
import { addSignatures } from "../tree/checkpoint.js";
import { HASH_BYTES } from "../tree/merkle.js";
import type { Tile, TileReader } from "../tree/tiles.js";
import { BulkInsert } from "./bulk.js";
import { toBuffer } from "./exchange-rows.js";
import type { CheckpointWanted, StoredCheckpoint } from "./read-side.js";
import type { LogDatabase, LogSchema } from "./schema.js";

const TILES = new BulkInsert("txlog_tile", ["group_id", "epoch", "level", "tile_index", "bytes"], {
  key: ["group_id", "epoch", "level", "tile_index"],
  columns: ["bytes"],
});

/** Which tree: an epoch of a group's log. */
export interface TreeName {
  readonly groupId: string;
  readonly epoch: number;
}

/** Reads tiles. A tile that has grown since gives the narrower one too, which is its beginning. */
export const tileReader =
  (db: LogDatabase, { groupId, epoch }: TreeName): TileReader =>
  async (level, index, width) => {
    const row = await db
      .selectFrom("txlog_tile")
      .select("bytes")
      .where("group_id", "=", groupId)
      .where("epoch", "=", epoch)
      .where("level", "=", level)
      .where("tile_index", "=", index)
      .executeTakeFirst();
    const bytes = toBuffer(row?.bytes ?? null);
    if (bytes === undefined || bytes.length < width * HASH_BYTES) {
      throw new RangeError(`the tile ${level}/${index} of width ${width} is not there`);
    }
    return bytes.subarray(0, width * HASH_BYTES);
  };

/** Stores tiles in place of narrower ones. */
export const putTiles = (
  tx: LogDatabase,
  { groupId, epoch }: TreeName,
  tiles: readonly Tile[],
): Promise<void> =>
  TILES.run(
    tx,
    tiles.map(({ level, index, bytes }) => [groupId, epoch, level, index, bytes]),
  );

type CheckpointRow = LogSchema["txlog_checkpoint"];

/** The row of a checkpoint that is wanted of an epoch. */
export const checkpointRow = (
  db: LogDatabase,
  { groupId, epoch }: TreeName,
  { size, witnessed }: Pick<CheckpointWanted, "size" | "witnessed"> = {},
): Promise<CheckpointRow | undefined> => {
  let query = db
    .selectFrom("txlog_checkpoint as c")
    .selectAll()
    .where("c.group_id", "=", groupId)
    .where("c.epoch", "=", epoch);
  if (size !== undefined) query = query.where("c.size", ">=", size);
  if (witnessed === true) {
    query = query.where((eb) =>
      eb.exists(
        eb
          .selectFrom("txlog_cosignature as s")
          .select("s.witness")
          .whereRef("s.group_id", "=", "c.group_id")
          .whereRef("s.epoch", "=", "c.epoch")
          .whereRef("s.size", "=", "c.size"),
      ),
    );
  }
  return query
    .orderBy("c.size", size === undefined ? "desc" : "asc")
    .limit(1)
    .executeTakeFirst();
};

/** What is given for a checkpoint that is no text: no checkpoint either, for whoever reads it. */
const DAMAGED_NOTE = "the checkpoint in the database is damaged\n";

/** SQLite keeps anything in any column: a size that is none covers nothing. */
const sizeIn = ({ size }: CheckpointRow): number => (Number.isSafeInteger(size) ? size : 0);

const noteIn = ({ note }: { readonly note: unknown }): string =>
  typeof note === "string" && note !== "" ? note : DAMAGED_NOTE;

/** A checkpoint with the co-signatures that have come. */
export const withCosignatures = async (
  db: LogDatabase,
  row: CheckpointRow,
): Promise<StoredCheckpoint> => {
  const lines = await db
    .selectFrom("txlog_cosignature")
    .select("line")
    .where("group_id", "=", row.group_id)
    .where("epoch", "=", row.epoch)
    .where("size", "=", row.size)
    .orderBy("witness")
    .execute();
  return {
    epoch: row.epoch,
    size: sizeIn(row),
    root: toBuffer(row.root) ?? Buffer.alloc(0),
    note: addSignatures(
      noteIn(row),
      lines.map(({ line }) => line),
    ),
    madeAtMs: row.made_at_ms,
  };
};

/** How many leaves of an epoch are under a checkpoint. */
export const sealedSize = async (db: LogDatabase, tree: TreeName): Promise<number> => {
  const row = await checkpointRow(db, tree);
  return row === undefined ? 0 : sizeIn(row);
};

/** The epoch that records come into. */
export const currentEpoch = async (db: LogDatabase, groupId: string): Promise<number> => {
  const row = await db
    .selectFrom("txlog_log")
    .select("epoch")
    .where("group_id", "=", groupId)
    .executeTakeFirstOrThrow();
  return row.epoch;
};
