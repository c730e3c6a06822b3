// Opening the transaction log of a data-plane process: lock, recovery, and the first records of a run.
import { makeFolder, prepareFolder } from "./folder.js";
import { LOG_LIMITS } from "./limits.js";
import { lockFolder } from "./lock.js";
import { recover } from "./recover.js";
import { BATCH_BYTES_MAX } from "./segment.js";
import { SegmentedLog } from "./segmented-log.js";
import type { TransactionLog, TransactionLogOptions } from "./transaction-log.js";

export type { LogLimits } from "./limits.js";
export type { Intent } from "./record.js";
export type { LogCounters, TransactionLog, TransactionLogOptions } from "./transaction-log.js";

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
  const durability = await makeFolder(folder, options.allowVolatile);
  const unlock = lockFolder(folder);
  try {
    const writerId = await prepareFolder(folder, groupId);
    const recovered = await recover(folder, writerId);
    const log = new SegmentedLog({ ...options, writerId, limits, unlock });
    await log.start(recovered, durability);
    return log;
  } catch (error) {
    unlock();
    throw error;
  }
};
