// The writer: fills one batch while another is on its way to disk, follows a full segment with a new
// one, and goes on in a new one by itself after a failure.
import { Backlog } from "./backlog.js";
import { Batch } from "./batch.js";
import { ByteWriter } from "./bytes.js";
import { DurableRecords, type Filling } from "./durable.js";
import type { ExchangeEntry, OutcomeEntry, Refused } from "./entry.js";
import { writerBytes, type Body } from "./leaf.js";
import { fitIntent, fitOutcome, fitRefusal, type LogLimits } from "./limits.js";
import { nameOf, notWritten, REFUSED } from "./not-written.js";
import type { Intent } from "./record.js";
import type { Recovered } from "./recover.js";
import { reopen } from "./reopen.js";
import { SegmentFile } from "./segment-file.js";
import type {
  LogCounters,
  TransactionLog,
  TransactionLogOptions,
  WriterPosition,
} from "./transaction-log.js";
import { Wakes } from "./wakes.js";

/** A disk that has not answered for so long is a problem for health. */
const STALLED_MS = 5000;
const MEMORY_BYTES = 64 * 1024;
/** Memory that grew beyond it in a rush is given back. */
const MEMORY_BYTES_KEPT = 1024 ** 2;

/** What the writer is made with: the options, checked, and the folder, which is locked. */
export interface SegmentedLogParts extends Omit<TransactionLogOptions, "limits"> {
  readonly writerId: string;
  readonly limits: LogLimits;
  /** Gives the folder's lock back. */
  readonly unlock: () => void;
}

/** Implements TransactionLog on segments in a locked folder. `start` is called once, before all else. */
export class SegmentedLog implements TransactionLog {
  readonly #parts: SegmentedLogParts;
  readonly #writer: Buffer;
  readonly #backlog: Backlog;
  readonly #durable: DurableRecords;
  #counted = { intentsRefused: 0, failures: 0 };
  /** The batch being filled; undefined while the log cannot be written. */
  #pending: Batch | undefined;
  /** The batch on its way to disk. */
  #writing: Batch | undefined;
  #writingSince = 0;
  /** Memory that no batch uses. */
  #spare: ByteWriter | undefined;
  #lastSegment = 0;
  /** Whether the segment ends with the batch that is being filled. */
  #ending = false;
  /** Where to go on after a failure; while all is well the batches count. */
  #nextSequence = 0;
  #failure: string | undefined;
  #closed = false;
  #closing: Promise<void> | undefined;
  #flushing: Promise<void> = Promise.resolve();
  #reopening: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();
  readonly #wakes: Wakes;

