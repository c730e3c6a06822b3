// Opening the transaction log of a data-plane process: lock, recovery, and the first records of a run.
import { makeFolder, prepareFolder } from "./folder.js";
import { LOG_LIMITS } from "./limits.js";
import { lockFolder } from "./lock.js";
import type { Body } from "./leaf.js";
import type { Durability } from "./record.js";
import { recover, type Recovered } from "./recover.js";
import { BATCH_BYTES_MAX } from "./segment.js";
import { SegmentedLog } from "./segmented-log.js";
import type { TransactionLog, TransactionLogOptions } from "./transaction-log.js";

export type { LogLimits } from "./limits.js";
export type { Intent } from "./record.js";
export type {
  LogCounters,
  TransactionLog,
  TransactionLogOptions,
  WriterPosition,
} from "./transaction-log.js";

const startOf = (
  { previousStop, torn }: Recovered,
  durability: Durability,
  { software, component = "", log }: TransactionLogOptions,
): Body => {
  if (torn !== undefined) {
    log.warn(torn, "the transaction log's last segment is torn: its end holds no whole batch");
  }
  const [tornSegment, tornBytes] = [torn?.segment ?? 0, torn?.bytes ?? 0];
  const told = { software, component, previousStop, durability };
  return { kind: "writer-start", ...told, tornSegment, tornBytes };
};

/**
 * Opens a log for writing: takes the folder's lock, reads what the earlier runs left, begins a new
 * segment, and writes the record of the start and an `unfinished` record for each intent without outcome.
 * Resolves when those are durable. Nothing of an earlier run is changed.
 *
 * @throws LogUnusable when the folder is locked, on a volatile file system, another group's, or damaged
 * anywhere but at its end; the system's error when it cannot be read or written
 */
export const openTransactionLog = async (
  options: TransactionLogOptions,
): Promise<TransactionLog> => {
  const { folder, groupId } = options;
  const limits = { ...LOG_LIMITS, ...options.limits };
  if (limits.queueBytes > BATCH_BYTES_MAX / 4) {
    throw new RangeError(`queueBytes is ${limits.queueBytes}, allowed is ${BATCH_BYTES_MAX / 4}`);
  }
  const isStored = options.durability === "store";
  const ownDurability = await makeFolder(folder, options.allowVolatile || isStored);
  const durability = isStored ? "store" : ownDurability;
  const unlock = lockFolder(folder);
  try {
    const writerId = await prepareFolder(folder, groupId);
    const recovered = await recover(folder, writerId);
    const log = new SegmentedLog({ ...options, writerId, limits, unlock });
    await log.start(recovered, startOf(recovered, durability, options));
    const { previousStop, open } = recovered;
    const unfinished = open.length;
    options.log.info({ writerId, previousStop, unfinished }, "the transaction log is open");
    return log;
  } catch (error) {
    unlock();
    throw error;
  }
};
