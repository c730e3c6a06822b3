// Verifying an export bundle offline: whose log it is, the checkpoint and who saw it, every entry, and that it continues
// what was seen of the log before.
import { verify, type X509Certificate } from "node:crypto";
import { parseCertificate } from "../../certs/pem.js";
import { CertificateError } from "../../certs/certificate-error.js";
import { readBundle, type ReadPiece } from "./bundle-file.js";
import { bundleMessage, type BundleEnd, type BundleHeader } from "./bundle-lines.js";
import {
  isOriginOf,
  logOrigin,
  parseCheckpoint,
  type Checkpoint,
  type Cosignature,
} from "./checkpoint.js";
import { LogFault } from "./log-fault.js";
import { readNote, type UnknownSignature, type Verifier } from "./note.js";
import { trustedKeys, type KeyTrust } from "./trusted-keys.js";
import { compareSeen, openHead, requireConsistent, type TrustedKeys } from "./verify-head.js";
import {
  verifyEntries,
  type Entry,
  type LogHead,
  type Progress,
  type VerifiedEntries,
} from "./verify-log.js";

/** What is trusted, and what is known already. */
export interface BundleTrust extends KeyTrust {
  /** A checkpoint of this log that was seen before. */
  readonly seen?: Checkpoint;
}

/** What a bundle was found to be. */
export interface VerifiedBundle extends VerifiedEntries {
  readonly header: BundleHeader;
  readonly origin: string;
  readonly checkpoint: Checkpoint;
  /** The signed note of the checkpoint. */
  readonly note: string;
  readonly cosignatures: readonly Cosignature[];
  readonly unknown: readonly UnknownSignature[];
  /** The log's keys that were trusted. */
  readonly keys: readonly Verifier[];
  /** Whether the log's key signed the bundle as a whole. */
  readonly signed: boolean;
  readonly contracts: number;
  readonly reconciliations: number;
}

/** Takes the pieces one by one, and lets the next be looked at. */
class Pieces {
  readonly #batches: AsyncIterator<readonly ReadPiece[]>;
  #batch: readonly ReadPiece[] = [];
  #at = 0;

  constructor(batches: AsyncIterable<readonly ReadPiece[]>) {
    this.#batches = batches[Symbol.asyncIterator]();
  }

  /** The next piece; undefined when there is none in memory. */
  get here(): ReadPiece | undefined {
    return this.#batch[this.#at];
  }

  skip(): void {
    this.#at += 1;
  }

  /** Fetches until there is a next piece; false at the end. */
  async fill(): Promise<boolean> {
    while (this.here === undefined) {
      const next = await this.#batches.next();
      if (next.done === true) return false;
      this.#batch = next.value;
      this.#at = 0;
    }
    return true;
  }

  /** All pieces up to the first that is none of these. */
  async *while(isWanted: (piece: ReadPiece) => boolean): AsyncGenerator<ReadPiece> {
    while (await this.fill()) {
      for (let piece = this.here; piece !== undefined; piece = this.here) {
        if (!isWanted(piece)) return;
        this.skip();
        yield piece;
      }
    }
  }
}

/** What stands before the entries. */
interface Preamble {
  readonly header: BundleHeader;
  readonly note: string;
  readonly older: readonly string[];
  readonly consistency: ReadonlyMap<number, readonly Buffer[]>;
  readonly statements: readonly string[];
  readonly certificates: readonly X509Certificate[];
}

const PREAMBLE: readonly ReadPiece["type"][] = [
  "header",
  "checkpoint",
  "older-checkpoint",
  "consistency",
  "key-statement",
  "certificate",
];

const certificateOf = (der: Buffer): X509Certificate => {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw new LogFault("malformed", `a certificate of the bundle is none: ${error.message}`);
  }
};

const readPreamble = async (pieces: Pieces): Promise<Preamble> => {
  let header: BundleHeader | undefined;
  let note: string | undefined;
  const older: string[] = [];
  const consistency = new Map<number, readonly Buffer[]>();
  const statements: string[] = [];
  const certificates: X509Certificate[] = [];
  for await (const piece of pieces.while(({ type }) => PREAMBLE.includes(type))) {
    if (piece.type === "header") header = piece.header;
    else if (piece.type === "checkpoint") note = piece.note;
    else if (piece.type === "older-checkpoint") older.push(piece.note);
    else if (piece.type === "consistency") consistency.set(piece.oldSize, piece.proof);
    else if (piece.type === "key-statement") statements.push(piece.jws);
    else if (piece.type === "certificate") certificates.push(certificateOf(piece.der));
  }
  if (header === undefined || note === undefined) {
    throw new LogFault("malformed", "the bundle has no header or no checkpoint");
  }
  return { header, note, older, consistency, statements, certificates };
};

/** The smaller checkpoints that the entries must pass, by rising size: the bundle's own and the one seen before. */
const passedBy = (
  { older }: Preamble,
  keys: TrustedKeys,
  seen: Checkpoint | undefined,
): Checkpoint[] => {
  const own = older.map((note) => openHead(note, { ...keys, anyWitness: true }).checkpoint);
  return [...own, ...(seen === undefined ? [] : [seen])].sort((a, b) => a.size - b.size);
};

