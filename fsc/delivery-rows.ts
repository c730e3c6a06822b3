// The queue of deliveries in the database: one row for each contract, type of our signature, and party.
import { sql } from "kysely";
import type { ContractContent } from "../contracts/content.js";
import type { ContentHash } from "../contracts/hash.js";
import { partiesOf } from "../contracts/state.js";
import type { SignatureType } from "../contracts/signature.js";
import type { PeerId } from "../core/names.js";
import type { DeliveryRow, FscDatabase } from "./schema.js";

/** No delivery waits longer than this, in milliseconds (Digikoppeling). */
export const DELIVERY_WAIT_MAX_MS = 300_000;

/** A signature of ours and a party, as the screens show it. */
export interface Delivery {
  readonly party: PeerId;
  readonly type: SignatureType;
  /** How many times it has been tried. */
  readonly attempts: number;
  /** Why the last try failed; undefined when none has, or when it arrived. */
  readonly lastError: string | undefined;
  /** When it is tried next, milliseconds since 1970; undefined when it arrived or the contract has ended. */
  readonly nextAttemptAt: number | undefined;
  /** When the party's manager accepted it, milliseconds since 1970. */
  readonly deliveredAt: number | undefined;
}

/** What is to be delivered. */
export interface ToDeliver {
  readonly hash: ContentHash;
  readonly content: ContractContent;
  readonly type: SignatureType;
  readonly own: PeerId;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Queues our signature for every other party, anew when an earlier one of this type was queued or has arrived. */
export const queueDeliveries = async (
  tx: FscDatabase,
  { hash, content, type, own, now }: ToDeliver,
): Promise<void> => {
  const parties = [...partiesOf(content)].filter((party) => party !== own);
  if (parties.length === 0) return;
  const anew = { failures: 0, next_attempt_ms: now, last_error: null, delivered_ms: null };
  await tx
    .insertInto("fsc_delivery")
    .values(
      parties.map((party) => ({
        ...{ group_id: content.group_id, hash, type, party, ...anew },
        ...{ generation: 1, attempts: 0, arrived_once: 0 },
      })),
    )
    .onConflict((conflict) =>
      conflict
        .columns(["group_id", "hash", "type", "party"])
        .doUpdateSet((eb) => ({ ...anew, generation: eb("fsc_delivery.generation", "+", 1) })),
    )
    .execute();
};

/** The deliveries of a contract, by party. */
export const readDeliveries = async (
  db: FscDatabase,
  groupId: string,
  hash: ContentHash,
  now: number,
): Promise<readonly Delivery[]> => {
  const rows = await db
    .selectFrom("fsc_delivery as delivery")
    .innerJoin("fsc_contract as contract", (join) =>
      join
        .onRef("contract.group_id", "=", "delivery.group_id")
        .onRef("contract.hash", "=", "delivery.hash"),
    )
    .selectAll("delivery")
    .select("contract.not_after")
    .where("delivery.group_id", "=", groupId)
    .where("delivery.hash", "=", hash)
    .orderBy("delivery.party")
    .orderBy("delivery.type")
    .execute();
  return rows.map((row) => ({
    party: row.party as PeerId,
    type: row.type,
    attempts: row.attempts,
    lastError: row.last_error ?? undefined,
    nextAttemptAt:
      row.delivered_ms !== null || row.not_after < Math.floor(now / 1000)
        ? undefined
        : row.next_attempt_ms,
    deliveredAt: row.delivered_ms ?? undefined,
  }));
};

/** Which deliveries are looked for. */
export interface DueQuery {
  readonly groupId: string;
  readonly now: number;
  /** These are being served already. */
  readonly busy: readonly PeerId[];
}

// What has not arrived, of contracts that have not ended.
const pending = (db: FscDatabase, { groupId, now, busy }: DueQuery) => {
  const rows = db
    .selectFrom("fsc_delivery as delivery")
    .innerJoin("fsc_contract as contract", (join) =>
      join
        .onRef("contract.group_id", "=", "delivery.group_id")
        .onRef("contract.hash", "=", "delivery.hash"),
    )
    .where("delivery.group_id", "=", groupId)
    .where("delivery.delivered_ms", "is", null)
    .where("contract.not_after", ">=", Math.floor(now / 1000));
  return busy.length === 0 ? rows : rows.where("delivery.party", "not in", busy);
};

/** How many deliveries have not arrived, of contracts that have not ended. */
export const countPending = async (db: FscDatabase, query: DueQuery): Promise<number> => {
  const { count } = await pending(db, query)
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  return count;
};

const due = (db: FscDatabase, query: DueQuery) =>
  pending(db, query).where((eb) =>
    eb.or([
      eb("delivery.next_attempt_ms", "<=", query.now),
      // Later than any wait: set before the clock was set back.
      eb("delivery.next_attempt_ms", ">", query.now + DELIVERY_WAIT_MAX_MS),
    ]),
  );

/** The parties that something is due for, those that have waited longest first. */
export const dueParties = async (
  db: FscDatabase,
  query: DueQuery,
  limit: number,
): Promise<readonly PeerId[]> => {
  const rows = await due(db, query)
    .select("delivery.party")
    .select(({ fn }) => fn.min("delivery.next_attempt_ms").as("first"))
    .groupBy("delivery.party")
    .orderBy("first")
    .orderBy("delivery.party")
    .limit(limit)
    .execute();
  return rows.map(({ party }) => party as PeerId);
};

/** What is due for one party: what has failed least first, so that nothing stands before all else for ever; then as it was stored. */
export const dueFor = (
  db: FscDatabase,
  query: DueQuery,
  party: PeerId,
  limit: number,
): Promise<readonly DeliveryRow[]> =>
  due(db, query)
    .selectAll("delivery")
    .where("delivery.party", "=", party)
    .orderBy("delivery.failures")
    .orderBy("contract.position")
    .orderBy("delivery.type")
    .limit(limit)
    .execute();

/** Makes all that waits for a party due from a moment on. */
const dueFrom = (db: FscDatabase, groupId: string, party: PeerId, ms: number) =>
  db
    .updateTable("fsc_delivery")
    .set({ next_attempt_ms: ms })
    .where("group_id", "=", groupId)
    .where("party", "=", party)
    .where("delivered_ms", "is", null);

/** Lets what is due for a party stand behind all that is due for others. */
export const queueBehind = async (
  db: FscDatabase,
  { groupId, now }: DueQuery,
  party: PeerId,
): Promise<void> => {
  await dueFrom(db, groupId, party, now).where("next_attempt_ms", "<", now).execute();
};

/** When something is due next, milliseconds since 1970; undefined when nothing waits. */
export const nextDue = async (db: FscDatabase, query: DueQuery): Promise<number | undefined> => {
  const row = await pending(db, query)
    .select(({ fn }) => fn.min<number | null>("delivery.next_attempt_ms").as("first"))
    .executeTakeFirst();
  return row?.first ?? undefined;
};

/** Makes all that waits for a party due. */
export const hastenDeliveries = async (
  db: FscDatabase,
  groupId: string,
  party: PeerId,
  now: number,
): Promise<void> => {
  await dueFrom(db, groupId, party, now).execute();
};

/** It has not arrived: why, and when it is tried next. */
export interface NotDelivered {
  readonly error: string;
  readonly nextAttemptAt: number;
  /** How many failures in a row that makes; undefined when it was put off without being tried. */
  readonly failures: number | undefined;
}

/** What came of a try, or of a round. */
export type DeliveryOutcome = { readonly deliveredAt: number } | NotDelivered;

/** Who writes an outcome: the holder of a lease, under its fencing token. */
export interface Writer {
  readonly lease: string;
  readonly token: number;
}

/**
 * Writes what came of a try, unless the signature was made again meanwhile, or another process has taken the
 * lease since.
 */
export const writeOutcome = async (
  db: FscDatabase,
  row: DeliveryRow,
  outcome: DeliveryOutcome,
  { lease, token }: Writer,
): Promise<void> => {
  const tried = !("error" in outcome) || outcome.failures !== undefined;
  const values =
    "error" in outcome
      ? {
          failures: outcome.failures ?? row.failures,
          ...{ last_error: outcome.error, next_attempt_ms: outcome.nextAttemptAt },
        }
      : {
          ...{ failures: 0, last_error: null },
          ...{ delivered_ms: outcome.deliveredAt, arrived_once: 1 },
        };
  await db
    .updateTable("fsc_delivery")
    .set({ ...values, attempts: row.attempts + (tried ? 1 : 0) })
    .where("group_id", "=", row.group_id)
    .where("hash", "=", row.hash)
    .where("type", "=", row.type)
    .where("party", "=", row.party)
    .where("generation", "=", row.generation)
    .where(
      sql<boolean>`exists (select 1 from fsc_lease where group_id = ${row.group_id} and name = ${lease} and token = ${token})`,
    )
    .execute();
};
