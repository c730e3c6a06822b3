// Reading the transaction logs of a network's processes, and what must always hold of them.
import { expect } from "chai";
import { readLog } from "../../txlog/read.js";
import type { IntentRecord, LogRecord } from "../../txlog/record.js";

/** All records of a log folder that count, in order. Fails on damage and on gaps; a torn end is allowed. */
export const recordsOf = async (folder: string): Promise<LogRecord[]> => {
  const records: LogRecord[] = [];
  for await (const item of readLog(folder)) {
    if (item.status === "record") records.push(item.record);
    else
      expect(
        item.status,
        JSON.stringify(item, (_, v: unknown) => (typeof v === "bigint" ? String(v) : v)),
      ).to.be.oneOf(["torn", "superseded"]);
  }
  return records;
};

/** The intents by transaction id. */
export const intentsOf = (records: readonly LogRecord[]): ReadonlyMap<string, IntentRecord> =>
  new Map(
    records
      .filter((record) => record.kind === "intent")
      .map((record) => [record.exchange.transactionId, record]),
  );

/** Checks that every intent has exactly one end: an outcome, or `unfinished` after a crash. */
export const expectEnded = (records: readonly LogRecord[]): void => {
  const ends = new Map<bigint, number>();
  for (const record of records) {
    if (record.kind !== "outcome" && record.kind !== "unfinished") continue;
    ends.set(record.intent.sequence, (ends.get(record.intent.sequence) ?? 0) + 1);
  }
  const intents = records.filter(({ kind }) => kind === "intent");
  const wrong = intents
    .filter(({ sequence }) => ends.get(sequence) !== 1)
    .map(({ sequence }) => String(sequence));
  expect(wrong, "intents without exactly one end").to.deep.equal([]);
  expect(ends.size).to.equal(intents.length);
};

/**
 * The records of a log that was cut off: numbered without a gap, every intent with an end, and each intent there that a
 * child acknowledged with a line of its sequence number and transaction id.
 */
export const expectNothingLost = async (
  folder: string,
  acknowledged: readonly string[],
): Promise<readonly LogRecord[]> => {
  const records = await recordsOf(folder);
  expect(records.map(({ sequence }) => Number(sequence))).to.deep.equal(
    records.map((_, index) => index + 1),
  );
  expectEnded(records);
  const intents = intentsOf(records);
  const lost = acknowledged.filter((line) => {
    const [sequence, id = ""] = line.split(" ");
    return String(intents.get(id)?.sequence) !== sequence;
  });
  expect(lost).to.deep.equal([]);
  return records;
};
