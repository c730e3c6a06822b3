// A busy log makes a checkpoint each second. After a day one an hour is kept: any tree between can be proven from the
// tiles, and whoever was given a checkpoint has it.
import type { Tables } from "./tables.js";

const DAY_MS = 24 * 3_600_000;
const HOUR_MS = 3_600_000;
/** How many checkpoints are looked at in one transaction. */
const PAGE = 2_000;

interface Seen {
  readonly epoch: number;
  readonly size: number;
  readonly made_at_ms: number;
}

const hourOf = ({ epoch, made_at_ms }: Seen): string =>
  `${epoch}/${Math.floor(made_at_ms / HOUR_MS)}`;

/** Those of these that are not the last of their hour; `next` comes after them, if anything does. */
const superfluous = (seen: readonly Seen[], next: Seen | undefined): readonly Seen[] =>
  seen.filter((each, place) => {
    const following = seen[place + 1] ?? next;
    return following !== undefined && hourOf(following) === hourOf(each);
  });

const page = (
  { db, groupId }: Tables,
  { epoch, size }: Pick<Seen, "epoch" | "size">,
  witnessed: boolean,
): Promise<readonly Seen[]> => {
  const query = db
    .selectFrom("txlog_checkpoint as c")
    .select(["c.epoch", "c.size", "c.made_at_ms"])
    .where("c.group_id", "=", groupId)
    .where("c.epoch", "=", epoch)
    .where("c.size", ">", size)
    .where((eb) => {
      const signed = eb.exists(
        eb
          .selectFrom("txlog_cosignature as s")
          .select("s.witness")
          .whereRef("s.group_id", "=", "c.group_id")
          .whereRef("s.epoch", "=", "c.epoch")
          .whereRef("s.size", "=", "c.size"),
      );
      return witnessed ? signed : eb.not(signed);
    });
  return query.orderBy("c.size").limit(PAGE).execute();
};

const remove = async (
  { db, groupId }: Tables,
  epoch: number,
  sizes: readonly number[],
): Promise<void> => {
  if (sizes.length === 0) return;
  await db.transaction().execute(async (tx) => {
    for (const table of ["txlog_cosignature", "txlog_checkpoint"] as const) {
      await tx
        .deleteFrom(table)
        .where("group_id", "=", groupId)
        .where("epoch", "=", epoch)
        .where("size", "in", [...sizes])
        .execute();
    }
  });
};

/** Removes checkpoints of an epoch older than a day but the last of each hour, and the last of each hour that a witness has co-signed. */
export const thin = async (tables: Tables, epoch: number, nowMs: number): Promise<number> => {
  let removed = 0;
  for (const witnessed of [false, true]) {
    let at = 0;
    for (;;) {
      const seen = await page(tables, { epoch, size: at }, witnessed);
      const old = seen.filter(({ made_at_ms }) => made_at_ms < nowMs - DAY_MS);
      const sizes = superfluous(old, seen[old.length]).map(({ size }) => size);
      await remove(tables, epoch, sizes);
      removed += sizes.length;
      const last = old.at(-1);
      if (last === undefined || seen.length < PAGE) break;
      // The last of a page may be superfluous too: it is looked at again with what follows.
      at = old.length === 1 ? last.size : last.size - 1;
    }
  }
  return removed;
};
