// What a directory counts.
import { Counter, Gauge, type Registry as MetricsRegistry } from "prom-client";
import type { Registry } from "./registry.js";
import type { Watchers } from "./watchers.js";

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
