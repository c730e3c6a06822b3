// The enrolment codes that can still be used, as hashes, in the manager's database.
import { createHash } from "node:crypto";
import type { Kysely } from "kysely";
import { parseRole, type Role } from "../certs/internal-identity.js";
import { migrate, type Migration } from "../core/database.js";
import { parseComponentName, type ComponentName } from "../core/names.js";

/** The table. */
export interface EnrolmentSchema {
  readonly manager_enrolment_code: {
    /** SHA-256 of the secret in base64url. The secret has 128 random bits, so that a plain hash is enough. */
    readonly secret_hash: string;
    readonly role: string;
    readonly name: string;
    /** As a JSON array. */
    readonly host_names: string;
    /** Milliseconds since 1970. */
    readonly expires_at_ms: number;
  };
}

const MIGRATIONS: readonly Migration[] = [
  {
    name: "enrolment codes",
    up: async (db) => {
      await db.schema
        .createTable("manager_enrolment_code")
        .addColumn("secret_hash", "varchar(43)", (column) => column.primaryKey())
        .addColumn("role", "varchar(20)", (column) => column.notNull())
        .addColumn("name", "varchar(100)", (column) => column.notNull())
        .addColumn("expires_at_ms", "bigint", (column) => column.notNull())
        .execute();
    },
  },
  {
    name: "host names of enrolment codes",
    up: async (db) => {
      await db.schema
        .alterTable("manager_enrolment_code")
        .addColumn("host_names", "text", (column) => column.notNull().defaultTo("[]"))
        .execute();
    },
  },
];

/** What a code is good for. */
export interface Enrollee {
  readonly role: Role;
  readonly name: ComponentName;
  /** DNS names that the certificate will carry. */
  readonly hostNames: readonly string[];
}

const hashOf = (secret: Uint8Array): string =>
  createHash("sha256").update(secret).digest("base64url");

/** The codes of one manager. Each resolved call is durable. */
export class EnrolmentStore {
  private constructor(private readonly db: Kysely<EnrolmentSchema>) {}

  /** Brings the table up to date. The database stays the caller's. Throws DatabaseError when newer software wrote it. */
  static async open(db: Kysely<EnrolmentSchema>): Promise<EnrolmentStore> {
    await migrate(db, "enrolment", MIGRATIONS);
    return new EnrolmentStore(db);
  }

  /** Stores a code, unless `openMax` of them can still be used at the moment `now`. Returns whether it did. */
  async add(
    secret: Uint8Array,
    { role, name, hostNames }: Enrollee,
    { now, expiresAt, openMax }: { now: number; expiresAt: number; openMax: number },
  ): Promise<boolean> {
    return await this.db.transaction().execute(async (tx) => {
      await tx.deleteFrom("manager_enrolment_code").where("expires_at_ms", "<=", now).execute();
      const { open } = await tx
        .selectFrom("manager_enrolment_code")
        .select(({ fn }) => fn.countAll<number>().as("open"))
        .executeTakeFirstOrThrow();
      if (open >= openMax) return false;
      const values = {
        ...{ secret_hash: hashOf(secret), role, name, expires_at_ms: expiresAt },
        host_names: JSON.stringify(hostNames),
      };
      await tx.insertInto("manager_enrolment_code").values(values).execute();
      return true;
    });
  }

  /** Uses a code up. Returns what it was good for; undefined when it is unknown, was used or has expired. */
  async take(secret: Uint8Array, now: number): Promise<Enrollee | undefined> {
    const row = await this.db
      .deleteFrom("manager_enrolment_code")
      .where("secret_hash", "=", hashOf(secret))
      .returningAll()
      .executeTakeFirst();
    if (row === undefined || row.expires_at_ms <= now) return undefined;
    const [role, name] = [parseRole(row.role), parseComponentName(row.name)];
    if (role === undefined || name === undefined) return undefined;
    return { role, name, hostNames: JSON.parse(row.host_names) as readonly string[] };
  }

  /** Forgets the codes that wait for a component. */
  async forget({ role, name }: { readonly role: string; readonly name: string }): Promise<void> {
    await this.db
      .deleteFrom("manager_enrolment_code")
      .where("role", "=", role)
      .where("name", "=", name)
      .execute();
  }
}
