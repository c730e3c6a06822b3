// The tables of the contract book and of the peers, and their migrations. The group id is in every key.
import type { Kysely } from "kysely";
import type { SignatureType } from "../contracts/signature.js";
import type { ContractDecision } from "../contracts/state.js";
import type { LeaseRow } from "../core/lease.js";
import { migrate, type Migration } from "../core/database.js";

/** A contract. Its content never changes. */
export interface ContractRow {
  readonly group_id: string;
  readonly hash: string;
  /** Its place in lists: rises in the order in which contracts were stored. */
  readonly position: number;
  /** The canonical form. */
  readonly content: string;
  /** The peer that brought it; our own peer for a contract that we propose. */
  readonly submitter: string;
  /** What follows from the signatures: written with them. */
  readonly decision: ContractDecision;
  /** Seconds since 1970. */
  readonly not_after: number;
  readonly stored_at_ms: number;
}

/** A signature that was verified: one a signer and type. */
export interface SignatureRow {
  readonly group_id: string;
  readonly hash: string;
  readonly signer: string;
  readonly type: SignatureType;
  /** Seconds since 1970. */
  readonly signed_at: number;
  readonly jws: string;
  readonly certificate_thumbprint: string;
}

/** A signature of ours on its way to a party, also after it has arrived. */
export interface DeliveryRow {
  readonly group_id: string;
  readonly hash: string;
  readonly type: SignatureType;
  readonly party: string;
  /** Rises when the signature is made again: what was sent before says nothing of it. */
  readonly generation: number;
  /** How many times it has been tried. */
  readonly attempts: number;
  /** How many times in a row it has failed. */
  readonly failures: number;
  readonly next_attempt_ms: number;
  readonly last_error: string | null;
  readonly delivered_ms: number | null;
  /** 1 when an earlier generation, or this one, has arrived: the party has the contract. */
  readonly arrived_once: number;
}

/** A peer that negotiated, announced itself, or that a directory lists. */
export interface PeerRow {
  readonly group_id: string;
  readonly peer_id: string;
  readonly name: string;
  /** The name in lower case, for searching. */
  readonly name_folded: string;
  readonly manager_address: string;
  /** What of this peer's was refused last, for the screens. */
  readonly refusal: string | null;
  readonly refused_ms: number | null;
}

/** All tables of fsc/. */
export interface FscSchema {
  readonly fsc_contract: ContractRow;
  readonly fsc_contract_party: {
    readonly group_id: string;
    readonly hash: string;
    readonly peer_id: string;
  };
  readonly fsc_grant: {
    readonly group_id: string;
    readonly grant_hash: string;
    readonly hash: string;
    readonly type: string;
    readonly service_name: string;
  };
  readonly fsc_signature: SignatureRow;
  /** Which content a peer brought under an iv. */
  readonly fsc_iv: {
    readonly group_id: string;
    readonly peer_id: string;
    readonly iv: string;
    readonly hash: string;
  };
  readonly fsc_certificate: {
    readonly group_id: string;
    readonly peer_id: string;
    /** SHA-256 of the first certificate in base64url. */
    readonly thumbprint: string;
    /** PEM, the peer's certificate first, then its issuers. */
    readonly chain: string;
    readonly stored_at_ms: number;
  };
  readonly fsc_peer: PeerRow;
  readonly fsc_delivery: DeliveryRow;
  readonly fsc_lease: LeaseRow;
}

/** A connection, or a transaction on one. */
export type FscDatabase = Kysely<FscSchema>;

const TEXT = "varchar(255)";

const createContracts = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable("fsc_contract")
    .addColumn("group_id", TEXT, (column) => column.notNull())
    .addColumn("hash", TEXT, (column) => column.notNull())
    .addColumn("position", "bigint", (column) => column.notNull())
    .addColumn("content", "text", (column) => column.notNull())
    .addColumn("submitter", TEXT, (column) => column.notNull())
    .addColumn("decision", TEXT, (column) => column.notNull())
    .addColumn("not_after", "bigint", (column) => column.notNull())
    .addColumn("stored_at_ms", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("fsc_contract_key", ["group_id", "hash"])
    .addUniqueConstraint("fsc_contract_position", ["group_id", "position"])
    .execute();
  await db.schema
    .createIndex("fsc_contract_submitter")
    .on("fsc_contract")
    .columns(["group_id", "submitter", "decision"])
    .execute();
  await db.schema
    .createTable("fsc_contract_party")
    .addColumn("group_id", TEXT, (column) => column.notNull())
    .addColumn("hash", TEXT, (column) => column.notNull())
    .addColumn("peer_id", TEXT, (column) => column.notNull())
    .addPrimaryKeyConstraint("fsc_contract_party_key", ["group_id", "peer_id", "hash"])
    .execute();
  await db.schema
    .createTable("fsc_grant")
    .addColumn("group_id", TEXT, (column) => column.notNull())
    .addColumn("grant_hash", TEXT, (column) => column.notNull())
    .addColumn("hash", TEXT, (column) => column.notNull())
    .addColumn("type", TEXT, (column) => column.notNull())
    .addColumn("service_name", TEXT, (column) => column.notNull())
    .addPrimaryKeyConstraint("fsc_grant_key", ["group_id", "grant_hash"])
    .execute();
  await db.schema
    .createIndex("fsc_grant_contract")
    .on("fsc_grant")
    .columns(["group_id", "hash"])
    .execute();
};

