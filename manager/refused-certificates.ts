// The internal certificates that were revoked: durable, and looked at whenever somebody connects or renews.
import type { Kysely } from "kysely";
import { CertificateError } from "../certs/certificate-error.js";
import type { IssuedInternal } from "../certs/internal-ca.js";
import { migrate, type Migration } from "../core/database.js";
import type { InternalCaller } from "./caller.js";

/** The table. The internal CA is the organisation's, so no row is of a group. */
export interface RefusedCertificateSchema {
  readonly manager_refused_certificate: {
    /** SHA-256 of the DER in base64url. */
    readonly thumbprint: string;
    readonly role: string;
    readonly name: string;
    readonly serial_number: string;
    /** Milliseconds since 1970, as the next. */
    readonly valid_until_ms: number;
    readonly refused_at_ms: number;
  };
}

const MIGRATIONS: readonly Migration[] = [
  {
    name: "refused certificates",
    up: async (db) => {
      await db.schema
        .createTable("manager_refused_certificate")
        .addColumn("thumbprint", "varchar(43)", (column) => column.primaryKey())
        .addColumn("role", "varchar(20)", (column) => column.notNull())
        .addColumn("name", "varchar(100)", (column) => column.notNull())
        .addColumn("serial_number", "varchar(50)", (column) => column.notNull())
        .addColumn("valid_until_ms", "bigint", (column) => column.notNull())
        .addColumn("refused_at_ms", "bigint", (column) => column.notNull())
        .execute();
    },
  },
];

/** A certificate that is refused. */
export interface RefusedCertificate {
  readonly thumbprint: string;
  readonly role: string;
  readonly name: string;
  readonly serialNumber: string;
  /** Milliseconds since 1970, as the next. */
  readonly validUntil: number;
  readonly refusedAt: number;
}

/** The refused certificates of one organisation. They stay refused for ever. */
export class RefusedCertificates {
  readonly #refused = new Map<string, RefusedCertificate>();
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(private readonly db: Kysely<RefusedCertificateSchema>) {}

  /** Brings the table up to date and reads it. Throws DatabaseError when newer software wrote it. */
  static async open(db: Kysely<RefusedCertificateSchema>): Promise<RefusedCertificates> {
    await migrate(db, "refused certificates", MIGRATIONS);
    const refused = new RefusedCertificates(db);
    for (const row of await db.selectFrom("manager_refused_certificate").selectAll().execute()) {
      const { thumbprint, role, name } = row;
      refused.#refused.set(thumbprint, {
        ...{ thumbprint, role, name, serialNumber: row.serial_number },
        ...{ validUntil: row.valid_until_ms, refusedAt: row.refused_at_ms },
      });
    }
    return refused;
  }

  /** Whether a certificate is refused, by its thumbprint (`certificateThumbprint` of its identity). */
  has(thumbprint: string): boolean {
    return this.#refused.has(thumbprint);
  }

  /**
   * Lets a caller by whose certificate is not refused, and one without a certificate.
   *
   * @throws CertificateError when it is, safe to log
   */
  admit(caller: InternalCaller): InternalCaller {
    if (caller === undefined || !this.has(caller.certificateThumbprint)) return caller;
    const { role, name } = caller;
    throw new CertificateError(`the certificate of the ${role} ${name} was revoked`);
  }

  /**
   * Refuses certificates from now on; durable when it resolves, and before anybody is refused for it.
   *
   * @returns all of those asked for as they are refused, and how many were not before
   */
  async add(
    certificates: readonly IssuedInternal[],
    now: number,
  ): Promise<{ readonly refused: readonly RefusedCertificate[]; readonly added: number }> {
    const wanted = certificates.map(({ identity, serialNumber, validUntil }) => ({
      ...{ thumbprint: identity.certificateThumbprint, role: identity.role, name: identity.name },
      ...{ serialNumber, validUntil, refusedAt: now },
    }));
    const fresh = wanted.filter(({ thumbprint }) => !this.has(thumbprint));
    await this.db.transaction().execute(async (tx) => {
      for (const { serialNumber, validUntil, refusedAt, ...about } of fresh) {
        const values = { serial_number: serialNumber, valid_until_ms: validUntil };
        await tx
          .insertInto("manager_refused_certificate")
          .values({ ...about, ...values, refused_at_ms: refusedAt })
          .execute();
      }
    });
    for (const each of fresh) this.#refused.set(each.thumbprint, each);
    return {
      refused: wanted.map((each) => this.#refused.get(each.thumbprint) ?? each),
      added: fresh.length,
    };
  }

  /** At most `max` of them, the newest refusal first. */
  list(max: number): readonly RefusedCertificate[] {
    return [...this.#refused.values()]
      .sort((a, b) => b.refusedAt - a.refusedAt || (a.thumbprint < b.thumbprint ? -1 : 1))
      .slice(0, max);
  }

  /**
   * Does a work that issues or refuses certificates when those before it have ended, so that none is issued
   * between the look at what there is and its refusal. Rejects with what the work throws.
   */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return await mine;
  }
}
