// One segment on disk while it is being written. After a failed write or sync it is fenced: what the
// disk then holds is unknown, and a later sync that succeeds would not make it known.
import { randomBytes } from "node:crypto";
import { close, fdatasync, open, write } from "node:fs";
import { rm, statfs } from "node:fs/promises";
import { promisify } from "node:util";
import { writeFileDurably } from "../core/durable-file.js";
import { segmentKeyPath, segmentPath } from "./folder.js";
import { RecordSecrets } from "./personal.js";
import { encodeSegmentHeader, segmentKeyHash, type SegmentHeader } from "./segment.js";

const openFile = promisify(open);
/**
 * On a small disk segments are small, so that what was shipped can be removed before all is full: an eighth of what is
 * free, and no less than this.
 */
const FREE_SHARE = 8;
const SMALL_BYTES = 64 * 1024;

const closeFile = promisify(close);
const syncData = promisify(fdatasync);

/** Writes all of it, also when the system takes it in pieces. */
const writeAll = (fd: number, bytes: Buffer, position: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const rest = (done: number): void => {
      write(fd, bytes, done, bytes.length - done, position + done, (error, written) => {
        if (error !== null) reject(error);
        else if (done + written === bytes.length) resolve();
        else if (written === 0) reject(new Error("the disk took no bytes and gave no error"));
        else rest(done + written);
      });
    };
    rest(0);
  });

/** What a new segment is told; the rest of its header it makes itself. */
export type SegmentPlan = Omit<SegmentHeader, "keyHash">;

/**
 * A segment. Nothing is on disk until the first append (or `create`). One append at a time; after one
 * has failed, only `fence` may be called.
 */
export class SegmentFile {
  readonly header: SegmentHeader;
  /** 32 random bytes, this segment's alone. */
  readonly key = randomBytes(32);
  readonly secrets = new RecordSecrets(this.key);
  #fd: number | undefined;
  #size = 0;
  #acknowledged = false;
  /** How large it should become at most, by what was free when it was begun. */
  bytesMax = Infinity;

  constructor(
    private readonly folder: string,
    plan: SegmentPlan,
  ) {
    this.header = { ...plan, keyHash: segmentKeyHash(this.key) };
  }

  /** The file's size after the last append that succeeded, in bytes. */
  get size(): number {
    return this.#size;
  }

  /** Whether a batch in it is durable. */
  get isBegun(): boolean {
    return this.#acknowledged;
  }

  /** Puts key and header on disk, each durable before the next, the folders' entries too. */
  async create(): Promise<void> {
    const { number } = this.header;
    const header = encodeSegmentHeader(this.header);
    await writeFileDurably(segmentKeyPath(this.folder, number), this.key);
    await writeFileDurably(segmentPath(this.folder, number), header);
    this.#fd = await openFile(segmentPath(this.folder, number), "r+");
    this.#size = header.length;
    const { bavail, bsize } = await statfs(this.folder);
    this.bytesMax = Math.max(SMALL_BYTES, (bavail * bsize) / FREE_SHARE);
  }

  /** Appends a batch with one write and one fdatasync; resolves when it is durable. */
  async append(batch: Buffer): Promise<void> {
    if (this.#fd === undefined) await this.create();
    const fd = this.#fd;
    if (fd === undefined) throw new Error("the segment is not open");
    await writeAll(fd, batch, this.#size);
    await syncData(fd);
    this.#size += batch.length;
    this.#acknowledged = true;
  }

  /** Closes the file. Never rejects: what was acknowledged is on disk, whatever closing says. */
  async end(): Promise<void> {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) await closeFile(fd).catch(() => undefined);
  }

  /**
   * Closes the file for good after a failure. A segment without any batch that was acknowledged is
   * removed, so that a full disk does not fill with empty ones. Never rejects.
   */
  async fence(): Promise<void> {
    const { number } = this.header;
    await this.end();
    if (this.#acknowledged) return;
    await rm(segmentPath(this.folder, number), { force: true }).catch(() => undefined);
    await rm(segmentKeyPath(this.folder, number), { force: true }).catch(() => undefined);
  }
}
