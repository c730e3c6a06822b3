// Reading the log in the order of its tree, for verification and export.
import type { EventEmitter } from "node:events";
import { SchakelError } from "../core/errors.js";
import type { PeerIdRule } from "../core/names.js";
import type * as wire from "../proto/gen/schakel/manager/v1/log.js";
import { breath } from "../txlog/store/breath.js";
import type { LogReader, StoredCheckpoint, StoredEntry } from "../txlog/store/read-side.js";
import { edgeFromTiles, inclusionProof, TILE_WIDTH, type TileReader } from "../txlog/tree/tiles.js";
import { formatProof } from "../txlog/tree/tlog-proof.js";
import { bareEntry } from "./log-entry.js";
import { exact, filterOf } from "./log-filter.js";
import { epochOf } from "./log-look.js";
import { sendAll, type Send } from "./log-stream.js";
import { invalidRequest } from "./request.js";

/** How large a message gets, about. */
const MESSAGE_BYTES = 256 * 1024;
const ENTRY_BYTES = 200;
/** How many exchanges a filter may find. */
const FOUND_MAX = 100_000;
const PAGE = 1000;
const TILES_MAX = 64;

/** What reading stands on. */
export interface LogReadParts {
  readonly reader: LogReader;
  readonly peerIdRule: () => PeerIdRule;
  /** How many readings may be open at once: ERROR_CODE_LIMIT_EXCEEDED. */
  readonly readingsMax: number;
}

/** Which entries are read. */
interface Reading {
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  readonly checkpoint: StoredCheckpoint | undefined;
}

/** Keeps the tiles that were read last: neighbours have nearly all of their proofs in common. */
const remembering = (tiles: TileReader): TileReader => {
  const known = new Map<string, Promise<Buffer>>();
  return (level, index, width) => {
    const key = `${String(level)} ${String(index)} ${String(width)}`;
    const found = known.get(key) ?? tiles(level, index, width);
    known.delete(key);
    known.set(key, found);
    const [oldest] = known.keys();
    if (known.size > TILES_MAX && oldest !== undefined) known.delete(oldest);
    return found;
  };
};

const readingOf = async (reader: LogReader, request: wire.ReadLogRequest): Promise<Reading> => {
  const epoch = await epochOf(reader, request.epoch);
  const checkpoint = await reader.checkpointAt({ epoch });
  const size = checkpoint?.size ?? 0;
  const from = exact("from", request.from);
  const to = request.to === 0n ? size : exact("to", request.to);
  if (from <= to && to <= size) return { epoch, from, to, checkpoint };
  throw invalidRequest(
    `from ${String(from)} to ${String(to)} is not within the ${String(size)} entries of the checkpoint`,
  );
};

/** The entries of the exchanges that a filter finds, by rising index. */
const selected = async (
  reader: LogReader,
  filter: Parameters<LogReader["search"]>[0],
  { epoch, from, to }: Reading,
): Promise<readonly number[]> => {
  const found = new Set<number>();
  const note = async (writerId: string, sequence: number): Promise<void> => {
    const entry = sequence === 0 ? undefined : await reader.entry({ writerId, sequence });
    if (entry?.epoch !== epoch || entry.index < from || entry.index >= to) return;
    if (entry.leaf !== undefined) found.add(entry.index);
  };
  let token: string | undefined;
  let exchanges = 0;
  do {
    const page = await reader.search(filter, { limit: PAGE, token, oldestFirst: true });
    exchanges += page.exchanges.length;
    if (exchanges > FOUND_MAX) {
      throw invalidRequest(
        `the filter finds more than ${String(FOUND_MAX)} exchanges: ask for less time`,
      );
    }
    for (const { writerId, sequence, endSequence } of page.exchanges) {
      await note(writerId, sequence);
      await note(writerId, endSequence);
    }
    // SQLite answers at once: what waits in the event loop has its turn between pages.
    await breath();
    token = page.nextToken;
  } while (token !== undefined);
  return [...found].sort((a, b) => a - b);
};

async function* entriesAt(
  reader: LogReader,
  epoch: number,
  indexes: readonly number[],
): AsyncGenerator<StoredEntry> {
  for (const index of indexes) yield* reader.entries(epoch, index, index + 1);
}

/**
 * Without the entries at the beginning that were pruned: whole bundles. What is missing of a bundle that was not pruned
 * is given without its leaf, so that it is found.
 */
