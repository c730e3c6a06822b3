// A transaction log for a test, and exchanges to record in it.
import { pino } from "pino";
import { systemClock, type Clock } from "../../core/clock.js";
import { newTransactionId } from "../../core/names.js";
import type { ExchangeEntry, OutcomeEntry } from "../../txlog/entry.js";
import { openTransactionLog, type LogLimits, type TransactionLog } from "../../txlog/log.js";
import { readLog, type LogItem, type ReadRecord } from "../../txlog/read.js";

/** The group of every log here. */
export const GROUP = "test.group";

interface OpenOptions {
  readonly limits?: Partial<LogLimits>;
  readonly clock?: Clock;
  readonly groupId?: string;
  readonly allowVolatile?: boolean;
  readonly durability?: "local" | "store";
  /** Collects the lines of the process's log. */
  readonly lines?: string[];
}

/** Opens a log in a folder; volatile folders are allowed unless said otherwise, since a test's may be one. */
export const openLog = (folder: string, options: OpenOptions = {}): Promise<TransactionLog> =>
  openTransactionLog({
    folder,
    groupId: options.groupId ?? GROUP,
    software: "0.0.0-test",
    log: pino({ level: "info" }, { write: (line: string) => void options.lines?.push(line) }),
    clock: options.clock ?? systemClock,
    allowVolatile: options.allowVolatile ?? true,
    ...(options.durability === undefined ? {} : { durability: options.durability }),
    limits: options.limits ?? {},
  });

/** An exchange to record. */
export const exchange = (more: Partial<ExchangeEntry> = {}): ExchangeEntry => ({
  direction: "outgoing",
  transactionId: newTransactionId(),
  source: { peerId: "00000000000000000001" },
  destination: { peerId: "00000000000000000002" },
  service: "personen",
  method: "GET",
  ...more,
});

/** How it ended. */
export const COMPLETE: OutcomeEntry = {
  result: "complete",
  status: 200,
  requestBytes: 0,
  responseBytes: 10,
  durationUs: { total: 1000 },
  link: "http1",
};

/** Everything in a log folder. */
export const itemsOf = async (folder: string): Promise<LogItem[]> => {
  const items: LogItem[] = [];
  for await (const item of readLog(folder)) items.push(item);
  return items;
};

/** The records of a log folder that count, with how they are stored. */
export const storedRecordsOf = async (folder: string): Promise<ReadRecord[]> =>
  (await itemsOf(folder)).filter((item) => item.status === "record");
