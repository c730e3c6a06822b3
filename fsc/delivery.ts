// Delivering our signatures to the other parties: from a durable queue, again and again until each has
// accepted it or the contract has ended. What is due is served in rounds, so that a test can drive them.
import { randomUUID } from "node:crypto";
import type { SubmissionKind } from "./manager-interface.js";
import { RemoteError } from "./manager-interface.js";
import type { ContentHash } from "../contracts/hash.js";
import { FSC_VERSION } from "../contracts/content.js";
import type { PeerId } from "../core/names.js";
import { backoffMs } from "../core/retry.js";
import { ownPeerId, type BookParts } from "./book-parts.js";
import { readContract } from "./contract-rows.js";
import {
  DELIVERY_WAIT_MAX_MS,
  dueFor,
  dueParties,
  hastenDeliveries,
  nextDue,
  queueBehind,
  writeOutcome,
  type DeliveryOutcome,
  type DueQuery,
  type NotDelivered,
} from "./delivery-rows.js";
import { Lease } from "../core/lease.js";
import type { DeliveryRow, FscSchema } from "./schema.js";
import type { StoredContract } from "./stored-contract.js";

const LEASE = "delivery";
/** How long another process waits before it takes over from one that has died. */
export const DELIVERY_LEASE_MS = 5_000;
const BACKOFF = { firstMs: 1_000, maxMs: DELIVERY_WAIT_MAX_MS };
const ROWS_AT_ONCE = 100;
const ERROR_LENGTH_MAX = 1000;
/** How long a party is left alone after its deliveries could not be read or written. */
const BROKEN_MS = 30_000;

const textOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, ERROR_LENGTH_MAX);

/** One try: what came of it, or why the party's manager gave no answer, to this or anything. */
type Tried = { readonly outcome: DeliveryOutcome } | { readonly silence: string };

/** What `DeliveryRounds.start` has begun. */
export interface Begun {
  /** Resolves when the parties that were begun have been served; never rejects. */
  readonly served: Promise<void>;
  /** How long until something else is due, in milliseconds; undefined when nothing is known to be. */
  readonly nextMs: number | undefined;
}

const nothing = Promise.resolve();

/** Serves the queue. */
export class DeliveryRounds {
  readonly #parts: BookParts;
  readonly #lease: Lease<FscSchema>;
  readonly #busy = new Set<PeerId>();
  /** Parties that are left alone, until when. */
  readonly #broken = new Map<PeerId, number>();
  readonly #running = new Set<Promise<void>>();
  #finished: () => void = () => undefined;

