// What a process tells of its transaction log in its metrics.
import { Counter, Gauge, type Registry } from "prom-client";
import type { Shipper } from "./shipper.js";
import type { LogCounters, TransactionLog } from "./transaction-log.js";

const COUNTED: readonly (readonly [keyof LogCounters, string, string])[] = [
  ["records", "records", "Records that are durable"],
  ["batches", "batches", "Batches that were written, each with one sync"],
  ["bytes", "bytes", "Bytes that were written"],
  ["failures", "failures", "Times that a write or sync failed"],
  ["intentsRefused", "intents_refused", "Exchanges refused because the log could not be written"],
  ["outcomesLost", "outcomes_lost", "Outcomes given up; their intents become unfinished"],
];

/** Adds the log's counters, and whether it can be written, to the metrics of its process. */
export const exposeLog = (registry: Registry, log: TransactionLog): void => {
  const registers = [registry];
  for (const [key, name, help] of COUNTED) {
    new Counter({
      name: `schakel_log_${name}_total`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(log.records[key]);
      },
    });
  }
  new Gauge({
    name: "schakel_log_writable",
    help: "1 when the transaction log can be written, else 0",
    registers,
    collect() {
      this.set(log.problem() === undefined ? 1 : 0);
    },
  });
};

const SHIPPING: readonly (readonly [string, string, (shipper: Shipper) => number])[] = [
  ["unshipped_records", "Records that the manager has not acknowledged", (s) => s.waiting.records],
  [
    "unshipped_oldest_seconds",
    "How long the oldest record waits that the manager has not acknowledged",
    (s) => s.waiting.oldestMs / 1000,
  ],
  ["shipping", "1 when the manager takes records, else 0", (s) => (s.isConnected ? 1 : 0)],
];

/** Adds what waits for the manager to the metrics of its process. */
export const exposeShipping = (registry: Registry, shipper: Shipper): void => {
  const registers = [registry];
  for (const [name, help, value] of SHIPPING) {
    new Gauge({
      name: `schakel_log_${name}`,
      help,
      registers,
      collect() {
        this.set(value(shipper));
      },
    });
  }
  new Counter({
    name: "schakel_log_shipped_total",
    help: "Records that the manager has acknowledged",
    registers,
    collect() {
      this.reset();
      this.inc(shipper.shipped);
    },
  });
};
