// Asks witnesses to co-sign our newest checkpoint, and learns from them when our database was rolled back.
import type { Clock } from "../../core/clock.js";
import type { Log } from "../../core/log.js";
import { repeat, type Backoff } from "../../core/retry.js";
import { addSignatures } from "../tree/checkpoint.js";
import { NoteError, openNote, type Verifier } from "../tree/note.js";
import { consistencyProof } from "../tree/tiles.js";
import type { AddCheckpoint } from "../tree/witness.js";
import type { StoredCheckpoint } from "./read-side.js";
import type { LogDatabase } from "./schema.js";
import type { Sealer } from "./sealer.js";
import { checkpointRow, currentEpoch, tileReader, withCosignatures } from "./tree-rows.js";

const BACKOFF: Backoff = { firstMs: 1_000, maxMs: 60_000 };
/** How long a checkpoint may be without a witness before that is worth a warning. */
const WITNESS_LIMIT_MS = 15 * 60_000;

/** What a witness answered. */
export type WitnessReply =
  /** Its signature lines. */
  | { readonly kind: "cosigned"; readonly lines: string }
  /** It knows another size than the one that was named as old: this one. */
  | { readonly kind: "conflict"; readonly size: number }
  /** It saw another tree before, which ours does not continue. */
  | { readonly kind: "forked" }
  /** It does not sign; why. */
  | { readonly kind: "refused"; readonly reason: string };

/** Somebody who co-signs our checkpoints. */
export interface WitnessContact {
  /** Its key, of type 4. */
  readonly verifier: Verifier;
  /** Sends one request (C2SP tlog-witness, add-checkpoint). Rejects when it cannot be reached. */
  add(request: AddCheckpoint): Promise<WitnessReply>;
}

/** What the co-signer stands on. */
export interface CosignerParts {
  readonly db: LogDatabase;
  readonly groupId: string;
  readonly sealer: Sealer;
  /** Who is asked; may change. */
  readonly witnesses: () => Promise<readonly WitnessContact[]>;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Keeps the newest checkpoint co-signed. */
export class Cosigner {
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** The size that each witness is known to know, by the name of its key and our epoch. */
  readonly #known = new Map<string, number>();
  /** Witnesses that have co-signed since the start: what they say of our past later is not so. */
  readonly #trusting = new Set<string>();

  /** Since when the log has gone on without a witness, on the monotonic clock. */
  #aloneSince: number | undefined;

  constructor(private readonly parts: CosignerParts) {}

  /** That no witness has seen the newest checkpoint for too long; undefined when all is well. */
  warning(): string | undefined {
    const { sealer, clock } = this.parts;
    const { size = 0, witnessedSize = 0 } = sealer.head ?? {};
    if (size <= witnessedSize) this.#aloneSince = undefined;
    else this.#aloneSince ??= clock.monotonic();
    if (this.#aloneSince === undefined) return undefined;
    const alone = clock.monotonic() - this.#aloneSince;
    return alone <= WITNESS_LIMIT_MS
      ? undefined
      : `no witness has co-signed the log for ${Math.floor(alone / 60_000)} minutes`;
  }

  /** Begins to ask. */
  start(): void {
    this.#running = repeat(this.#stop.signal, {
      backoff: BACKOFF,
      turn: async () => {
        await this.ask();
        this.warning();
        return this.parts.intervalMs;
      },
      failed: (error) => this.parts.log.warn({ err: error }, "witnesses could not be asked"),
    });
  }

  /** Ends asking. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Asks every witness once about the newest checkpoint. */
  async ask(): Promise<void> {
    const { db, groupId, sealer, witnesses } = this.parts;
    if (sealer.isRolledBack) return;
    const epoch = await currentEpoch(db, groupId);
    const row = await checkpointRow(db, { groupId, epoch });
    if (row === undefined) return;
    const checkpoint = await withCosignatures(db, row);
    const signed = await this.#signers(checkpoint);
    const all = await witnesses();
    const due = all.filter(({ verifier }) => !signed.has(verifier.name));
    await Promise.all(due.map((witness) => this.#askOne(witness, checkpoint, row.note)));
  }

  async #askOne(
    witness: WitnessContact,
    checkpoint: StoredCheckpoint,
    note: string,
  ): Promise<void> {
    const { name } = witness.verifier;
    try {
      let reply = await this.#send(witness, checkpoint, note);
      // Once more with the size that it says it knows, unless that is more than there is.
      if (reply.kind === "conflict" && reply.size <= checkpoint.size) {
        this.#known.set(`${name}/${checkpoint.epoch}`, reply.size);
        reply = await this.#send(witness, checkpoint, note);
      }
      if (reply.kind === "cosigned") await this.#keep(witness, checkpoint, reply.lines);
      else if (reply.kind === "refused") this.#warn(name, reply.reason);
      else this.#differs(name, checkpoint, reply);
    } catch (error) {
      this.#warn(name, error instanceof Error ? error.message : String(error));
    }
  }

  /** A witness has seen what we have not: then our database was rolled back, unless it signed what we had. */
  #differs(
    witness: string,
    { size }: StoredCheckpoint,
    reply: { readonly kind: "forked" } | { readonly kind: "conflict"; readonly size: number },
  ): void {
    const seen =
      reply.kind === "conflict" && reply.size > size
        ? `it ends with ${size} leaves, the witness ${witness} has seen ${reply.size}`
        : `the witness ${witness} has seen another tree`;
    if (this.#trusting.has(witness)) this.#warn(witness, seen);
    else this.parts.sealer.rolledBack(seen);
  }

  #warn(witness: string, reason: string): void {
    this.parts.log.warn({ witness, reason }, "a witness has not co-signed");
  }

  async #send(
    witness: WitnessContact,
    { epoch, size }: StoredCheckpoint,
    note: string,
  ): Promise<WitnessReply> {
    const { db, groupId } = this.parts;
    const key = `${witness.verifier.name}/${epoch}`;
    const oldSize = Math.min(this.#known.get(key) ?? 0, size);
    const proof = await consistencyProof(tileReader(db, { groupId, epoch }), oldSize, size);
    const reply = await witness.add({ oldSize, proof, note });
    if (reply.kind === "cosigned") this.#known.set(key, size);
    return reply;
  }

  /** Stores the witness's signature, if it is one. */
  async #keep(
    { verifier }: WitnessContact,
    { epoch, size, note }: StoredCheckpoint,
    lines: string,
  ): Promise<void> {
    const { db, groupId, sealer } = this.parts;
    const opened = openNote(addSignatures(note, [lines]), [verifier]);
    const [signature] = opened.signatures;
    if (signature?.time === undefined) {
      throw new NoteError("unsigned", "its answer holds no co-signature by its key");
    }
    this.#trusting.add(verifier.name);
    await db
      .insertInto("txlog_cosignature")
      .values({
        ...{ group_id: groupId, epoch, size, witness: verifier.name },
        ...{ signed_at: signature.time, line: signature.line },
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const row = await checkpointRow(db, { groupId, epoch }, { size });
    if (row?.size === size)
      await sealer.noteWitnessed((await withCosignatures(db, row)).note, size);
  }

  /** The names of those who have signed a checkpoint already. */
  async #signers({ epoch, size }: StoredCheckpoint): Promise<ReadonlySet<string>> {
    const rows = await this.parts.db
      .selectFrom("txlog_cosignature")
      .select("witness")
      .where("group_id", "=", this.parts.groupId)
      .where("epoch", "=", epoch)
      .where("size", "=", size)
      .execute();
    return new Set(rows.map(({ witness }) => witness));
  }
}