/** Requires that the head continues what was seen; entries that pass its size will show it themselves. */
const requireContinues = (
  { header, consistency }: Preamble,
  head: Checkpoint,
  seen: Checkpoint | undefined,
): void => {
  if (seen === undefined || !compareSeen(head, seen)) return;
  if (!header.selected && seen.size >= header.from) return;
  const proof = consistency.get(seen.size);
  if (proof !== undefined) {
    requireConsistent(head, seen, proof);
    return;
  }
  const detail = `nothing in the bundle shows that it continues the checkpoint of ${seen.size} entries that was seen before`;
  throw new LogFault("consistency-missing", detail);
};

/** What was seen of this epoch. Of another one, only its size can be compared, with what the epoch's record names. */
const sameEpoch = (origin: string, seen: Checkpoint | undefined): Checkpoint | undefined =>
  seen?.origin === origin ? seen : undefined;

const requireEpochContinues = (
  { header }: Preamble,
  seen: Checkpoint | undefined,
  { epochRecord }: VerifiedEntries,
): void => {
  const origin = logOrigin(header.groupId, header.peerId, header.epoch);
  if (seen === undefined || seen.origin === origin) return;
  const named = epochRecord?.checkpoint ?? "";
  const before = named === "" ? undefined : parseCheckpoint(readNote(named).text);
  if (before?.origin === seen.origin && before.size >= seen.size) return;
  const after = before === undefined ? "nothing that it names" : `${before.size} entries`;
  const detail = `epoch ${header.epoch} begins after ${after}, a checkpoint of ${seen.origin} with ${seen.size} was seen before`;
  throw new LogFault(
    epochRecord === undefined ? "consistency-missing" : "checkpoint-older",
    detail,
  );
};

const requireSigned = ({ digest, signature }: BundleEnd, keys: TrustedKeys): boolean => {
  if (signature === undefined) return false;
  const message = bundleMessage(digest);
  if (keys.log.some(({ publicKey }) => verify(null, message, publicKey, signature))) return true;
  throw new LogFault(
    "signature-wrong",
    "the bundle's signature is not by a trusted key of its log",
  );
};

async function* entriesOf(pieces: Pieces): AsyncGenerator<Entry> {
  for await (const piece of pieces.while(({ type }) => type === "entry")) {
    if (piece.type === "entry") yield piece;
  }
}

const readRest = async (pieces: Pieces, keys: TrustedKeys) => {
  const rest = { contracts: 0, reconciliations: 0, signed: false };
  for await (const piece of pieces.while(() => true)) {
    if (piece.type === "contract") rest.contracts += 1;
    else if (piece.type === "reconciliation") rest.reconciliations += 1;
    else if (piece.type === "end") rest.signed = requireSigned(piece, keys);
  }
  return rest;
};

/** Told how many of the entries have been verified. */
export type BundleProgress = (done: number, of: number) => void;

/**
 * Verifies the pieces of a bundle, wherever they come from: a file, or a manager that is asked now. Contracts and
 * reconciliations are counted; each carries signatures of its own.
 *
 * @param batches in the order of a bundle, any number at a time; without `end` nobody signed them as a whole
 * @throws LogFault for the first thing that is wrong; whatever the batches throw
 */
export const verifyPieces = async (
  batches: AsyncIterable<readonly ReadPiece[]>,
  trust: BundleTrust,
  progress?: BundleProgress,
): Promise<VerifiedBundle> => {
  const pieces = new Pieces(batches);
  const preamble = await readPreamble(pieces);
  const { header, note } = preamble;
  const { groupId, epoch, from, prefix, selected } = header;
  const origin = logOrigin(groupId, header.peerId, epoch);
  const keys = await trustedKeys({ ...preamble, groupId, peerId: header.peerId }, trust);
  const { checkpoint, cosignatures, unknown } = openHead(note, keys);
  if (checkpoint.origin !== origin) {
    throw new LogFault("malformed", `the checkpoint is of ${checkpoint.origin}, not of ${origin}`);
  }
  if (
    trust.seen !== undefined &&
    !isOriginOf(trust.seen.origin, logOrigin(groupId, header.peerId))
  ) {
    throw new LogFault(
      "consistency-missing",
      `what was seen is of another log: ${trust.seen.origin}`,
    );
  }
  const seen = sameEpoch(origin, trust.seen);
  requireContinues(preamble, checkpoint, seen);
  const older = passedBy(preamble, keys, seen);
  const head: LogHead = { groupId, epoch, checkpoint, from, prefix, older, selected };
  const report: Progress = (done) => progress?.(done, checkpoint.size - from);
  const entries = await verifyEntries(entriesOf(pieces), head, report);
  requireEpochContinues(preamble, trust.seen, entries);
  const rest = await readRest(pieces, keys);
  return {
    ...entries,
    ...rest,
    header,
    origin,
    checkpoint,
    note,
    cosignatures,
    unknown,
    keys: keys.log,
  };
};

/**
 * Verifies a bundle as it stands in a file.
 *
 * @throws LogFault for the first thing that is wrong; whatever the chunks throw
 */
export const verifyBundle = (
  chunks: AsyncIterable<Uint8Array>,
  trust: BundleTrust,
  progress?: BundleProgress,
): Promise<VerifiedBundle> => verifyPieces(readBundle(chunks), trust, progress);