const createSignatures = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable("fsc_signature")
    .addColumn("group_id", TEXT, (column) => column.notNull())
    .addColumn("hash", TEXT, (column) => column.notNull())
    .addColumn("signer", TEXT, (column) => column.notNull())
    .addColumn("type", TEXT, (column) => column.notNull())
    .addColumn("signed_at", "bigint", (column) => column.notNull())
    .addColumn("jws", "text", (column) => column.notNull())
    .addColumn("certificate_thumbprint", TEXT, (column) => column.notNull())
    .addPrimaryKeyConstraint("fsc_signature_key", ["group_id", "hash", "signer", "type"])
    .execute();
  await db.schema
    .createIndex("fsc_signature_certificate")
    .on("fsc_signature")
    .columns(["group_id", "signer", "certificate_thumbprint"])
    .execute();
  await db.schema
    .createTable("fsc_iv")
    .addColumn("group_id", TEXT, (column) => column.notNull())
    .addColumn("peer_id", TEXT, (column) => column.notNull())
    .addColumn("iv", TEXT, (column) => column.notNull())
    .addColumn("hash", TEXT, (column) => column.notNull())
    .addPrimaryKeyConstraint("fsc_iv_key", ["group_id", "peer_id", "iv"])
    .execute();
  await db.schema
    .createTable("fsc_certificate")
    .addColumn("group_id", TEXT, (column) => column.notNull())
    .addColumn("peer_id", TEXT, (column) => column.notNull())
    .addColumn("thumbprint", TEXT, (column) => column.notNull())
    .addColumn("chain", "text", (column) => column.notNull())
    .addColumn("stored_at_ms", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("fsc_certificate_key", ["group_id", "thumbprint"])
    .execute();
  await db.schema
    .createIndex("fsc_certificate_peer")
    .on("fsc_certificate")
    .columns(["group_id", "peer_id"])
    .execute();
};

const createPeers = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable("fsc_peer")
    .addColumn("group_id", TEXT, (column) => column.notNull())
    .addColumn("peer_id", TEXT, (column) => column.notNull())
    .addColumn("name", TEXT, (column) => column.notNull())
    .addColumn("name_folded", "text", (column) => column.notNull())
    .addColumn("manager_address", "varchar(300)", (column) => column.notNull())
    .addColumn("refusal", "text")
    .addColumn("refused_ms", "bigint")
    .addPrimaryKeyConstraint("fsc_peer_key", ["group_id", "peer_id"])
    .execute();
};

const createDeliveries = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable("fsc_delivery")
    .addColumn("group_id", TEXT, (column) => column.notNull())
    .addColumn("hash", TEXT, (column) => column.notNull())
    .addColumn("type", TEXT, (column) => column.notNull())
    .addColumn("party", TEXT, (column) => column.notNull())
    .addColumn("generation", "integer", (column) => column.notNull())
    .addColumn("attempts", "integer", (column) => column.notNull())
    .addColumn("failures", "integer", (column) => column.notNull())
    .addColumn("next_attempt_ms", "bigint", (column) => column.notNull())
    .addColumn("last_error", "text")
    .addColumn("delivered_ms", "bigint")
    .addColumn("arrived_once", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("fsc_delivery_key", ["group_id", "hash", "type", "party"])
    .execute();
  await db.schema
    .createIndex("fsc_delivery_due")
    .on("fsc_delivery")
    .columns(["group_id", "delivered_ms", "next_attempt_ms"])
    .execute();
  await db.schema
    .createTable("fsc_lease")
    .addColumn("group_id", TEXT, (column) => column.notNull())
    .addColumn("name", TEXT, (column) => column.notNull())
    .addColumn("holder", TEXT, (column) => column.notNull())
    .addColumn("token", "bigint", (column) => column.notNull())
    .addColumn("expires_ms", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("fsc_lease_key", ["group_id", "name"])
    .execute();
};

const MIGRATIONS: readonly Migration[] = [
  {
    name: "contracts, signatures, peers and deliveries",
    up: async (db) => {
      await createContracts(db);
      await createSignatures(db);
      await createPeers(db);
      await createDeliveries(db);
    },
  },
];

/** Brings the tables of fsc/ up to date. Throws DatabaseError when newer software wrote them. */
export const migrateFsc = (db: FscDatabase): Promise<void> => migrate(db, "fsc", MIGRATIONS);
