// Brings the records of a log to the manager, behind the writer and never in its way. The manager says which record
// it wants next, so nothing is lost or doubled whichever side dies; the segments on disk are the queue.
import type { Clock } from "../core/clock.js";
import type { Log } from "../core/log.js";
import { startRestartable, type Restartable } from "../core/restartable.js";
import { repeat, type Backoff } from "../core/retry.js";
import { Changes } from "./changes.js";
import { segmentPath } from "./folder.js";
import { RecordReader } from "./record-reader.js";
import { readSegmentHeader, segmentNumbers } from "./read.js";
import { ShipConnection, type ShipStream } from "./ship-connection.js";
import { shippedBefore, ShippedSegments } from "./shipped-segments.js";
import type { TransactionLog } from "./transaction-log.js";
import { Unshipped, type Waiting } from "./unshipped.js";

const BACKOFF: Backoff = { firstMs: 100, maxMs: 5_000 };
/** How long to wait after a stream that brought records has ended: at most this. */
const RECONNECT_MS_MAX = 500;

/** What bounds the shipping. */
export interface ShipLimits {
  /** What one message may hold. */
  readonly records: number;
  readonly bytes: number;
  /** What may be on its way without an acknowledgement. */
  readonly flyingBytes: number;
  /** How long records may wait to go together, in milliseconds. */
  readonly delayMs: number;
  /** How long the manager may take to acknowledge, in milliseconds. */
  readonly answerMs: number;
  /** How long a record may wait before that is worth a warning, in milliseconds. */
  readonly awayMs: number;
  /** How much of what was shipped stays in the folder, in bytes. */
  readonly keptBytes: number;
  /** How long stopping waits for the last acknowledgements, in milliseconds. */
  readonly stopMs: number;
}

/** What holds where the caller says nothing. */
export const SHIP_LIMITS: ShipLimits = {
  records: 10_000,
  bytes: 256 * 1024,
  flyingBytes: 4 * 1024 ** 2,
  delayMs: 50,
  answerMs: 30_000,
  awayMs: 300_000,
  keptBytes: 64 * 1024 ** 2,
  stopMs: 3_000,
};

/** What a shipper is started with. */
export interface ShipperOptions {
  /** The log's folder. */
  readonly folder: string;
  readonly groupId: string;
  readonly transactionLog: TransactionLog;
  /** Opens a stream to the manager; rejects when there is no way to it. The shipper cancels it. */
  readonly open: () => Promise<ShipStream>;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: Partial<ShipLimits>;
}

/** When the first record of the folder that is not known to be shipped may have been written. */
const oldestOf = async (folder: string, before: number, now: number): Promise<number> => {
  for (const number of (await segmentNumbers(folder)).reverse()) {
    const { firstSequence, createdAtUs } = await readSegmentHeader(segmentPath(folder, number));
    if (firstSequence <= before) return createdAtUs / 1000;
  }
  return now;
};

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** Ships one log until it is stopped. */
export class Shipper {
  /** How many records were acknowledged since the start. */
  shipped = 0;
  /** Whether the manager takes records now. */
  isConnected = false;
  readonly #with: ShipperOptions;
  readonly #limits: ShipLimits;
  readonly #reader: RecordReader;
  readonly #segments: ShippedSegments;
  readonly #unshipped: Unshipped;
  readonly #changes = new Changes();
  readonly #work: Restartable;
  readonly #ignore: () => void;
  /** The records before it may be sent. */
  #visible = 0;
  /** Grows with each segment. */
  #segmentsBegun = 0;
  /** The segment in whose place the manager waits to hear of another; infinite when it does not. */
  #renewed = Infinity;
  #delay: NodeJS.Timeout | undefined;
  #reason: string | undefined;
  /** Called when nothing more can be expected before the end; set while the shipper stops. */
  #rested: (() => void) | undefined;

  private constructor(options: ShipperOptions, unshipped: Unshipped) {
    this.#with = options;
    this.#unshipped = unshipped;
    this.#limits = { ...SHIP_LIMITS, ...options.limits };
    this.#reader = new RecordReader(options.folder, this.#limits);
    this.#segments = new ShippedSegments(options.folder, this.#limits.keptBytes);
    this.#ignore = options.transactionLog.onDurable(() => this.#written());
    this.#written();
    this.#work = startRestartable((signal) => this.#run(signal));
  }

  /** Starts to ship. The manager need not be there. */
  static async start(options: ShipperOptions): Promise<Shipper> {
    const { folder, clock } = options;
    const before = await shippedBefore(folder);
    const since = await oldestOf(folder, before, clock.now());
    return new Shipper(options, new Unshipped(before, clock, since));
  }

  /** What has not been acknowledged yet. */
  get waiting(): Waiting {
    return this.#unshipped.waiting;
  }

  /** What an operator should look at, in a sentence; undefined when all is well. */
  warning(): string | undefined {
    const { records, oldestMs } = this.waiting;
    if (oldestMs <= this.#limits.awayMs) return undefined;
    const reason = this.#reason === undefined ? "" : ` (${this.#reason})`;
    return `${records} records wait for the manager, the oldest for ${Math.round(oldestMs / 1000)} s${reason}; they are kept on this disk`;
  }

  /** Begins anew, with a new stream. */
  restart(): void {
    this.#work.restart();
  }

  /** Ships what is left, for a limited time, and ends. */
  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#rested = resolve;
      setTimeout(resolve, this.#limits.stopMs).unref();
      this.#written();
      this.#restWhenDone();
    });
    this.#ignore();
    clearTimeout(this.#delay);
    const stopped = this.#work.stop();
    this.#changes.notify();
    await stopped;
    await this.#tidy();
  }

