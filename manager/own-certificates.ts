// The certificates that our contracts and tokens were signed with: others fetch them by their
// thumbprint long after, and our inways accept tokens of the one before until those have ended.
import type { X509Certificate } from "node:crypto";
import type { Kysely } from "kysely";
import type { Bundle } from "../certs/bundle.js";
import { readCertificates } from "../certs/pem.js";
import type { Clock } from "../core/clock.js";
import type { ManagerSchema } from "./schema.js";

/** How many of our certificates are told to others: the one in use and those that were used last before it. */
const CHAINS_MAX = 50;
const CHAIN_CERTIFICATES_MAX = 20;

interface OwnCertificate {
  readonly thumbprint: string;
  readonly chain: readonly X509Certificate[];
  readonly firstUsedAt: number;
  /** Undefined while it is in use. */
  readonly retiredAt: number | undefined;
}

/** What the certificates stand on. */
export interface OwnCertificatesParts {
  readonly db: Kysely<ManagerSchema>;
  readonly groupId: string;
  readonly clock: Clock;
  /** How long a token lives, in milliseconds. */
  readonly tokenLifetimeMs: number;
}

/** Our certificates in the group, each with its issuers below the anchor, newest first. */
export class OwnCertificates {
  readonly #with: OwnCertificatesParts;
  #known: readonly OwnCertificate[] = [];

  private constructor(parts: OwnCertificatesParts) {
    this.#with = parts;
  }

  /** Reads those that are stored, and takes the bundle in use. */
  static async open(parts: OwnCertificatesParts, bundle: Bundle): Promise<OwnCertificates> {
    const own = new OwnCertificates(parts);
    await own.use(bundle);
    return own;
  }

  /** Takes a bundle into use; the one before is retired. Durable when it resolves. */
  async use({ identity, chainPem }: Bundle): Promise<void> {
    const { db, groupId, clock } = this.#with;
    const now = clock.now();
    await db.transaction().execute(async (tx) => {
      await tx
        .updateTable("manager_own_certificate")
        .set({ retired_at_ms: now })
        .where("group_id", "=", groupId)
        .where("retired_at_ms", "is", null)
        .where("thumbprint", "!=", identity.certificateThumbprint)
        .execute();
      await tx
        .insertInto("manager_own_certificate")
        .values({
          ...{ group_id: groupId, thumbprint: identity.certificateThumbprint, chain: chainPem },
          ...{ first_used_at_ms: now, retired_at_ms: null },
        })
        .onConflict((conflict) =>
          conflict
            .columns(["group_id", "thumbprint"])
            .doUpdateSet({ chain: chainPem, retired_at_ms: null }),
        )
        .execute();
    });
    await this.#load();
  }

  /** The chains, the one in use first. */
  chains(): readonly (readonly X509Certificate[])[] {
    return this.#known.map(({ chain }) => chain);
  }

  /** The certificates whose tokens still count, the one in use first: none that has expired. */
  tokenSigners(): readonly X509Certificate[] {
    const { clock, tokenLifetimeMs } = this.#with;
    const now = clock.now();
    return this.#known.flatMap(({ chain: [leaf], retiredAt }) => {
      if (leaf === undefined || leaf.validToDate.getTime() < now) return [];
      return retiredAt === undefined || retiredAt + tokenLifetimeMs > now ? [leaf] : [];
    });
  }

  async #load(): Promise<void> {
    const rows = await this.#with.db
      .selectFrom("manager_own_certificate")
      .selectAll()
      .where("group_id", "=", this.#with.groupId)
      .execute();
    const known = rows.map((row) => ({
      thumbprint: row.thumbprint,
      chain: readCertificates(row.chain, CHAIN_CERTIFICATES_MAX),
      firstUsedAt: row.first_used_at_ms,
      retiredAt: row.retired_at_ms ?? undefined,
    }));
    const age = ({ retiredAt }: OwnCertificate): number => retiredAt ?? Number.MAX_SAFE_INTEGER;
    this.#known = known.sort((a, b) => age(b) - age(a)).slice(0, CHAINS_MAX);
  }
}