  constructor(parts: BookParts) {
    this.#parts = parts;
    const { db, groups, clock } = parts;
    this.#lease = new Lease({
      table: "fsc_lease",
      ...{ db, groupId: groups.current.id, name: LEASE, clock },
      ...{ holder: randomUUID(), durationMs: DELIVERY_LEASE_MS },
    });
  }

  /** Has a function called whenever a party has been served: more may be due for it. */
  onFinished(finished: () => void): void {
    this.#finished = finished;
  }

  get #query(): DueQuery {
    const { groups, clock } = this.#parts;
    const now = clock.now();
    const broken = [...this.#broken].filter(([, until]) => until > now).map(([party]) => party);
    return { groupId: groups.current.id, now, busy: [...this.#busy, ...broken] };
  }

  /**
   * Begins to serve the parties that something is due for, as many as may be served at a time.
   *
   * Resolves when they are being served.
   */
  async start(): Promise<Begun> {
    const { db, clock, limits } = this.#parts;
    let served = nothing;
    const free = limits.partiesAtOnce - this.#busy.size;
    const parties = free > 0 ? await dueParties(db, this.#query, free) : [];
    if (parties.length > 0) {
      const held = await this.#lease.hold();
      const { token } = held;
      if (token === undefined) return { served: nothing, nextMs: held.until - clock.now() };
      served = Promise.all(parties.map((party) => this.#begin(party, token))).then(() => undefined);
    }
    // When none is free, the end of one that is served is what to wait for.
    const isFull = this.#busy.size >= limits.partiesAtOnce;
    const next = isFull ? undefined : await nextDue(db, this.#query);
    return { served, nextMs: next === undefined ? undefined : Math.max(0, next - clock.now()) };
  }

  #begin(party: PeerId, token: number): Promise<void> {
    this.#busy.add(party);
    const running = this.#serve(party, token)
      .catch((error: unknown) => {
        const { clock, log } = this.#parts;
        this.#broken.set(party, clock.now() + BROKEN_MS);
        log.error({ err: error, party }, "signatures are not delivered");
      })
      .finally(() => {
        this.#busy.delete(party);
        this.#running.delete(running);
        this.#finished();
      });
    this.#running.add(running);
    return running;
  }

  /** Resolves when all that `start` has begun has ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Lets another process deliver at once. */
  release(): Promise<void> {
    return this.#lease.release();
  }

  /** Makes all that waits for a party due now. */
  hasten(party: PeerId): Promise<void> {
    const { db, groups, clock } = this.#parts;
    return hastenDeliveries(db, groups.current.id, party, clock.now());
  }

  async #serve(party: PeerId, token: number): Promise<void> {
    const { db, clock, limits } = this.#parts;
    const until = clock.monotonic() + limits.partyRoundMs;
    const rows = await dueFor(db, { ...this.#query, busy: [] }, party, ROWS_AT_ONCE);
    const failures = Math.max(0, ...rows.map((row) => row.failures)) + 1;
    let putOff: DeliveryOutcome | undefined;
    for (const row of rows) {
      if (clock.monotonic() >= until) break;
      // A manager that does not answer is asked once a round, not once for each contract.
      const tried = putOff === undefined ? await this.#try(row, party) : { outcome: putOff };
      const outcome = "silence" in tried ? this.#failed(tried.silence, failures) : tried.outcome;
      if ("silence" in tried)
        putOff = { ...this.#failed(tried.silence, failures), failures: undefined };
      await writeOutcome(db, row, outcome, { lease: LEASE, token });
    }
    // What is left of a slow party, or of one with much, would be what has waited longest, and come first again.
    await queueBehind(db, this.#query, party);
  }

  async #try(row: DeliveryRow, party: PeerId): Promise<Tried> {
    const { client, peers, clock, groups, db, log } = this.#parts;
    const contract = await readContract(db, groups.current.id, row.hash as ContentHash);
    const own = ownPeerId(this.#parts);
    const signature = contract?.signatures.find(
      (each) => each.signer === own && each.type === row.type,
    );
    if (contract === undefined || signature === undefined) {
      throw new TypeError("a delivery has no signature");
    }
    const address = await peers.addressOf(party);
    if (address === undefined) {
      return { silence: `it is not known where the manager of peer ${party} is` };
    }
    const endpoint = { peerId: party, address };
    try {
      const kind = await this.#kindOf(row, own);
      const submission = { content: contract.content, signature: signature.jws };
      await client.submit(endpoint, kind, submission, contract.hash);
      return { outcome: { deliveredAt: clock.now() } };
    } catch (error) {
      const { hash, type } = row;
      log.info({ err: error, party, hash, type }, "a signature was not delivered");
      const hasAnswered = error instanceof RemoteError && error.status < 500;
      if (!hasAnswered) return { silence: textOf(error) };
      return { outcome: this.#failed(await this.#answer(error, contract), row.failures + 1) };
    }
  }

  // The proposer's accept makes the contract known; once it has arrived, what follows are further signatures.
  async #kindOf(row: DeliveryRow, own: PeerId): Promise<SubmissionKind> {
    if (row.type !== "accept" || row.arrived_once === 1) return row.type;
    const { submitter } = await this.#parts.db
      .selectFrom("fsc_contract")
      .select("submitter")
      .where("group_id", "=", row.group_id)
      .where("hash", "=", row.hash)
      .executeTakeFirstOrThrow();
    return submitter === own ? "propose" : row.type;
  }

  // What other software says of a version need not name both: its own is asked for.
  async #answer(error: RemoteError, { content }: StoredContract): Promise<string> {
    if (error.code !== "ERROR_CODE_UNKNOWN_FSC_VERSION") return textOf(error);
    const theirs = await this.#parts.client.peer(error.endpoint).then(
      ({ fscVersion }) => `understands FSC ${fscVersion}`,
      () => "understands another version of FSC",
    );
    return `the manager of peer ${error.endpoint.peerId} ${theirs}, the contract is of FSC ${content.fsc_version}, ours understands FSC ${FSC_VERSION}: ${textOf(error)}`.slice(
      0,
      ERROR_LENGTH_MAX,
    );
  }

  #failed(error: string, failures: number): NotDelivered {
    const { clock, random } = this.#parts;
    const waitMs = Math.ceil(backoffMs(BACKOFF, failures, random));
    return { error, failures, nextAttemptAt: clock.now() + waitMs };
  }
}
