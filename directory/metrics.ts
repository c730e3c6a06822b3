// What a directory counts.
import { Counter, Gauge, type Registry as MetricsRegistry } from "prom-client";
import type { Registry } from "./registry.js";
import type { Watchers } from "./watchers.js";

/** What the manager side counts, asked when somebody looks. */
export interface ManagerSideMeasured {
  readonly deliveriesWaiting: () => Promise<number>;
  readonly servicesPublished: () => number;
  /** Open connections of managers. */
  readonly managerConnections: () => number;
  /** What is wrong with revocation lists, or soon will be. */
  readonly revocationProblems: () => number;
}

/** Adds the metrics of a directory's manager side to a registry. */
export const managerSideMetrics = (
  metrics: MetricsRegistry,
  measured: ManagerSideMeasured,
): void => {
  const registers = [metrics];
  new Gauge({
    name: "schakel_directory_deliveries_waiting",
    help: "Signatures of the directory that a party's manager has not confirmed yet.",
    registers,
    async collect() {
      this.set(await measured.deliveriesWaiting());
    },
  });
  new Gauge({
    name: "schakel_directory_services_published",
    help: "Services with a publication contract in force, with or without a live inway.",
    registers,
    collect() {
      this.set(measured.servicesPublished());
    },
  });
  new Gauge({
    name: "schakel_directory_manager_connections",
    help: "Open connections of managers.",
    registers,
    collect() {
      this.set(measured.managerConnections());
    },
  });
  new Gauge({
    name: "schakel_directory_revocation_list_problems",
    help: "Revocation lists that end soon, have ended or cannot be fetched.",
    registers,
    collect() {
      this.set(measured.revocationProblems());
    },
  });
};

/** Adds a directory's metrics to a registry. Returns what counts an announcement by its result. */
export const directoryMetrics = (
  metrics: MetricsRegistry,
  registry: Registry,
  watchers: Watchers,
): ((result: string) => void) => {
  const registers = [metrics];
  const announcements = new Counter({
    name: "schakel_directory_announcements_total",
    help: "Announcements by what came of them: accepted, or the code of the error.",
    labelNames: ["result"],
    registers,
  });
  new Gauge({
    name: "schakel_directory_peers",
    help: "Peers with at least one live component.",
    registers,
    collect() {
      this.set(registry.current.peers().length);
    },
  });
  new Gauge({
    name: "schakel_directory_inways",
    help: "Live inways by what the last probe found.",
    labelNames: ["health"],
    registers,
    collect() {
      const counts = { up: 0, down: 0, unknown: 0 };
      for (const { announcement, health } of registry.current.entries()) {
        if (announcement.kind === "inway") counts[health] += 1;
      }
      for (const [health, count] of Object.entries(counts)) this.set({ health }, count);
    },
  });
  new Gauge({
    name: "schakel_directory_watchers",
    help: "Open catalogue streams.",
    registers,
    collect() {
      this.set(watchers.count);
    },
  });
  return (result) => announcements.inc({ result });
};
