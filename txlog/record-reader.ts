// Reads the records of a log in order, behind its writer: whole runs of records as they stand in the
// segments, without looking into them. Nothing here writes.
import { open, readFile, type FileHandle } from "node:fs/promises";
import { segmentKeyPath, segmentPath } from "./folder.js";
import { readSegmentHeader, segmentNumbers } from "./read.js";
import { BATCH_HEADER_BYTES, batchMark, frameAt, RECORD_HEADER_BYTES } from "./segment.js";

const KEY_BYTES = 32;
/** How much is read at once. A larger batch is read whole. */
const READ_BYTES = 256 * 1024;

/** The bounds of a run of records. */
export interface RunLimits {
  readonly records: number;
  /** In bytes; one record may be larger. */
  readonly bytes: number;
}

/** Records of one segment that follow each other. */
export interface RecordRun {
  readonly segment: number;
  readonly firstSequence: number;
  readonly count: number;
  /** As in a segment: sizes, leaf, sealed personal part of each. Its own memory. */
  readonly records: Buffer;
}

/** What is to be read. */
export interface Wanted {
  /** The sequence of the first record. */
  readonly from: number;
  /** The sequence before which everything is durable. */
  readonly before: number;
  /** The number of the segment with the last durable record. */
  readonly lastSegment: number;
}

interface Place {
  readonly number: number;
  readonly file: FileHandle;
  readonly mark: Buffer;
  /** The sequence from which on the next segment counts; infinite for the last one. */
  readonly end: number;
  /** The batch at this offset begins with this sequence. */
  offset: number;
  sequence: number;
}

/** Reads one log folder. One call at a time. */
export class RecordReader {
  #place: Place | undefined;
  #memory: Buffer = Buffer.allocUnsafeSlow(READ_BYTES);

  constructor(
    private readonly folder: string,
    private readonly limits: RunLimits,
  ) {}

  /** The key of a segment; zeros, which open nothing, when it has been removed. */
  async key(segment: number): Promise<Buffer> {
    try {
      return await readFile(segmentKeyPath(this.folder, segment));
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") {
        return Buffer.alloc(KEY_BYTES);
      }
      throw error;
    }
  }

  /** The sequence of the first record that is here. */
  async first(): Promise<number> {
    const [number] = await segmentNumbers(this.folder);
    if (number === undefined) return 1;
    return Number((await readSegmentHeader(segmentPath(this.folder, number))).firstSequence);
  }

  /**
   * The next run of records; undefined when all that is wanted has been read.
   *
   * @throws Error when a record that is wanted is not there
   */
  async next(wanted: Wanted): Promise<RecordRun | undefined> {
    if (wanted.from >= wanted.before) return undefined;
    let place = this.#place;
    const isKnown =
      place !== undefined &&
      place.sequence <= wanted.from &&
      wanted.from < place.end &&
      // Only the last segment may grow, and only it may go without an end.
      (Number.isFinite(place.end) || place.number >= wanted.lastSegment);
    if (place === undefined || !isKnown) place = await this.#locate(wanted.from);
    const run = await this.#read(place, wanted);
    if (run === undefined) {
      await this.close();
      throw new Error(`segment ${place.number} ends before record ${wanted.from}`);
    }
    return run;
  }

  /** Closes the file that is open. */
  async close(): Promise<void> {
    const place = this.#place;
    this.#place = undefined;
    await place?.file.close();
  }

  /** The segment that counts for this record is the newest that begins at or before it. */
  async #locate(from: number): Promise<Place> {
    await this.close();
    let end = Infinity;
    for (const number of (await segmentNumbers(this.folder)).reverse()) {
      const path = segmentPath(this.folder, number);
      const header = await readSegmentHeader(path);
      const sequence = Number(header.firstSequence);
      if (sequence <= from) {
        const file = await open(path, "r");
        const mark = batchMark(header.keyHash);
        const place = { number, file, mark, end, offset: header.bytes, sequence };
        this.#place = place;
        return place;
      }
      end = sequence;
    }
    throw new Error(`record ${from}, which the manager asks for, is in no segment here`);
  }

  async #fill(place: Place, bytes: number): Promise<Buffer> {
    if (this.#memory.length < bytes) this.#memory = Buffer.allocUnsafeSlow(bytes);
    const read = await place.file.read(this.#memory, 0, this.#memory.length, place.offset);
    return this.#memory.subarray(0, read.bytesRead);
  }

  async #read(place: Place, { from, before }: Wanted): Promise<RecordRun | undefined> {
    const run = new Run(from, Math.min(before, place.end), this.limits);
    let bytes = await this.#fill(place, READ_BYTES);
    let at = 0;
    while (!run.isFull) {
      const frame = frameAt(bytes, at, place.mark);
      if (frame === undefined) break;
      if (frame.end > bytes.length) {
        // Cut by the end of the memory, or by that of the file.
        if (run.count > 0) break;
        place.offset += at;
        bytes = await this.#fill(place, Math.max(READ_BYTES, frame.end - at));
        at = 0;
        if (frameAt(bytes, 0, place.mark)?.isWhole !== true) break;
        continue;
      }
      if (!frame.isWhole) break;
      const next = place.sequence + frame.count;
      if (next > from) run.take(bytes.subarray(at + BATCH_HEADER_BYTES, frame.end), place.sequence);
      // A batch that did not fit whole is read again.
      if (run.next < next && next > from) break;
      place.sequence = next;
      at = frame.end;
    }
    place.offset += at;
    if (this.#memory.length > READ_BYTES) this.#memory = Buffer.allocUnsafeSlow(READ_BYTES);
    return run.finish(place.number);
  }
}

/** Collects records from the batches that hold them. */
class Run {
  readonly #pieces: Buffer[] = [];
  #bytes = 0;
  count = 0;
  isFull = false;

  constructor(
    private readonly from: number,
    private readonly before: number,
    private readonly limits: RunLimits,
  ) {}

  /** The sequence that comes next. */
  get next(): number {
    return this.from + this.count;
  }

  /** Takes what is wanted of a batch's records, as far as there is room. */
  take(records: Buffer, firstSequence: number): void {
    let start = 0;
    let at = 0;
    for (let sequence = firstSequence; at < records.length; sequence++) {
      const size = RECORD_HEADER_BYTES + records.readUInt32BE(at) + records.readUInt32BE(at + 4);
      if (sequence < this.from) {
        start = at + size;
      } else if (sequence >= this.before || !this.#hasRoom(at - start + size)) {
        this.isFull = true;
        break;
      } else {
        this.count += 1;
      }
      at += size;
    }
    this.#pieces.push(records.subarray(start, at));
    this.#bytes += at - start;
    if (this.next >= this.before) this.isFull = true;
  }

  finish(segment: number): RecordRun | undefined {
    if (this.count === 0) return undefined;
    const records = Buffer.concat(this.#pieces, this.#bytes);
    return { segment, firstSequence: this.from, count: this.count, records };
  }

  #hasRoom(more: number): boolean {
    if (this.count === 0) return true;
    return this.count < this.limits.records && this.#bytes + more <= this.limits.bytes;
  }
}
