// The result of a comparison as both sides sign it: what each has, and every exchange on which they differ. Whoever signs
// checks first that its own log and the differences together give what the other side claims to have.
import { hash } from "node:crypto";
import { canonical } from "../../contracts/jcs.js";
import { FieldError, Fields } from "../../contracts/fields.js";
import type { JsonObject, JsonValue } from "../../contracts/json.js";
import { parseTransactionId, type TransactionId } from "../../core/names.js";
import type { Comparison, OneSided, Total } from "./compare.js";
import { compareItems, type SharedItem, type TimeRange } from "./node.js";
import type { ReadShared } from "./side.js";
import { daysOf, parentOf, Tally } from "./tally.js";
import { DIGEST_BYTES } from "./item.js";

/** How many differences a result names at most. */
export const DIFFERENCES_MAX = 10_000;

/** The header `typ` of a signature over a result. */
export const RESULT_TYPE = "schakel-log-comparison";

const TEXT_MAX = 1024;
const CHECKPOINT_MAX = 4096;
/** Records of one transaction on one side. */
const RECORDS_MAX = 1000;

/** What one side has. */
export interface ResultSide extends Total {
  readonly peerId: string;
  /** The text of its log's newest checkpoint, as the other side verified it; empty when there was none. */
  readonly checkpoint: string;
}

/** One exchange on which the two differ. */
export interface ResultDifference {
  readonly transactionId: TransactionId;
  /** What only the first side has, and what only the second has. */
  readonly records: readonly [readonly OneSided[], readonly OneSided[]];
}

/** A result. It reads the same for both. */
export interface Result extends TimeRange {
  readonly groupId: string;
  readonly madeAtMs: number;
  /** By rising peer id. */
  readonly sides: readonly [ResultSide, ResultSide];
  readonly truncated: boolean;
  /** By rising transaction id. */
  readonly differences: readonly ResultDifference[];
}

/** A result that is not right, and why. */
export class ResultError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ResultError";
  }
}

/** Whose the two sides of a comparison are. */
export interface ResultParties extends TimeRange {
  readonly groupId: string;
  readonly madeAtMs: number;
  readonly here: { readonly peerId: string; readonly checkpoint: string };
  readonly there: { readonly peerId: string; readonly checkpoint: string };
}

/** The result of a comparison. */
export const resultOf = (comparison: Comparison, parties: ResultParties): Result => {
  const { here, there, fromMs, toMs, groupId, madeAtMs } = parties;
  const isFirst = here.peerId < there.peerId;
  const ours: ResultSide = { ...here, ...comparison.here };
  const theirs: ResultSide = { ...there, ...comparison.there };
  return {
    ...{ groupId, fromMs, toMs, madeAtMs, truncated: comparison.truncated },
    sides: isFirst ? [ours, theirs] : [theirs, ours],
    differences: comparison.differences.map(({ transactionId, here: mine, there: others }) => ({
      transactionId,
      records: isFirst ? [mine, others] : [others, mine],
    })),
  };
};

const recordJson = ({ service, digest }: OneSided): JsonObject => ({
  service_name: service,
  digest: digest.toString("base64url"),
});

const differencesJson = (differences: readonly ResultDifference[]): readonly JsonObject[] =>
  differences.map(({ transactionId, records }) => ({
    transaction_id: transactionId,
    records: records.map((side) => side.map(recordJson)),
  }));

const headJson = (result: Result): JsonObject => ({
  ...{ version: 1, group_id: result.groupId, from_ms: result.fromMs, to_ms: result.toMs },
  ...{ made_at_ms: result.madeAtMs, truncated: result.truncated },
  sides: result.sides.map(({ peerId, count, digest, checkpoint }) => ({
    ...{ peer_id: peerId, exchanges: count, digest: digest.toString("base64url"), checkpoint },
  })),
});

/** A result as JSON. */
export const resultJson = (result: Result): JsonObject => ({
  ...headJson(result),
  differences: differencesJson(result.differences),
});

/** What both sides sign: the result with the number and the SHA-256 of its differences (RFC 8785) in their place. */
export const claimOf = (result: Result): JsonObject => ({
  ...headJson(result),
  differences_count: result.differences.length,
  differences_digest: hash("sha256", canonical(differencesJson(result.differences)), "base64url"),
});

const wholeNumber = (fields: Fields, name: string): number => {
  const value = fields.any(name);
  if (Number.isSafeInteger(value) && Number(value) >= 0) return Number(value);
  throw new FieldError(fields.pathOf(name), "must be a whole number, 0 or more");
};

const digestIn = (fields: Fields): Buffer =>
  fields.parsed("digest", {
    ...{ max: 43, what: "32 bytes in base64url" },
    parse: (text) => {
      const bytes = Buffer.from(text, "base64url");
      return bytes.length === DIGEST_BYTES && bytes.toString("base64url") === text
        ? bytes
        : undefined;
    },
  });

const sideOf = (value: JsonValue, path: string): ResultSide => {
  const fields = new Fields(value, path);
  const side = {
    peerId: fields.text("peer_id", { max: TEXT_MAX }),
    count: wholeNumber(fields, "exchanges"),
    digest: digestIn(fields),
    checkpoint: fields.text("checkpoint", { min: 0, max: CHECKPOINT_MAX }),
  };
  fields.end();
  return side;
};

