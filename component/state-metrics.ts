// What a process tells of its state on its health page and in its metrics.
import { Gauge } from "prom-client";
import type { Health } from "../core/health.js";
import type { StateSource } from "./state-source.js";

/** Makes a process ready only while it has a state to work by, and lets it say when that is stale. */
export const exposeState = (health: Health, source: StateSource): void => {
  const registers = [health.registry];
  health.addCheck({ name: "contracts", problem: () => source.problem() });
  health.addWarning({ name: "contracts", problem: () => source.warning() });
  new Gauge({
    name: "schakel_state_stale",
    help: "1 when the manager has not been heard for 3 s, else 0",
    registers,
    collect() {
      this.set(source.problem() === undefined && source.warning() === undefined ? 0 : 1);
    },
  });
  new Gauge({
    name: "schakel_state_contracts",
    help: "Contracts that are known, whatever their state",
    registers,
    collect() {
      this.set(source.current?.contracts.size ?? 0);
    },
  });
};