  /** The writer has gone on. */
  #written(): void {
    const { durable, durableSegment, fillingSegment } = this.#with.transactionLog.position;
    this.#unshipped.written(durable);
    if (durableSegment + fillingSegment !== this.#segmentsBegun) {
      this.#segmentsBegun = durableSegment + fillingSegment;
      this.#segments.look();
      this.#changes.notify();
    }
    if (this.#limits.delayMs === 0 || this.#rested !== undefined) {
      this.#show();
    } else if (durable > this.#visible) {
      this.#delay ??= setTimeout(() => this.#show(), this.#limits.delayMs).unref();
    }
  }

  #show(): void {
    clearTimeout(this.#delay);
    this.#delay = undefined;
    this.#visible = this.#with.transactionLog.position.durable;
    this.#changes.notify();
  }

  #restWhenDone(): void {
    if (!this.isConnected || this.waiting.records === 0) this.#rested?.();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { log } = this.#with;
    const wake = (): void => this.#changes.notify();
    signal.addEventListener("abort", wake);
    await repeat(signal, {
      backoff: BACKOFF,
      turn: (aborted) => this.#ship(aborted),
      failed: (error, failures, waitMs) => {
        this.#reason = reasonOf(error);
        log.warn({ reason: this.#reason, failures, waitMs }, "the manager takes no records");
      },
    });
    signal.removeEventListener("abort", wake);
  }

  /** Ships over one stream to its end. Resolves when the stream had brought records, rejects when it had not. */
  async #ship(signal: AbortSignal): Promise<number> {
    const { open, log, groupId, transactionLog } = this.#with;
    const before = this.shipped;
    const connection = new ShipConnection(await open(), this.#limits, () => this.#changes.notify());
    try {
      connection.begin(groupId, transactionLog.writerId);
      await this.#follow(connection, signal);
    } catch (error) {
      if (this.shipped === before) throw error;
      this.#reason = reasonOf(error);
      if (!signal.aborted) log.info({ reason: this.#reason }, "the stream of records ended");
    } finally {
      this.isConnected = false;
      connection.end();
      await this.#reader.close();
      this.#restWhenDone();
    }
    return Math.random() * RECONNECT_MS_MAX;
  }

  async #follow(connection: ShipConnection, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      connection.check();
      await this.#take(connection);
      const run = await this.#nextRun(connection);
      if (run === undefined) await this.#changes.next();
      else await connection.send(run, (segment) => this.#reader.key(segment));
    }
  }

  #nextRun({ next, sent, hasRoom }: ShipConnection) {
    if (next === undefined || !hasRoom) return undefined;
    const lastSegment = this.#with.transactionLog.position.durableSegment;
    return this.#reader.next({ from: sent, before: this.#visible, lastSegment });
  }

  /** Takes what the manager has said. */
  async #take(connection: ShipConnection): Promise<void> {
    const { next } = connection;
    if (next === undefined) return;
    const { transactionLog } = this.#with;
    if (!this.isConnected) await this.#begun(connection, next);
    const { acknowledged } = this.#unshipped;
    if (next > acknowledged) {
      this.shipped += next - acknowledged;
      this.#unshipped.take(next);
      transactionLog.acknowledged(next);
      this.#restWhenDone();
    }
    if (connection.newSegment) this.#renew(connection);
    if (this.#unshipped.acknowledged < this.#segments.due) return;
    await this.#tidy();
    const { fillingFrom, fillingSegment } = this.#with.transactionLog.position;
    if (fillingSegment <= this.#renewed || this.#unshipped.acknowledged < fillingFrom) return;
    this.#renewed = Infinity;
    connection.announce(fillingSegment);
  }

  /** The manager wants the keys gone that it has records of. It repeats that until it hears of a later segment. */
  #renew(connection: ShipConnection): void {
    connection.newSegment = false;
    const { transactionLog, log } = this.#with;
    const { segment = Infinity } = connection;
    if (segment < transactionLog.position.fillingSegment) return;
    log.info({}, "the manager asks for a new segment");
    this.#renewed = transactionLog.position.fillingSegment;
    transactionLog.endSegment();
    this.#segments.look();
  }

  /** The manager has said which record it wants. */
  async #begun(connection: ShipConnection, next: number): Promise<void> {
    const { log, transactionLog } = this.#with;
    const { durable } = transactionLog.position;
    if (next > durable) {
      throw new Error(
        `the manager has records of this writer up to ${next - 1}, and this folder ends with ${durable - 1}: it has lost records or was restored from a copy. Move the folder away for examination; a log with a new writer begins in its place`,
      );
    }
    if (next < this.#unshipped.acknowledged) {
      log.warn(
        { wanted: next, acknowledged: this.#unshipped.acknowledged },
        "the manager asks for records that it has acknowledged before",
      );
      this.#unshipped.take(next);
    }
    const first = await this.#reader.first();
    if (next < first) {
      log.error({ wanted: next, first }, "the manager has lost records that are here no longer");
      connection.sent = first;
    }
    this.isConnected = true;
    this.#reason = undefined;
    log.info({ next }, "the manager takes the records");
  }

  async #tidy(): Promise<void> {
    const { transactionLog, log } = this.#with;
    try {
      await this.#segments.tidy(this.#unshipped.acknowledged, transactionLog.position);
    } catch (error) {
      log.warn({ err: error }, "what was shipped could not be removed");
    }
  }
}
