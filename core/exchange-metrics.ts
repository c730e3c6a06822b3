// What inway and outway count of their exchanges.
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { ErrorCode } from "./errors.js";

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** The metrics of one data-plane process. Labels hold no names from outside, so their number is bounded. */
export class ExchangeMetrics {
  readonly #ended: Counter<"result">;
  readonly #refused: Counter<"code">;
  readonly #duration: Histogram;

  /** @param running gives the number of exchanges that run now */
  constructor(registry: Registry, running: () => number) {
    const registers = [registry];
    this.#ended = new Counter({
      name: "schakel_exchanges_total",
      help: "Exchanges that were recorded and forwarded, by how they ended",
      labelNames: ["result"],
      registers,
    });
    this.#refused = new Counter({
      name: "schakel_errors_total",
      help: "Answers of our own instead of the service's, by error code",
      labelNames: ["code"],
      registers,
    });
    this.#duration = new Histogram({
      name: "schakel_exchange_seconds",
      help: "Time from the request's head to the end of the answer",
      buckets: SECONDS,
      registers,
    });
    new Gauge({
      name: "schakel_exchanges_running",
      help: "Exchanges that run now",
      registers,
      collect() {
        this.set(running());
      },
    });
  }

  /** Counts an exchange that was forwarded. */
  ended(result: string, totalUs: number): void {
    this.#ended.inc({ result });
    this.#duration.observe(totalUs / 1e6);
  }

  /** Counts an error that was answered. */
  refused(code: ErrorCode): void {
    this.#refused.inc({ code });
  }
}
