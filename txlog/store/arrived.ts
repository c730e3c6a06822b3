// Records as they arrive from a writer, taken apart and checked before anything is stored.
import { createSecretKey, type KeyObject } from "node:crypto";
import { SchakelError } from "../../core/errors.js";
import { FormatError } from "../bytes.js";
import { decodeLeaf } from "../decode-leaf.js";
import { leafHash } from "../leaf.js";
import { openPersonal, recordSecret } from "../personal.js";
import type { LogRecord } from "../record.js";
import { takeRecords } from "../segment.js";
import { subjectHash } from "./subject-hash.js";

/** How many records a batch may have, and how many bytes. */
export const BATCH_RECORDS_MAX = 10_000;
/** What a segment's batch may hold; a writer ships less at once. */
export const SHIPPED_BYTES_MAX = 1024 ** 2;

/** Records of one writer, as they stand in a segment. */
export interface ArrivingBatch {
  /** A UUID, lower case. */
  readonly writerId: string;
  /** 32 bytes; all zero when it was removed, so that what is personal is gone. */
  readonly segmentKey: Buffer;
  readonly firstSequence: number;
  readonly count: number;
  readonly records: Buffer;
}

/** A record that can be stored. */
export interface ArrivedRecord {
  readonly record: LogRecord;
  readonly sequence: number;
  readonly leaf: Buffer;
  readonly leafHash: Buffer;
  /** The personal part, when it has one: the ciphertext, the record's own secret, and the hashes of its subjects. */
  readonly personal: ArrivedPersonal | undefined;
}

/** A personal part. Without subjects also when it could not be opened. */
export interface ArrivedPersonal {
  readonly sealed: Buffer;
  readonly secret: Buffer;
  readonly subjects: readonly Buffer[];
}

/** What arriving records are judged by. */
export interface ArrivalParts {
  readonly groupId: string;
  readonly searchKey: KeyObject;
  /** Told of a personal part that does not open: it is stored as it is. */
  readonly unreadable: (sequence: number, reason: string) => void;
}

const NO_KEY = Buffer.alloc(32);

const refused = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail });

const NO_SECRET = Buffer.alloc(0);

/** What is personal in a record; what does not open is kept with as much as there is. */
const personalOf = (
  record: LogRecord,
  sealed: Buffer,
  segmentKey: KeyObject,
  { searchKey, unreadable }: ArrivalParts,
): ArrivedPersonal => {
  let secret: Buffer = NO_SECRET;
  try {
    const commitment = "exchange" in record ? record.exchange.commitment : undefined;
    if (commitment === undefined) throw new FormatError("the record commits to no personal part");
    secret = recordSecret(segmentKey, sealed);
    const { dataSubjects } = openPersonal(secret, { commitment, sealed });
    const hashes = (dataSubjects ?? []).map((subject) => subjectHash(searchKey, subject));
    const subjects = [...new Map(hashes.map((hash) => [hash.toString("latin1"), hash])).values()];
    return { sealed, secret, subjects };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    unreadable(Number(record.sequence), error.message);
    return { sealed, secret, subjects: [] };
  }
};

/**
 * Takes a batch apart.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID when it is over a limit, is no whole number of records, or a
 * record is not this group's, this writer's or not the one that its place in the batch says
 */
export const readArriving = (batch: ArrivingBatch, parts: ArrivalParts): ArrivedRecord[] => {
  const { writerId, segmentKey, firstSequence, count, records } = batch;
  if (count < 1 || count > BATCH_RECORDS_MAX || records.length > SHIPPED_BYTES_MAX) {
    throw refused(
      `a batch of ${count} records in ${records.length} bytes, allowed are 1 to ${BATCH_RECORDS_MAX} in ${SHIPPED_BYTES_MAX}`,
    );
  }
  const stored = takeRecords(records, count);
  if (stored === undefined) throw refused(`the batch does not hold ${count} whole records`);
  const key = segmentKey.equals(NO_KEY) ? undefined : createSecretKey(segmentKey);
  return stored.map(({ leaf, sealed }, place) => {
    const sequence = firstSequence + place;
    const record = decoded(leaf, sequence);
    if (
      record.groupId !== parts.groupId ||
      record.writerId !== writerId ||
      Number(record.sequence) !== sequence
    ) {
      throw refused(
        `record ${sequence} of writer ${writerId} says that it is ${record.sequence} of ${record.writerId} in group "${record.groupId}"`,
      );
    }
    const arrived = { record, sequence, leaf, leafHash: leafHash(leaf) };
    if (sealed === undefined || key === undefined) return { ...arrived, personal: undefined };
    return { ...arrived, personal: personalOf(record, sealed, key, parts) };
  });
};

const decoded = (leaf: Buffer, sequence: number): LogRecord => {
  try {
    return decodeLeaf(leaf);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw refused(`record ${sequence} is none: ${error.message}`);
  }
};
