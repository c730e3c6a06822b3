// The inways and outways that have been connected, in the manager's database.
import type { Kysely } from "kysely";
import { formatAddress } from "../core/address.js";
import { migrate, type Migration } from "../core/database.js";
import type { Registration, StreamingRole } from "./registration.js";

/** The table. */
export interface ComponentSchema {
  readonly manager_component: {
    readonly group_id: string;
    readonly role: string;
    readonly name: string;
    /** Empty for an outway. */
    readonly address: string;
    readonly public_key_thumbprint: string;
    readonly version: string;
    /** When its stream was last known to be open, milliseconds since 1970. */
    readonly seen_at_ms: number;
  };
}

const MIGRATIONS: readonly Migration[] = [
  {
    name: "components",
    up: async (db) => {
      await db.schema
        .createTable("manager_component")
        .addColumn("group_id", "varchar(255)", (column) => column.notNull())
        .addColumn("role", "varchar(20)", (column) => column.notNull())
        .addColumn("name", "varchar(100)", (column) => column.notNull())
        .addColumn("address", "varchar(300)", (column) => column.notNull())
        .addColumn("public_key_thumbprint", "varchar(64)", (column) => column.notNull())
        .addColumn("version", "varchar(100)", (column) => column.notNull())
        .addColumn("seen_at_ms", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("manager_component_key", ["group_id", "role", "name"])
        .execute();
    },
  },
];

/** A component that has been connected. */
export interface SeenComponent {
  readonly role: StreamingRole;
  readonly name: string;
  /** "host:port"; empty for an outway. */
  readonly address: string;
  readonly publicKeyThumbprint: string;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly seenAt: number;
}

/** The table for one group. Each resolved call is durable. */
export class ComponentStore {
  private constructor(
    private readonly db: Kysely<ComponentSchema>,
    private readonly groupId: string,
  ) {}

  /** Brings the table up to date. The database stays the caller's. Throws DatabaseError when newer software wrote it. */
  static async open(db: Kysely<ComponentSchema>, groupId: string): Promise<ComponentStore> {
    await migrate(db, "components", MIGRATIONS);
    return new ComponentStore(db, groupId);
  }

  /** Stores that a component's stream is open, in place of what was known of it. */
  async put({ role, name, ...about }: Registration, now: number): Promise<void> {
    const values = {
      address: about.address === undefined ? "" : formatAddress(about.address),
      public_key_thumbprint: about.publicKeyThumbprint,
      version: about.version,
      seen_at_ms: now,
    };
    await this.db
      .insertInto("manager_component")
      .values({ group_id: this.groupId, role, name, ...values })
      .onConflict((conflict) => conflict.columns(["group_id", "role", "name"]).doUpdateSet(values))
      .execute();
  }

  /** The components by role and name, at most `max`. */
  async list(max: number): Promise<readonly SeenComponent[]> {
    const rows = await this.db
      .selectFrom("manager_component")
      .selectAll()
      .where("group_id", "=", this.groupId)
      .orderBy("role")
      .orderBy("name")
      .limit(max)
      .execute();
    return rows.map((row) => ({
      role: row.role === "inway" ? "inway" : "outway",
      name: row.name,
      address: row.address,
      publicKeyThumbprint: row.public_key_thumbprint,
      version: row.version,
      seenAt: row.seen_at_ms,
    }));
  }

  /** Forgets the components longest unseen until there are `max`. */
  async forgetBeyond(max: number): Promise<void> {
    const kept = this.db
      .selectFrom("manager_component as kept")
      .select("kept.seen_at_ms")
      .where("kept.group_id", "=", this.groupId)
      .orderBy("kept.seen_at_ms", "desc")
      .offset(max)
      .limit(1);
    await this.db
      .deleteFrom("manager_component")
      .where("group_id", "=", this.groupId)
      .where("seen_at_ms", "<=", kept)
      .execute();
  }
}