async function* kept(
  entries: AsyncIterable<StoredEntry>,
  { to, size }: { readonly to: number; readonly size: number },
): AsyncGenerator<StoredEntry> {
  let hasBegun = false;
  let missing: StoredEntry[] = [];
  for await (const entry of entries) {
    if (!hasBegun && entry.index % TILE_WIDTH === 0) missing = [];
    hasBegun ||= entry.leaf !== undefined;
    if (!hasBegun) {
      missing.push(entry);
      continue;
    }
    yield* missing;
    missing = [];
    yield entry;
  }
  if (to === size && size % TILE_WIDTH !== 0) yield* missing;
}

/** What is made of tiles; undefined when they are not those of the tree: what they should prove is then not proven. */
const fromTiles = async <T>(made: Promise<T>): Promise<T | undefined> => {
  try {
    return await made;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
};

/** Gives the messages of ReadLog. */
export class LogRead {
  readonly #open = new Set<EventEmitter>();

  constructor(private readonly parts: LogReadParts) {}

  /**
   * Gives the messages of a call, which has a place until the caller has taken them or gone.
   *
   * @throws SchakelError ERROR_CODE_REQUEST_INVALID, ERROR_CODE_LIMIT_EXCEEDED when there is no place
   */
  async give(
    request: wire.ReadLogRequest,
    send: Send<wire.ReadLogResponse>,
    call: EventEmitter,
  ): Promise<void> {
    this.#enter(call);
    await sendAll(this.#read(request), send);
  }

  #enter(call: EventEmitter): void {
    const { readingsMax } = this.parts;
    if (this.#open.size >= readingsMax) {
      throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", {
        detail: `${String(this.#open.size)} calls are reading the log, allowed are ${String(readingsMax)} at once (--log-readings-max)`,
      });
    }
    this.#open.add(call);
    for (const end of ["finish", "cancelled", "close"]) {
      call.once(end, () => this.#open.delete(call));
    }
  }

  async *#read(request: wire.ReadLogRequest): AsyncGenerator<wire.ReadLogResponse> {
    const { reader, peerIdRule } = this.parts;
    const filter =
      request.filter === undefined ? undefined : filterOf(request.filter, peerIdRule());
    const reading = await readingOf(reader, request);
    const { epoch, from, to, checkpoint } = reading;
    const tiles = remembering(reader.tiles(epoch));
    const entries =
      filter === undefined
        ? kept(reader.entries(epoch, from, to), { to, size: checkpoint?.size ?? 0 })
        : entriesAt(reader, epoch, await selected(reader, filter, reading));
    const firstOf = async (entry: StoredEntry | undefined): Promise<wire.ReadLogResponse> => {
      const first = filter === undefined ? (entry?.index ?? to) : from;
      const edge = filter === undefined ? await fromTiles(edgeFromTiles(tiles, first)) : [];
      const prefix = edge ?? [];
      return { checkpoint: checkpoint?.note ?? "", entries: [], prefix, first: BigInt(first) };
    };
    let message: wire.ReadLogResponse | undefined;
    let bytes = 0;
    let given = 0;
    for await (const entry of entries) {
      message ??= await firstOf(entry);
      const shown = request.proofs
        ? await this.#proven(entry, tiles, checkpoint)
        : bareEntry(entry);
      message.entries.push(shown);
      bytes += shown.leaf.length + shown.proof.length + ENTRY_BYTES;
      if (bytes < MESSAGE_BYTES) continue;
      yield message;
      given += 1;
      message = { checkpoint: "", entries: [], prefix: [], first: 0n };
      bytes = 0;
    }
    message ??= await firstOf(undefined);
    if (message.entries.length > 0 || given === 0) yield message;
  }

  /** With its proof under the checkpoint that all are read under. */
  async #proven(
    entry: StoredEntry,
    tiles: TileReader,
    checkpoint: StoredCheckpoint | undefined,
  ): Promise<wire.LogEntry> {
    const bare = bareEntry(entry);
    if (checkpoint === undefined) return bare;
    const { size, note } = checkpoint;
    const proof = await fromTiles(inclusionProof(tiles, entry.index, size));
    if (proof === undefined) return bare;
    return { ...bare, proof: formatProof({ index: entry.index, proof, checkpoint: note }) };
  }
}