const recordsOf = (value: JsonValue | undefined, path: string): readonly OneSided[] => {
  if (!(value instanceof Array) || value.length > RECORDS_MAX) {
    throw new FieldError(path, `must be an array of at most ${String(RECORDS_MAX)} items`);
  }
  return value.map((each: JsonValue, at) => {
    const fields = new Fields(each, `${path}[${String(at)}]`);
    const record = {
      service: fields.text("service_name", { min: 0, max: TEXT_MAX }),
      digest: digestIn(fields),
    };
    fields.end();
    return record;
  });
};

const differenceOf = (value: JsonValue, path: string): ResultDifference => {
  const fields = new Fields(value, path);
  const transactionId = fields.parsed("transaction_id", {
    ...{ max: 36, what: "a UUID of version 7", parse: parseTransactionId },
  });
  const records = fields.list("records");
  if (records.length !== 2) throw new FieldError(`${path}.records`, "must have two items");
  const [first, second] = records.map((each, at) =>
    recordsOf(each, `${path}.records[${String(at)}]`),
  );
  fields.end();
  return { transactionId, records: [first ?? [], second ?? []] };
};

const inOrder = <T>(values: readonly T[], keyOf: (value: T) => string): boolean =>
  values.every((value, at) => {
    const before = values[at - 1];
    return before === undefined || keyOf(before) < keyOf(value);
  });

const read = (fields: Fields): Result => {
  if (fields.any("version") !== 1) throw new FieldError("version", "must be 1");
  const sides = fields.list("sides").map((each, at) => sideOf(each, `sides[${String(at)}]`));
  const [first, second, ...more] = sides;
  if (first === undefined || second === undefined || more.length > 0) {
    throw new FieldError("sides", "must have two items");
  }
  const list = fields.list("differences");
  if (list.length > DIFFERENCES_MAX) {
    throw new FieldError("differences", `has more than ${String(DIFFERENCES_MAX)} items`);
  }
  const differences = list.map((each, at) => differenceOf(each, `differences[${String(at)}]`));
  if (
    !inOrder(sides, ({ peerId }) => peerId) ||
    !inOrder(differences, (each) => each.transactionId)
  ) {
    throw new FieldError("", "must have its sides and differences in order, each once");
  }
  const result = {
    ...{ groupId: fields.text("group_id", { max: TEXT_MAX }), sides: [first, second] as const },
    ...{ fromMs: wholeNumber(fields, "from_ms"), toMs: wholeNumber(fields, "to_ms") },
    ...{ madeAtMs: wholeNumber(fields, "made_at_ms"), differences },
    truncated: fields.any("truncated") === true,
  };
  fields.end();
  return result;
};

/** Reads a result. @throws ResultError when it has another form */
export const parseResult = (value: JsonValue): Result => {
  try {
    return read(new Fields(value, ""));
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    throw new ResultError(error.message, { cause: error });
  }
};

const totalOf = (tally: Tally): Total => parentOf({ level: "whole" }, daysOf(tally.finish()));

const keyOf = ({ transactionId, service, digest }: SharedItem): string =>
  `${transactionId} ${digest.toString("hex")} ${service}`;

const itemsOf = (differences: readonly ResultDifference[], side: 0 | 1): SharedItem[] =>
  differences
    .flatMap(({ transactionId, records }) =>
      records[side].map(({ service, digest }) => ({ transactionId, service, digest })),
    )
    .sort(compareItems);

/** Sums up a log as it is, and as it would be with what only the other side has instead of what only it has. */
class Both {
  readonly own = new Tally(false);
  readonly other = new Tally(false);
  readonly #only: Set<string>;
  readonly #added: readonly SharedItem[];
  #next = 0;

  constructor({ differences }: Result, ours: 0 | 1) {
    this.#only = new Set(itemsOf(differences, ours).map(keyOf));
    this.#added = itemsOf(differences, ours === 0 ? 1 : 0);
  }

  /** What is said to be only in our log and was not met. */
  get unmet(): number {
    return this.#only.size;
  }

  add(item: SharedItem): void {
    this.own.add(item);
    this.#addUntil(item.transactionId);
    if (!this.#only.delete(keyOf(item))) this.other.add(item);
  }

  end(): void {
    this.#addUntil(undefined);
  }

  #addUntil(id: TransactionId | undefined): void {
    for (; this.#next < this.#added.length; this.#next++) {
      const item = this.#added[this.#next];
      if (item === undefined || (id !== undefined && item.transactionId >= id)) return;
      this.other.add(item);
    }
  }
}

const isEqual = (a: Total, b: Total): boolean => a.count === b.count && a.digest.equals(b.digest);

/**
 * Checks a result against our own log: that we have what it says we have, and, unless it is truncated, that the
 * differences are all that lies between us and what the other side says it has.
 *
 * @throws ResultError when it is not so, and what `readShared` rejects with
 */
export const checkResult = async (
  result: Result,
  ownPeerId: string,
  readShared: ReadShared,
): Promise<void> => {
  const [first, second] = result.sides;
  const ours = first.peerId === ownPeerId ? 0 : 1;
  const both = new Both(result, ours);
  for await (const page of readShared(result)) for (const item of page) both.add(item);
  both.end();
  if (!isEqual(totalOf(both.own), ours === 0 ? first : second)) {
    throw new ResultError("our log has other exchanges than the result says");
  }
  if (both.unmet > 0) throw new ResultError("our log has not all that the result says only it has");
  if (result.truncated || isEqual(totalOf(both.other), ours === 0 ? second : first)) return;
  throw new ResultError("the differences are not all that lies between the two logs");
};
