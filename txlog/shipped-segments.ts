// What becomes of segments that the manager has: their keys are removed at once, their files when no start needs
// them, and the folder says until where its records were shipped (shipped.json).
import { readdir, readFile, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder, writeFileDurably } from "../core/durable-file.js";
import { keysFolder, segmentKeyPath, segmentPath, segmentsFolder } from "./folder.js";
import { readSegmentHeader, segmentNumbers, type FileHeader } from "./read.js";
import type { WriterPosition } from "./transaction-log.js";

const shippedPath = (folder: string): string => join(folder, "shipped.json");

/**
 * Until where a folder's records were shipped: the manager has every record before this sequence, and perhaps later
 * ones. 1 when nothing is known of any.
 */
export const shippedBefore = async (folder: string): Promise<number> => {
  let text: string;
  try {
    text = await readFile(shippedPath(folder), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return 1;
    throw error;
  }
  try {
    const { next_sequence: next } = JSON.parse(text) as { readonly next_sequence?: unknown };
    return Number.isSafeInteger(next) ? Math.max(1, Number(next)) : 1;
  } catch {
    // It is told again at the next removal.
    return 1;
  }
};

/** A segment that has ended and that the manager has whole. */
type Ended = Pick<FileHeader, "number" | "size">;

/** Removes what is not needed here any more. One call at a time. */
export class ShippedSegments {
  /** Of segments that have ended, which do not change. */
  readonly #headers = new Map<number, FileHeader>();
  #until = 0;

  constructor(
    private readonly folder: string,
    /** How much of what was shipped is kept for reading, in bytes; never more than a quarter of what is free. */
    private readonly keptBytes: number,
  ) {}

  /** The acknowledgement from which on there is something to do. */
  get due(): number {
    return this.#until;
  }

  /** Removes the keys of the segments that the manager has whole, and the files that nobody needs. */
  async tidy(acknowledged: number, position: WriterPosition): Promise<void> {
    const headers = await this.#read(position);
    const endOf = (index: number): number => {
      const following = headers[index + 1];
      return following === undefined ? position.fillingFrom : Number(following.firstSequence);
    };
    const hasEnded = ({ number }: Ended): boolean => number < position.fillingSegment;
    const whole = headers.filter(
      (header, index) => hasEnded(header) && endOf(index) <= acknowledged,
    );
    const next = headers.findIndex(
      (header, index) => hasEnded(header) && endOf(index) > acknowledged,
    );
    this.#until = next < 0 ? Infinity : endOf(next);
    if (whole.length === 0) return;
    const needed = headers.findLast(({ firstSequence }) => firstSequence <= position.openFrom);
    const free = whole.filter(({ number }) => number < (needed?.number ?? 0));
    await this.#removeKeys(whole, acknowledged);
    await this.#removeFiles(free);
  }

  /** Something has ended since: what is due is looked up anew. */
  look(): void {
    this.#until = 0;
  }

  async #read({ durableSegment }: WriterPosition): Promise<FileHeader[]> {
    const headers: FileHeader[] = [];
    for (const number of await segmentNumbers(this.folder)) {
      // A later one may yet be given up, with all that stands in it.
      if (number > durableSegment) break;
      const known = this.#headers.get(number);
      const header = known ?? (await readSegmentHeader(segmentPath(this.folder, number)));
      if (number < durableSegment) this.#headers.set(number, header);
      headers.push(header);
    }
    return headers;
  }

  async #removeKeys(whole: readonly Ended[], acknowledged: number): Promise<void> {
    const names = new Set(await readdir(keysFolder(this.folder)));
    const keys = whole
      .map(({ number }) => segmentKeyPath(this.folder, number))
      .filter((path) => names.has(path.slice(keysFolder(this.folder).length + 1)));
    if (keys.length === 0) return;
    const shipped = { version: 1, next_sequence: acknowledged };
    // It tells people; on a full disk it has to wait until what makes room is removed.
    await writeFileDurably(shippedPath(this.folder), `${JSON.stringify(shipped)}\n`).catch(
      () => undefined,
    );
    for (const path of keys) await rm(path, { force: true });
    await syncFolder(keysFolder(this.folder));
  }

  async #removeFiles(free: readonly Ended[]): Promise<void> {
    const { bavail, bsize } = await statfs(this.folder);
    let room = Math.min(this.keptBytes, (bavail * bsize) / 4);
    let removed = 0;
    for (const { number, size } of free.toReversed()) {
      room -= size;
      if (room >= 0) continue;
      await rm(segmentPath(this.folder, number), { force: true });
      this.#headers.delete(number);
      removed += 1;
    }
    if (removed > 0) await syncFolder(segmentsFolder(this.folder));
  }
}
