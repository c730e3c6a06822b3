// The writer: fills one batch while another is on its way to disk, follows a full segment with a new
// one, and goes on in a new one by itself after a failure.
import { SchakelError, systemCode } from "../core/errors.js";
import { pause, repeat } from "../core/retry.js";
import { Backlog } from "./backlog.js";
import { Batch } from "./batch.js";
import { ByteWriter } from "./bytes.js";
import type { ExchangeEntry, OutcomeEntry, Refused } from "./entry.js";
import { writerBytes, type Body } from "./leaf.js";
import { fitIntent, fitOutcome, fitRefusal, type LogLimits } from "./limits.js";
import type { Intent } from "./record.js";
import type { Recovered } from "./recover.js";
import { SegmentFile } from "./segment-file.js";
import type { LogCounters, TransactionLog, TransactionLogOptions } from "./transaction-log.js";

/** After a failure: the first attempt after one second, further ones one to two seconds apart. */
const FIRST_RETRY_MS = 1000;
const RETRY = { firstMs: 2000, maxMs: 2000 };
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

const notWritten = (reason: string, cause?: unknown): SchakelError =>
  new SchakelError("TRANSACTION_LOG_WRITE_ERROR", { cause: new Error(reason, { cause }) });

const nameOf = (error: unknown): string =>
  systemCode(error) ?? (error instanceof Error ? error.name : "unknown");

/** Implements TransactionLog on segments in a locked folder. `start` is called once, before all else. */
export class SegmentedLog implements TransactionLog {
  readonly #parts: SegmentedLogParts;
  readonly #writer: Buffer;
  readonly #backlog: Backlog;
  #counted = { batches: 0, records: 0, syncs: 0, bytes: 0, intentsRefused: 0, failures: 0 };
  /** The batch being filled; undefined while the log cannot be written. */
  #pending: Batch | undefined;
  /** The batch on its way to disk. */
  #writing: Batch | undefined;
  #writingSince = 0;
  /** Memory that no batch uses. */
  #spare: ByteWriter | undefined;
  /** Sequences of durable intents whose end is not durable yet. */
  readonly #open = new Set<number>();
  #lastSegment = 0;
  /** Where to go on after a failure; while all is well the batches count. */
  #nextSequence = 0;
  #failure: string | undefined;
  #closed = false;
  #closing: Promise<void> | undefined;
  #flushing: Promise<void> = Promise.resolve();
  #reopening: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();
  #woken = false;
  #flushTimer: NodeJS.Timeout | undefined;
  #sumTimer: NodeJS.Timeout | undefined;

  constructor(parts: SegmentedLogParts) {
    this.#parts = parts;
    this.#writer = writerBytes(parts.groupId, parts.writerId);
    this.#backlog = new Backlog(parts.limits, parts.log, () => parts.clock.now());
  }

  get writerId(): string {
    return this.#parts.writerId;
  }

