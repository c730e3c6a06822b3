// The audit log: every administrative act, written before it is made, its outcome after. A record is never
// changed but for its outcome, and never removed.
import { createHash } from "node:crypto";
import { isUtf8 } from "node:buffer";
import { sql, type Kysely } from "kysely";
import type { Clock } from "../core/clock.js";
import { toSchakelError, type ErrorCode } from "../core/errors.js";
import type { Log } from "../core/log.js";
import type { ManagerSchema } from "./schema.js";

/** How long a subject may be, in characters; of a longer one its hash and its size are kept. */
const SUBJECT_MAX = 64 * 1024;

/** Who acts. */
export interface Actor {
  /** The person that the caller named, else the caller's certificate; "rule {id}" for a rule. */
  readonly user: string;
  /** Role and name of the certificate, "cli/alice"; empty for a rule. */
  readonly component: string;
}

/** An act that is about to be made. */
export interface Act extends Actor {
  /** The method, for example "RequestAccess". */
  readonly action: string;
  /** The request as JSON without secrets. */
  readonly request: string;
}

/** An act with when it began and how it ended. */
export interface AuditRecord extends Act {
  /** Rises by one from 1. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** "succeeded", an error's code, or empty: the process ended before the act did, or it still runs. */
  readonly outcome: string;
}

const written = (bytes: Uint8Array): string =>
  isUtf8(bytes) ? Buffer.from(bytes).toString() : Buffer.from(bytes).toString("base64");

const isAbsent = (value: unknown): boolean =>
  value === undefined ||
  value === "" ||
  value === 0 ||
  value === 0n ||
  value === false ||
  (Array.isArray(value) && value.length === 0);

/** A request as it stands in the audit log: JSON without the members that were left out. It must hold no secret. */
export const subjectOf = (request: object): string => {
  const text = JSON.stringify(request, function (this: Record<string, unknown>, name) {
    const value = this[name];
    if (isAbsent(value) && !Array.isArray(this)) return undefined;
    if (typeof value === "bigint") return Number(value);
    return value instanceof Uint8Array ? written(value) : value;
  });
  if (text.length <= SUBJECT_MAX) return text;
  const sha256 = createHash("sha256").update(text).digest("hex");
  return JSON.stringify({ characters: text.length, sha256 });
};

/** What an audit log stands on. */
export interface AuditParts {
  readonly db: Kysely<ManagerSchema>;
  readonly groupId: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** The audit log of one group. */
export class AuditLog {
  readonly #with: AuditParts;

  constructor(parts: AuditParts) {
    this.#with = parts;
  }

  /**
   * Makes an act: its record is durable before `work` begins, and has its outcome when this ends. When
   * the record cannot be written, nothing is done. Acts may run at once.
   *
   * @returns what the work gives, and rejects with what it throws
   */
  async record<T>(act: Act, work: () => Promise<T> | T): Promise<T> {
    const number = await this.#begin(act);
    let result: T;
    try {
      result = await work();
    } catch (error) {
      await this.#end(number, toSchakelError(error).code);
      throw error;
    }
    await this.#end(number, "succeeded");
    return result;
  }

  /**
   * One page of records, newest first.
   *
   * @param before only records with a lower number; undefined for the newest
   */
  async list(before: number | undefined, limit: number): Promise<readonly AuditRecord[]> {
    const { db, groupId } = this.#with;
    const rows = await db
      .selectFrom("manager_audit")
      .selectAll()
      .where("group_id", "=", groupId)
      .where("number", "<", before ?? Number.MAX_SAFE_INTEGER)
      .orderBy("number", "desc")
      .limit(limit)
      .execute();
    return rows.map((row) => ({
      ...{ number: row.number, at: row.at_ms, user: row.user_name, component: row.component },
      ...{ action: row.action, request: row.request, outcome: row.outcome },
    }));
  }

  async #begin({ user, component, action, request }: Act): Promise<number> {
    const { db, groupId, clock } = this.#with;
    // One statement: no two acts get one number, and no number is left out.
    const next = sql<number>`(select coalesce(max(number), 0) + 1 from manager_audit where group_id = ${groupId})`;
    const { number } = await db
      .insertInto("manager_audit")
      .values({
        ...{ group_id: groupId, number: next, at_ms: clock.now(), user_name: user },
        ...{ component, action, request, outcome: "" },
      })
      .returning("number")
      .executeTakeFirstOrThrow();
    return number;
  }

  // The act has been made or not, whatever becomes of this record: its caller hears of the act.
  async #end(number: number, outcome: ErrorCode | "succeeded"): Promise<void> {
    const { db, groupId, log } = this.#with;
    try {
      await db
        .updateTable("manager_audit")
        .set({ outcome })
        .where("group_id", "=", groupId)
        .where("number", "=", number)
        .execute();
    } catch (error) {
      log.error({ err: error, number, outcome }, "the outcome of an act could not be recorded");
    }
  }
}
