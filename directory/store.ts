// What a directory keeps over a restart: the last announcement of each component, as it was signed.
import type { Kysely } from "kysely";
import type { Announcement, ComponentKey, SignedAnnouncement } from "../catalogue/announcement.js";
import { migrate, type Migration } from "../core/database.js";
import { SignedAnnouncement as wireSigned } from "../proto/gen/schakel/directory/v1/directory.js";

/** The directory's tables. */
export interface DirectorySchema {
  readonly directory_component: {
    readonly group_id: string;
    /** `{peer id}/{kind}/{component}`. */
    readonly component_key: string;
    /** 1 while its lease runs. A component that is gone stays, so that its sequence number stays known. */
    readonly live: number;
    /** Milliseconds since 1970. */
    readonly valid_until_ms: number;
    /** A serialised SignedAnnouncement. */
    readonly signed: Uint8Array;
  };
}

const MIGRATIONS: readonly Migration[] = [
  {
    name: "components",
    up: async (db) => {
      await db.schema
        .createTable("directory_component")
        .addColumn("group_id", "varchar(255)", (column) => column.notNull())
        .addColumn("component_key", "varchar(400)", (column) => column.notNull())
        .addColumn("live", "integer", (column) => column.notNull())
        .addColumn("valid_until_ms", "bigint", (column) => column.notNull())
        .addColumn("signed", "blob", (column) => column.notNull())
        .addPrimaryKeyConstraint("directory_component_key", ["group_id", "component_key"])
        .execute();
    },
  },
];

/** A component as it was stored, not verified. */
export interface StoredComponent {
  readonly live: boolean;
  readonly signed: SignedAnnouncement;
}

/** The tables of one directory for one group. Each resolved call is durable. */
export interface DirectoryStore {
  /** Everything stored, also components that are gone. */
  load(): Promise<readonly StoredComponent[]>;
  /** Stores a live component's announcement in place of the one before. */
  save(announcement: Announcement): Promise<void>;
  /** Marks components as gone. */
  end(keys: readonly ComponentKey[]): Promise<void>;
  /** Forgets what nobody can use any more: what is gone and was valid until `now`, in milliseconds since 1970. */
  forget(now: number): Promise<void>;
}

const encode = (signed: SignedAnnouncement): Uint8Array =>
  wireSigned.encode({ ...signed, certificateChain: [...signed.certificateChain] }).finish();

const queries = (db: Kysely<DirectorySchema>, groupId: string): DirectoryStore => ({
  load: async () => {
    const rows = await db
      .selectFrom("directory_component")
      .select(["live", "signed"])
      .where("group_id", "=", groupId)
      .orderBy("component_key")
      .execute();
    return rows.map(({ live, signed }) => ({
      live: live === 1,
      signed: wireSigned.decode(signed),
    }));
  },
  save: async ({ key, validUntil, signed }) => {
    const values = { live: 1, valid_until_ms: validUntil, signed: encode(signed) };
    await db
      .insertInto("directory_component")
      .values({ group_id: groupId, component_key: key, ...values })
      .onConflict((conflict) => conflict.columns(["group_id", "component_key"]).doUpdateSet(values))
      .execute();
  },
  end: async (keys) => {
    await db.transaction().execute(async (tx) => {
      for (const key of keys) {
        await tx
          .updateTable("directory_component")
          .set({ live: 0 })
          .where("group_id", "=", groupId)
          .where("component_key", "=", key)
          .execute();
      }
    });
  },
  forget: async (now) => {
    await db
      .deleteFrom("directory_component")
      .where("group_id", "=", groupId)
      .where("live", "=", 0)
      .where("valid_until_ms", "<=", now)
      .execute();
  },
});

/**
 * Brings the directory's tables up to date and gives access to them.
 *
 * @param db its owner closes it
 * @throws DatabaseError when newer software wrote it
 */
export const openDirectoryStore = async (
  db: Kysely<DirectorySchema>,
  groupId: string,
): Promise<DirectoryStore> => {
  await migrate(db, "directory", MIGRATIONS);
  return queries(db, groupId);
};