  get records(): LogCounters {
    return { ...this.#counted, outcomesLost: this.#backlog.outcomesLost };
  }

  /** Begins a run: a new segment with this record and the ends of unfinished intents, durable when it resolves. */
  async start({ lastSegment, nextSequence, open }: Recovered, begin: Body): Promise<void> {
    this.#lastSegment = lastSegment;
    for (const { sequence } of open) this.#open.add(Number(sequence));
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
    if (this.#failure !== undefined) return this.#failure;
    const waited = this.#parts.clock.monotonic() - this.#writingSince;
    return this.#writing !== undefined && waited > STALLED_MS
      ? `the disk of the transaction log has not answered for ${Math.floor(waited / 1000)} s`
      : undefined;
  }

  intent(entry: ExchangeEntry): Promise<Intent> {
    return new Promise((resolve, reject) => {
      const batch = this.#pending;
      if (this.#closed || batch === undefined || batch.isFull) {
        this.#counted.intentsRefused += 1;
        const reason = this.#closed ? "the log is closed" : this.#failure;
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
    this.#wakeLater();
  }

  refusal(entry: ExchangeEntry, refused: Refused): void {
    const batch = this.#closed ? undefined : this.#pending;
    if (batch === undefined || batch.isFull || !this.#backlog.sums.admit(entry.source.peerId)) {
      this.#backlog.addRefusal(entry, refused);
      this.#sumLater();
      return;
    }
    try {
      batch.addRefusal(fitRefusal(entry, this.#parts.limits), refused);
      this.#wakeLater();
    } catch (error) {
      this.#parts.log.error({ err: error }, "a refusal does not fit a record");
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** A new segment that begins with this sequence. Nothing is on disk yet. */
  #plan(firstSequence: number): SegmentFile {
    const { folder, groupId, writerId, clock } = this.#parts;
    let openFrom = this.#writing?.firstSequence ?? firstSequence;
    for (const sequence of this.#open) openFrom = Math.min(openFrom, sequence);
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
    const ends = segment.size + batch.bytes >= this.#parts.limits.segmentBytes;
    const next = this.#begin(ends ? this.#plan(batch.nextSequence) : segment, batch.nextSequence);
    this.#pending = next;
    this.#backlog.moveOutcomes(next);
    const bytes = batch.finish();
    await segment.append(bytes);
    this.#writing = undefined;
    this.#acknowledge(batch, bytes.length);
    if (ends) await segment.end();
    return next;
  }

  #acknowledge(batch: Batch, bytes: number): void {
    this.#counted.batches += 1;
    this.#counted.syncs += 1;
    this.#counted.records += batch.records;
    this.#counted.bytes += bytes;
    if (batch.memory.buffer.length <= MEMORY_BYTES_KEPT) this.#spare = batch.memory;
    for (const { intent } of batch.outcomes) this.#open.delete(Number(intent.sequence));
    for (const sequence of batch.unfinished) this.#open.delete(sequence);
    for (const { intent, resolve } of batch.waiting) {
      this.#open.add(Number(intent.sequence));
      resolve(intent);
    }
  }

  /** Has what is pending written once this turn of the event loop has brought what it brings. */
  #wake(): void {
    if (this.#woken || this.#writing !== undefined) return;
    this.#woken = true;
    setImmediate(() => {
      this.#woken = false;
      this.#flushing = this.#flush();
    });
  }

  /** Has what is pending written soon, unless an intent takes it along before. */
  #wakeLater(): void {
    if (this.#closed) return;
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined;
      this.#wake();
    }, this.#parts.limits.flushMs);
  }

  /** Has the sums of this minute written when it is over. */
  #sumLater(): void {
    if (this.#closed) return;
    this.#sumTimer ??= setTimeout(() => {
      this.#sumTimer = undefined;
      const batch = this.#pending;
      if (batch !== undefined && !batch.isFull) {
        this.#backlog.moveSums(batch, "over");
        this.#wakeLater();
      }
      if (this.#backlog.sums.size > 0) this.#sumLater();
    }, this.#backlog.sums.restMs).unref();
  }

  /** Never rejects. */
  async #flush(): Promise<void> {
    const batch = this.#pending;
    if (this.#closed || this.#writing !== undefined || batch === undefined) return;
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    if (batch.records === 0) return;
    try {
      const next = await this.#write(batch);
      if (next.waiting.length > 0) this.#wake();
      else if (next.records > 0) this.#wakeLater();
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
    await lost[0]?.segment.fence();
    if (!this.#closed) this.#reopening = this.#reopen();
  }

  /** Tries to go on until it succeeds or the log is closed. Never rejects. */
  async #reopen(): Promise<void> {
    const { log } = this.#parts;
    const resumed = new AbortController();
    await pause(FIRST_RETRY_MS, this.#stop.signal);
    await repeat(AbortSignal.any([this.#stop.signal, resumed.signal]), {
      turn: async () => {
        await this.#resume();
        resumed.abort();
        return 0;
      },
      failed: (error, failures) =>
        log.warn({ code: nameOf(error), failures }, "the transaction log still cannot be written"),
      backoff: RETRY,
    });
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
    if (batch.records > 0) this.#wakeLater();
    return batch;
  }

  async #close(): Promise<void> {
    const { log, unlock } = this.#parts;
    this.#closed = true;
    this.#stop.abort();
    clearTimeout(this.#flushTimer);
    clearTimeout(this.#sumTimer);
    await this.#flushing;
    await this.#reopening;
    try {
      let batch = this.#pending ?? (await this.#resume());
      this.#backlog.moveSums(batch, "all");
      while (this.#backlog.hasOutcomes) batch = await this.#write(batch);
      batch.add({ kind: "writer-stop" });
      const { segment } = await this.#write(batch);
      await segment.end();
      log.info({ writer: this.writerId }, "the transaction log is closed");
    } catch (error) {
      await this.#fail(error);
      log.error({ err: error }, "the transaction log was closed without the record of its stop");
    } finally {
      unlock();
    }
  }
}
