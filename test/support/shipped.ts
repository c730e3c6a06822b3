// Records as a writer ships them, made without a writer: for tests of the store that need many of them.
import { randomBytes, randomUUID } from "node:crypto";
import { newTransactionId } from "../../core/names.js";
import { ByteWriter } from "../../txlog/bytes.js";
import type { ExchangeEntry, OutcomeEntry } from "../../txlog/entry.js";
import { encodeLeaf, leafHash, type Body } from "../../txlog/leaf.js";
import { hasPersonal, recordSecret, RecordSecrets, sealPersonal } from "../../txlog/personal.js";
import type { Intent } from "../../txlog/record.js";
import type { ArrivingBatch } from "../../txlog/store/arrived.js";
import { COMPLETE, exchange, GROUP } from "./transaction-log.js";

/** A writer that keeps nothing: what it makes is to be shipped. */
export class ShippingWriter {
  readonly writerId: string = randomUUID();
  readonly segmentKey = randomBytes(32);
  /** The secrets of what was added, by sequence. */
  readonly secrets = new Map<number, Buffer>();
  readonly #stream = new RecordSecrets(this.segmentKey);
  nextSequence = 1;
  #firstSequence = 1;
  #count = 0;
  #bytes = new ByteWriter(4096);

  constructor(
    private readonly now: () => number = Date.now,
    readonly groupId = GROUP,
    readonly name = "one",
  ) {}

  /** Adds an intent. */
  intent(more: Partial<ExchangeEntry> = {}): Intent {
    const { personal, ...entry } = exchange(more);
    const sealed = hasPersonal(personal) ? sealPersonal(this.#stream, personal) : undefined;
    if (sealed !== undefined) {
      this.secrets.set(this.nextSequence, recordSecret(this.segmentKey, sealed.sealed));
    }
    const transactionId = entry.transactionId ?? newTransactionId();
    const commitment = sealed === undefined ? {} : { commitment: sealed.commitment };
    const sequence = BigInt(this.nextSequence);
    const leaf = this.add(
      { kind: "intent", exchange: { ...entry, transactionId, ...commitment } },
      sealed?.sealed,
    );
    return { sequence, transactionId, leafHash: leafHash(leaf) };
  }

  /** Adds the outcome of an intent. */
  outcome(intent: Intent, more: Partial<OutcomeEntry> = {}): void {
    this.add({ kind: "outcome", intent, outcome: { ...COMPLETE, ...more } });
  }

  /** Adds any record, and gives its leaf. */
  add(body: Body, sealed?: Buffer): Buffer {
    const head = {
      ...{ groupId: this.groupId, writerId: this.writerId, sequence: BigInt(this.nextSequence) },
      createdAtUs: Math.round(this.now() * 1000),
    };
    const leaf = encodeLeaf({ ...body, ...head });
    this.#bytes.u32(leaf.length);
    this.#bytes.u32(sealed?.length ?? 0);
    this.#bytes.bytes(leaf);
    if (sealed !== undefined) this.#bytes.bytes(sealed);
    this.nextSequence += 1;
    this.#count += 1;
    return Buffer.from(leaf);
  }

  /** What was added since the last time, as a batch. */
  take(): ArrivingBatch {
    const batch = {
      ...{ writerId: this.writerId, segmentKey: this.segmentKey, count: this.#count },
      firstSequence: this.#firstSequence,
      records: Buffer.from(this.#bytes.buffer.subarray(0, this.#bytes.length)),
    };
    this.#firstSequence = this.nextSequence;
    this.#count = 0;
    this.#bytes = new ByteWriter(4096);
    return batch;
  }
}