  constructor(parts: SegmentedLogParts) {
    this.#parts = parts;
    this.#writer = writerBytes(parts.groupId, parts.writerId);
    this.#backlog = new Backlog(parts.limits, parts.log, () => parts.clock.now());
    this.#wakes = new Wakes(parts.limits, {
      flush: () => (this.#flushing = this.#flush()),
      sum: () => this.#writeSums(),
    });
    this.#durable = new DurableRecords({
      durability: parts.durability,
      limits: parts.limits,
      clock: parts.clock,
      aged: () => this.endSegment(),
      expired: ({ intent, reject }, reason) => {
        this.#counted.intentsRefused += 1;
        reject(notWritten(reason));
        this.outcome(intent, REFUSED);
      },
    });
  }

  get writerId(): string {
    return this.#parts.writerId;
  }

  get records(): LogCounters {
    return { ...this.#durable.counted, ...this.#counted, outcomesLost: this.#backlog.outcomesLost };
  }

  get position(): WriterPosition {
    return this.#durable.position(this.#filling);
  }

  onDurable(listener: () => void): () => void {
    return this.#durable.onChange(listener);
  }

  acknowledged(next: number): void {
    this.#durable.acknowledged(next);
  }

  endSegment(): void {
    const batch = this.#pending;
    // Nothing is in it: the next record begins it.
    if (this.#closed || batch?.segment.isBegun !== true) return;
    if (this.#writing !== undefined || batch.records > 0) {
      this.#ending = true;
      return;
    }
    this.#ending = false;
    this.#spare = batch.memory;
    this.#pending = this.#begin(this.#plan(batch.nextSequence), batch.nextSequence);
    void batch.segment.end();
    this.#durable.tell();
  }

  /** Begins a run: a new segment with this record and the ends of unfinished intents, durable when it resolves. */
  async start({ lastSegment, nextSequence, open }: Recovered, begin: Body): Promise<void> {
    this.#lastSegment = lastSegment;
    this.#durable.adopt(open);
    let batch = this.#begin(this.#plan(nextSequence), nextSequence);
    this.#pending = batch;
    batch.add(begin);
    try {
      for (const intent of open) {
        batch.addUnfinished(intent);
        if (batch.isFull) batch = await this.#write(batch);
      }
      await this.#write(batch);
    } catch (error) {
      this.#closed = true;
      await (this.#writing ?? batch).segment.fence();
      throw error;
    }
  }

  problem(): string | undefined {
    const problem = this.#failure ?? this.#durable.problem();
    if (problem !== undefined) return problem;
    const waited = this.#parts.clock.monotonic() - this.#writingSince;
    return this.#writing !== undefined && waited > STALLED_MS
      ? `the disk of the transaction log has not answered for ${Math.floor(waited / 1000)} s`
      : undefined;
  }

  intent(entry: ExchangeEntry): Promise<Intent> {
    return new Promise((resolve, reject) => {
      const batch = this.#pending;
      const late = this.#durable.problem();
      if (this.#closed || batch === undefined || batch.isFull || late !== undefined) {
        this.#counted.intentsRefused += 1;
        const reason = this.#closed ? "the log is closed" : (this.#failure ?? late);
        reject(notWritten(reason ?? "too many records wait for the disk"));
        return;
      }
      try {
        const intent = batch.addIntent(fitIntent(entry, this.#parts.limits));
        batch.waiting.push({ intent, resolve, reject });
        this.#wake();
      } catch (error) {
        this.#counted.intentsRefused += 1;
        reject(notWritten("the exchange does not fit a record", error));
      }
    });
  }

  outcome(intent: Intent, result: OutcomeEntry): void {
    const batch = this.#closed ? undefined : this.#pending;
    this.#backlog.addOutcome(batch, { intent, result: fitOutcome(result, this.#parts.limits) });
    this.#wakes.later(this.#parts.limits.flushMs);
  }

  refusal(entry: ExchangeEntry, refused: Refused): void {
    const batch = this.#closed ? undefined : this.#pending;
    if (batch === undefined || batch.isFull || !this.#backlog.sums.admit(entry.source.peerId)) {
      this.#backlog.addRefusal(entry, refused);
      this.#wakes.sumLater(this.#backlog.sums.restMs);
      return;
    }
    try {
      batch.addRefusal(fitRefusal(entry, this.#parts.limits), refused);
      this.#wakes.later(this.#parts.limits.flushMs);
    } catch (error) {
      this.#parts.log.error({ err: error }, "a refusal does not fit a record");
    }
  }

  close(last?: () => Promise<void> | undefined): Promise<void> {
    this.#closing ??= this.#close(last);
    return this.#closing;
  }

  get #filling(): Filling {
    const header = this.#pending?.segment.header;
    return header === undefined
      ? { fillingSegment: this.#lastSegment + 1, fillingFrom: this.#nextSequence }
      : { fillingSegment: header.number, fillingFrom: Number(header.firstSequence) };
  }

  /** A new segment that begins with this sequence. Nothing is on disk yet. */
  #plan(firstSequence: number): SegmentFile {
    const { folder, groupId, writerId, clock } = this.#parts;
    const openFrom = this.#durable.openFrom(this.#writing?.firstSequence ?? firstSequence);
    this.#lastSegment += 1;
    return new SegmentFile(folder, {
      writerId,
      groupId,
      number: this.#lastSegment,
      firstSequence: BigInt(firstSequence),
      openFrom: BigInt(openFrom),
      createdAtUs: Math.round(clock.now() * 1000),
    });
  }

  #begin(segment: SegmentFile, firstSequence: number): Batch {
    const to = this.#spare ?? new ByteWriter(MEMORY_BYTES);
    this.#spare = undefined;
    const { clock, limits } = this.#parts;
    const now = (): number => clock.now();
    const bytesMax = limits.queueBytes;
    return new Batch({ segment, firstSequence, to, writer: this.#writer, now, bytesMax });
  }

  /** Makes a batch durable while the next one, which it gives back, is being filled. */
  async #write(batch: Batch): Promise<Batch> {
    const { segment } = batch;
    this.#writing = batch;
    this.#writingSince = this.#parts.clock.monotonic();
    const bytesMax = Math.min(this.#parts.limits.segmentBytes, segment.bytesMax);
    const ends = this.#ending || segment.size + batch.bytes >= bytesMax;
    if (ends) this.#ending = false;
    const next = this.#begin(ends ? this.#plan(batch.nextSequence) : segment, batch.nextSequence);
    this.#pending = next;
    this.#backlog.moveOutcomes(next);
    const bytes = batch.finish();
    await segment.append(bytes);
    this.#writing = undefined;
    if (batch.memory.buffer.length <= MEMORY_BYTES_KEPT) this.#spare = batch.memory;
    this.#durable.take(batch, bytes.length);
    if (ends) await segment.end();
    return next;
  }

  /** Has what is pending written once this turn of the event loop has brought what it brings, or a moment later. */
  #wake(): void {
    if (this.#writing !== undefined) return;
    const { waiting = [], outcomes = [] } = this.#pending ?? {};
    this.#wakes.gathered(waiting.length, this.#durable.open - outcomes.length);
  }

  /** Writes the sums of the minute that is over. */
  #writeSums(): void {
    const batch = this.#pending;
    if (batch !== undefined && !batch.isFull) {
      this.#backlog.moveSums(batch, "over");
      this.#wakes.later(this.#parts.limits.flushMs);
    }
    if (this.#backlog.sums.size > 0) this.#wakes.sumLater(this.#backlog.sums.restMs);
  }

  /** Never rejects. */
  async #flush(): Promise<void> {
    const batch = this.#pending;
    if (this.#closed || this.#writing !== undefined || batch === undefined) return;
    this.#wakes.flushed(batch.waiting.length);
    if (batch.records === 0) return;
    try {
      const next = await this.#write(batch);
      if (this.#ending) this.endSegment();
      if (next.waiting.length > 0) this.#wake();
      else if (next.records > 0) this.#wakes.later(this.#parts.limits.flushMs);
    } catch (error) {
      await this.#fail(error);
    }
  }

  /** Fences the segment, refuses whoever waits, keeps what must not be lost, and has it tried again. Never rejects. */
  async #fail(error: unknown): Promise<void> {
    const lost = [this.#writing, this.#pending].filter((batch) => batch !== undefined);
    this.#writing = undefined;
    this.#pending = undefined;
    const failure = `the transaction log cannot be written (${nameOf(error)}); it is tried again every two seconds`;
    this.#failure = failure;
    this.#counted.failures += 1;
    this.#parts.log.error({ err: error }, "exchanges are refused: the log cannot be written");
    for (const { waiting } of lost) {
      for (const { reject } of waiting) reject(notWritten(failure, error));
    }
    this.#backlog.takeBack(lost);
    // None of the lost records was acknowledged: their sequences are given out anew, in another segment.
    this.#nextSequence = lost[0]?.firstSequence ?? this.#nextSequence;
    this.#ending = false;
    await lost[0]?.segment.fence();
    if (this.#closed) return;
    this.#reopening = reopen(() => this.#resume(), this.#stop.signal, this.#parts.log);
  }

  /** Begins a new segment after a failure. */
  async #resume(): Promise<Batch> {
    const segment = this.#plan(this.#nextSequence);
    try {
      await segment.create();
    } catch (error) {
      await segment.fence();
      throw error;
    }
    const batch = this.#begin(segment, this.#nextSequence);
    this.#pending = batch;
    this.#failure = undefined;
    this.#parts.log.info({}, "the transaction log can be written again");
    this.#backlog.moveOutcomes(batch);
    if (batch.records > 0) this.#wakes.later(this.#parts.limits.flushMs);
    return batch;
  }

  async #close(last?: () => Promise<void> | undefined): Promise<void> {
    const { log, unlock } = this.#parts;
    this.#closed = true;
    this.#stop.abort();
    this.#wakes.stop();
    this.#durable.stop();
    await this.#flushing;
    await this.#reopening;
    try {
      let batch = this.#pending ?? (await this.#resume());
      this.#backlog.moveSums(batch, "all");
      while (this.#backlog.hasOutcomes) batch = await this.#write(batch);
      batch.add({ kind: "writer-stop" });
      const { segment, nextSequence } = await this.#write(batch);
      await segment.end();
      // Nothing follows in that segment: a later run begins another.
      this.#pending = undefined;
      this.#nextSequence = nextSequence;
      log.info({ writer: this.writerId }, "the transaction log is closed");
    } catch (error) {
      await this.#fail(error);
      log.error({ err: error }, "the transaction log was closed without the record of its stop");
    }
    try {
      await last?.();
    } finally {
      this.#durable.close();
      unlock();
    }
  }
}
