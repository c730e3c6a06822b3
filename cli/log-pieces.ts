// A log as our manager gives it, in the pieces of a bundle: for verifying it now, and for an export.
import { CommandError } from "./command.js";
import type {
  ExchangeFilter,
  LogEntry,
  ReadLogResponse,
} from "../proto/gen/schakel/manager/v1/log.js";
import type { BundleHeader, BundlePiece } from "../txlog/tree/bundle.js";
import { parseCheckpoint, type Checkpoint } from "../txlog/tree/checkpoint.js";
import { LogFault } from "../txlog/tree/log-fault.js";
import { NoteError, readNote } from "../txlog/tree/note.js";
import { parseProof } from "../txlog/tree/tlog-proof.js";
import type { LogSession } from "./log-session.js";

/** Which part of the log. */
export interface PiecesWanted {
  /** 0 for the newest. */
  readonly epoch: number;
  readonly from: number;
  /** Undefined: up to the end. */
  readonly to?: number | undefined;
  readonly filter?: ExchangeFilter | undefined;
  /** A checkpoint of this log that was seen before. */
  readonly seen?: Checkpoint | undefined;
  /** What stands around the entries. */
  readonly around: Around;
}

/** What stands around the entries in a bundle. */
export interface Around {
  readonly statements: readonly string[];
  /** DER. */
  readonly certificates: readonly Buffer[];
  readonly olderCheckpoints?: readonly string[];
  readonly contracts?: readonly string[];
  readonly reconciliations?: readonly string[];
}

/** The log's pieces. */
export interface LogPieces {
  readonly header: BundleHeader;
  readonly checkpoint: Checkpoint;
  /** In the order of a bundle, several at a time. */
  readonly batches: AsyncGenerator<readonly BundlePiece[]>;
}

const decoded = (part: string): string => part.replaceAll("%2B", "+").replaceAll("%25", "%");

/** Whose log it is, by the origin of its checkpoints. */
export const ownerOf = (
  origin: string,
  epoch: number,
): { readonly groupId: string; readonly peerId: string } => {
  const end = epoch === 1 ? "" : `/${String(epoch)}`;
  const name = origin.slice("schakel/".length, origin.length - end.length);
  const slash = name.lastIndexOf("/");
  return { groupId: decoded(name.slice(0, slash)), peerId: decoded(name.slice(slash + 1)) };
};

/** The checkpoint of a note that is not verified yet. @throws LogFault `malformed` when it is none */
export const checkpointIn = (note: string): Checkpoint => {
  try {
    return parseCheckpoint(readNote(note).text);
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    throw new LogFault("malformed", error.message);
  }
};

const entryPiece = ({ index, leaf, leafHash, proof }: LogEntry): BundlePiece => ({
  ...{ type: "entry", index: Number(index), leaf, leafHash },
  ...(proof === "" ? {} : { proof: parseProof(proof).proof }),
});

const consistency = async (
  log: LogSession,
  header: BundleHeader,
  { size, origin }: Checkpoint,
  seen: Checkpoint | undefined,
): Promise<BundlePiece[]> => {
  if (seen?.origin !== origin || seen.size === 0 || seen.size >= size) return [];
  // Entries that pass its size show it themselves.
  if (!header.selected && seen.size >= header.from) return [];
  const found = await log.ask("getProof", {
    ...{ epoch: header.epoch, index: 0n, oldSize: BigInt(seen.size), size: BigInt(size) },
  });
  return [{ type: "consistency", oldSize: seen.size, proof: found.consistency }];
};

const olderOf = (
  { olderCheckpoints = [] }: Around,
  { from, selected }: BundleHeader,
  { origin, size }: Checkpoint,
): BundlePiece[] => {
  if (selected) return [];
  const found = olderCheckpoints.map((note) => ({ note, checkpoint: checkpointIn(note) }));
  return found
    .filter(({ checkpoint: each }) => each.origin === origin && each.size < size)
    .filter(({ checkpoint: each }) => each.size >= from)
    .sort((a, b) => a.checkpoint.size - b.checkpoint.size)
    .map(({ note }) => ({ type: "older-checkpoint", note }));
};

/** Opens the log for reading. */
export const openLog = async (log: LogSession, wanted: PiecesWanted): Promise<LogPieces> => {
  const { epoch, from, to, filter, around, seen } = wanted;
  const isSelected = filter !== undefined || to !== undefined;
  const messages = log.stream("readLog", {
    ...{ epoch, from: BigInt(from), to: BigInt(to ?? 0), filter, proofs: isSelected },
  });
  const begun: IteratorResult<ReadLogResponse, unknown> = await messages.next();
  const first = begun.done === true ? undefined : begun.value;
  if (first === undefined || first.checkpoint === "") {
    throw new CommandError(
      "the log has no checkpoint yet",
      "a record is under a checkpoint within a second of its arrival; 'schakel log head' shows how many wait",
    );
  }
  const note = first.checkpoint;
  const checkpoint = checkpointIn(note);
  const number = epoch === 0 ? epochIn(checkpoint.origin) : epoch;
  const header: BundleHeader = {
    ...ownerOf(checkpoint.origin, number),
    ...{ epoch: number, from: isSelected ? 0 : Number(first.first), selected: isSelected },
    prefix: isSelected ? [] : first.prefix,
    madeAt: Math.floor(Date.now() / 1000),
  };
  const head: BundlePiece[] = [
    { type: "checkpoint", note },
    ...olderOf(around, header, checkpoint),
    ...(await consistency(log, header, checkpoint, seen)),
    ...around.statements.map((jws): BundlePiece => ({ type: "key-statement", jws })),
    ...around.certificates.map((der): BundlePiece => ({ type: "certificate", der })),
  ];
  return { header, checkpoint, batches: batchesOf(head, first, messages, around) };
};

/** The epoch of an origin whose owner is not known: a group's id and a peer's have no slash before the number. */
const epochIn = (origin: string): number => {
  const [, , , epoch] = origin.split("/");
  return epoch === undefined ? 1 : Number(epoch);
};

async function* batchesOf(
  head: readonly BundlePiece[],
  first: ReadLogResponse,
  messages: AsyncGenerator<ReadLogResponse>,
  { contracts = [], reconciliations = [] }: Around,
): AsyncGenerator<readonly BundlePiece[]> {
  yield head;
  yield first.entries.map(entryPiece);
  for await (const { entries } of messages) yield entries.map(entryPiece);
  yield contracts.map((text): BundlePiece => ({ type: "contract", text }));
  yield reconciliations.map((text): BundlePiece => ({ type: "reconciliation", text }));
}
