// The transaction log of an inway or outway, with all that belongs to it: it is written, shipped to the manager, and
// told of in health and metrics.
import type { Health } from "../core/health.js";
import type { Lifecycle } from "../core/lifecycle.js";
import { openTransactionLog, type TransactionLog, type TransactionLogOptions } from "./log.js";
import { exposeLog, exposeShipping } from "./metrics.js";
import type { ShipStream } from "./ship-connection.js";
import { SHIP_LIMITS, Shipper, type ShipLimits } from "./shipper.js";

/** The way to the manager. */
export interface ManagerStreams {
  /** Opens a stream; rejects when there is no way. */
  readonly open: () => Promise<ShipStream>;
  /** Calls back when new streams are to be opened otherwise than before. Returns the function that ends that. */
  readonly onChange: (listener: () => void) => () => void;
}

/** What the log is opened with. */
export interface ShippedLogOptions extends TransactionLogOptions {
  readonly streams: ManagerStreams;
  readonly health: Health;
  readonly lifecycle: Pick<Lifecycle, "onStop">;
  readonly ship?: Partial<ShipLimits>;
}

/**
 * Opens a log as openTransactionLog does, and ships it to the manager until the process stops: what is written last
 * is shipped too, when the manager is there.
 */
export const openShippedLog = async (options: ShippedLogOptions): Promise<TransactionLog> => {
  const { folder, groupId, log, clock, streams, health, lifecycle } = options;
  const transactionLog = await openTransactionLog(options);
  const isAwaited = options.durability === "store";
  const limits = { ...SHIP_LIMITS, ...(isAwaited ? { delayMs: 0 } : {}), ...options.ship };
  const started: { shipper?: Shipper } = {};
  lifecycle.onStop("transaction log", () => transactionLog.close(() => started.shipper?.stop()));
  health.addCheck({ name: "transaction log", problem: () => transactionLog.problem() });
  exposeLog(health.registry, transactionLog);
  const { open } = streams;
  const shipper = await Shipper.start({
    ...{ folder, groupId, transactionLog, open, clock, log, limits },
  });
  started.shipper = shipper;
  lifecycle.onStop(
    "the way to the manager",
    streams.onChange(() => shipper.restart()),
  );
  health.addWarning({ name: "log shipping", problem: () => shipper.warning() });
  exposeShipping(health.registry, shipper);
  return transactionLog;
};
