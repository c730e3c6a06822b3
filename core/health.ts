// Health and metrics of a process, on a loopback port of their own: /health/live, /health/ready, /metrics.
import { createServer, type Server } from "node:http";
import { isIP } from "node:net";
import { collectDefaultMetrics, Registry } from "prom-client";
import { isLoopback, type Address } from "./address.js";
import type { Lifecycle } from "./lifecycle.js";
import { listen } from "./listen.js";

/** One condition for being ready; `problem` is undefined when all is well, else one sentence without secrets. */
export interface ReadyCheck {
  readonly name: string;
  readonly problem: () => string | undefined;
}

const failing = (checks: readonly ReadyCheck[]): Readonly<Record<string, string>> => {
  const found = checks.map(({ name, problem }) => [name, problem()] as const);
  return Object.fromEntries(
    found.filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
};

/** What a process tells about itself. */
export class Health {
  readonly registry = new Registry();
  readonly #checks: ReadyCheck[] = [];
  readonly #warnings: ReadyCheck[] = [];

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Adds a condition that must hold for /health/ready to answer 200. */
  addCheck(check: ReadyCheck): void {
    this.#checks.push(check);
  }

  /** Adds a condition that an operator should look at when it does not hold; the process stays ready. */
  addWarning(check: ReadyCheck): void {
    this.#warnings.push(check);
  }

  /** The conditions of `addWarning` that do not hold, by name. */
  warnings(): Readonly<Record<string, string>> {
    return failing(this.#warnings);
  }

  /** The conditions that do not hold, by name; empty when the process is ready. */
  problems(): Readonly<Record<string, string>> {
    return failing(this.#checks);
  }
}

/** Whether a Host header is one of this machine: a page's own name that was pointed here is not (DNS rebinding). */
const isOurHost = (header: string | undefined, { host }: Address): boolean => {
  if (header === undefined) return true;
  const named = header
    .replace(/:[0-9]{1,5}$/, "")
    .replace(/^\[(.*)\]$/, "$1")
    .toLowerCase();
  return named === host || isLoopback(named) || isIP(named) !== 0;
};

const createHealthServer = (health: Health, address: Address): Server =>
  createServer({ headersTimeout: 5_000, requestTimeout: 5_000 }, (request, response) => {
    const json = (status: number, body: unknown): void => {
      response.writeHead(status, {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
      });
      response.end(`${JSON.stringify(body)}\n`);
    };
    if (!isOurHost(request.headers.host, address)) {
      json(403, {
        error: "the Host is not a name of this machine: use localhost or an IP address",
      });
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      json(405, { error: "only GET" });
    } else if (request.url === "/health/live") {
      json(200, { live: true });
    } else if (request.url === "/health/ready") {
      const problems = health.problems();
      const ready = Object.keys(problems).length === 0;
      const warnings = health.warnings();
      const more = Object.keys(warnings).length === 0 ? {} : { warnings };
      json(ready ? 200 : 503, { ready, problems, ...more });
    } else if (request.url === "/metrics") {
      health.registry.metrics().then(
        (page) => {
          response.writeHead(200, { "Content-Type": health.registry.contentType });
          response.end(page);
        },
        () => json(500, { error: "the metrics could not be collected" }),
      );
    } else {
      json(404, { error: "there are /health/live, /health/ready and /metrics" });
    }
  });

/** Serves health and metrics until the process stops. Returns the address in use. */
export const serveHealth = async (
  health: Health,
  address: Address,
  lifecycle: Lifecycle,
): Promise<Address> => {
  const server = createHealthServer(health, address);
  lifecycle.onStop(
    "health",
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return listen(server, address);
};
