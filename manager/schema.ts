// The manager's own tables in manager.db: services, rules, clients, own certificates and the audit log. FSC's
// tables and those of enrolment lie in the same file and belong to their own modules.
import type { Generated, Kysely } from "kysely";
import { migrate, type Migration } from "../core/database.js";
import type { Visibility } from "./feed.js";

/** The tables. Every row is of one group. Times are milliseconds since 1970. */
export interface ManagerSchema {
  readonly manager_service: {
    readonly group_id: string;
    readonly name: string;
    readonly source_url: string;
    readonly openapi_path: string;
    readonly contact: string;
    /** Names of inways, as a JSON array. */
    readonly inways: string;
    readonly protocol: string;
    readonly visibility: Visibility;
  };
  readonly manager_access_rule: {
    /** Never given twice. */
    readonly id: Generated<number>;
    readonly group_id: string;
    /** Empty for every peer. */
    readonly peer_id: string;
    /** Empty for every service. */
    readonly service_name: string;
    readonly validity_seconds_max: number;
  };
  readonly manager_client: {
    readonly group_id: string;
    readonly name: string;
    /** SHA-256; null for a client with a certificate. */
    readonly token_hash: Uint8Array | null;
    /** As a JSON array. */
    readonly grant_hashes: string;
  };
  readonly manager_own_certificate: {
    readonly group_id: string;
    /** SHA-256 of the DER in base64url. */
    readonly thumbprint: string;
    /** The certificate and its issuers below the anchor, PEM. */
    readonly chain: string;
    readonly first_used_at_ms: number;
    /** Null while it is the one in use. */
    readonly retired_at_ms: number | null;
  };
  /** What is known of other peers beside FSC's own tables. */
  readonly manager_peer: {
    readonly group_id: string;
    readonly peer_id: string;
    /** When its manager last answered or called. */
    readonly seen_at_ms: number;
    /** Empty when it has not said. */
    readonly fsc_version: string;
  };
  readonly manager_audit: {
    readonly group_id: string;
    readonly number: number;
    readonly at_ms: number;
    readonly user_name: string;
    readonly component: string;
    readonly action: string;
    readonly request: string;
    /** Empty until the act has ended. */
    readonly outcome: string;
  };
}

const createServices = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable("manager_service")
    .addColumn("group_id", "varchar(255)", (column) => column.notNull())
    .addColumn("name", "varchar(100)", (column) => column.notNull())
    .addColumn("source_url", "text", (column) => column.notNull())
    .addColumn("openapi_path", "text", (column) => column.notNull())
    .addColumn("contact", "text", (column) => column.notNull())
    .addColumn("inways", "text", (column) => column.notNull())
    .addColumn("protocol", "varchar(100)", (column) => column.notNull())
    .addPrimaryKeyConstraint("manager_service_key", ["group_id", "name"])
    .execute();
};

const createRules = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable("manager_access_rule")
    .addColumn("id", "integer", (column) => column.primaryKey().autoIncrement())
    .addColumn("group_id", "varchar(255)", (column) => column.notNull())
    .addColumn("peer_id", "varchar(255)", (column) => column.notNull())
    .addColumn("service_name", "varchar(100)", (column) => column.notNull())
    .addColumn("validity_seconds_max", "bigint", (column) => column.notNull())
    .addUniqueConstraint("manager_access_rule_same", [
      "group_id",
      "peer_id",
      "service_name",
      "validity_seconds_max",
    ])
    .execute();
};

const createClients = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable("manager_client")
    .addColumn("group_id", "varchar(255)", (column) => column.notNull())
    .addColumn("name", "varchar(100)", (column) => column.notNull())
    .addColumn("token_hash", "blob")
    .addColumn("grant_hashes", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("manager_client_key", ["group_id", "name"])
    .execute();
};

const createCertificates = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable("manager_own_certificate")
    .addColumn("group_id", "varchar(255)", (column) => column.notNull())
    .addColumn("thumbprint", "varchar(43)", (column) => column.notNull())
    .addColumn("chain", "text", (column) => column.notNull())
    .addColumn("first_used_at_ms", "bigint", (column) => column.notNull())
    .addColumn("retired_at_ms", "bigint")
    .addPrimaryKeyConstraint("manager_own_certificate_key", ["group_id", "thumbprint"])
    .execute();
};

const createPeers = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable("manager_peer")
    .addColumn("group_id", "varchar(255)", (column) => column.notNull())
    .addColumn("peer_id", "varchar(255)", (column) => column.notNull())
    .addColumn("seen_at_ms", "bigint", (column) => column.notNull())
    .addColumn("fsc_version", "varchar(100)", (column) => column.notNull())
    .addPrimaryKeyConstraint("manager_peer_key", ["group_id", "peer_id"])
    .execute();
};

const createAudit = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable("manager_audit")
    .addColumn("group_id", "varchar(255)", (column) => column.notNull())
    .addColumn("number", "bigint", (column) => column.notNull())
    .addColumn("at_ms", "bigint", (column) => column.notNull())
    .addColumn("user_name", "text", (column) => column.notNull())
    .addColumn("component", "text", (column) => column.notNull())
    .addColumn("action", "varchar(100)", (column) => column.notNull())
    .addColumn("request", "text", (column) => column.notNull())
    .addColumn("outcome", "varchar(100)", (column) => column.notNull())
    .addPrimaryKeyConstraint("manager_audit_key", ["group_id", "number"])
    .execute();
};

const MIGRATIONS: readonly Migration[] = [
  {
    name: "services, rules, clients, certificates, peers, audit log",
    up: async (db) => {
      await createServices(db);
      await createRules(db);
      await createClients(db);
      await createCertificates(db);
      await createPeers(db);
      await createAudit(db);
    },
  },
  {
    name: "who may see a service",
    up: async (db) => {
      await db.schema
        .alterTable("manager_service")
        .addColumn("visibility", "varchar(20)", (column) => column.notNull().defaultTo("group"))
        .execute();
    },
  },
];

/** Brings the manager's own tables up to date. Throws DatabaseError when newer software wrote them. */
export const migrateManager = (db: Kysely<ManagerSchema>): Promise<void> =>
  migrate(db, "manager", MIGRATIONS);
