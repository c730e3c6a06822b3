// Stands for txlog/shipped-log.ts in a process with without-log.ts: a log that keeps nothing and lets nobody wait.
// Only syntax that Node can strip stands here.
import type { TransactionLog } from "../../txlog/transaction-log.js";

const COUNTERS = {
  ...{ batches: 0, records: 0, syncs: 0, bytes: 0 },
  ...{ intentsRefused: 0, outcomesLost: 0, failures: 0 },
};
const POSITION = {
  ...{ durable: 1, durableSegment: 1, openFrom: 1, fillingSegment: 1, fillingFrom: 1 },
};
const RECEIPT = Buffer.alloc(32, 1);

const NO_LOG: TransactionLog = {
  writerId: "00000000-0000-4000-8000-000000000000",
  records: COUNTERS,
  position: POSITION,
  problem: () => undefined,
  intent: (entry) => {
    const { transactionId } = entry;
    if (transactionId === undefined) return Promise.reject(new Error("no transaction id"));
    return Promise.resolve({ sequence: 1n, leafHash: RECEIPT, transactionId });
  },
  outcome: () => undefined,
  refusal: () => undefined,
  onDurable: () => () => undefined,
  acknowledged: () => undefined,
  endSegment: () => undefined,
  close: (last) => Promise.resolve(last?.()),
};

/** In the place of the function of the same name. */
export const openShippedLog = (): Promise<TransactionLog> => Promise.resolve(NO_LOG);
