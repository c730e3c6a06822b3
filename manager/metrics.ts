// What a manager counts.
import { Gauge, type Registry } from "prom-client";
import type { ContractState } from "../contracts/state.js";
import type { LogStatus } from "../txlog/store/read-side.js";

/** What is measured, asked when somebody looks. */
export interface Measured {
  readonly contracts: () => Readonly<Record<ContractState, number>>;
  readonly deliveriesWaiting: () => Promise<number>;
  /** Connected inways and outways, by role. */
  readonly components: () => Promise<
    readonly { readonly role: string; readonly connected: boolean }[]
  >;
  /** Open connections of other peers. */
  readonly peerConnections: () => number;
  /** What is wrong with revocation lists, or soon will be. */
  readonly revocationProblems: () => number;
  /** Where the transaction log stands. */
  readonly log: () => Promise<LogStatus>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const logMetrics = (registers: Registry[], { log, now }: Measured): void => {
  new Gauge({
    name: "schakel_manager_log_records",
    help: "Records of the transaction log in its newest epoch: sealed are those under a checkpoint, waiting those that are not yet.",
    labelNames: ["state"],
    registers,
    async collect() {
      const { sealed, unsealed } = await log();
      this.set({ state: "sealed" }, sealed);
      this.set({ state: "waiting" }, unsealed);
    },
  });
  new Gauge({
    name: "schakel_manager_log_witnessed_age_seconds",
    help: "How long ago a witness last co-signed a checkpoint of the transaction log; -1 when none ever has.",
    registers,
    async collect() {
      const { witnessedAt } = await log();
      this.set(witnessedAt === 0 ? -1 : Math.max(0, now() / 1000 - witnessedAt));
    },
  });
  new Gauge({
    name: "schakel_manager_log_sealing",
    help: "1 while the transaction log is being sealed, 0 when that has stopped (see /health/ready).",
    registers,
    async collect() {
      this.set((await log()).problem === undefined ? 1 : 0);
    },
  });
};

/** Adds a manager's metrics to a registry. */
export const managerMetrics = (metrics: Registry, measured: Measured): void => {
  const registers = [metrics];
  logMetrics(registers, measured);
  new Gauge({
    name: "schakel_manager_contracts",
    help: "Contracts that our peer is part of, by their state now.",
    labelNames: ["state"],
    registers,
    collect() {
      for (const [state, count] of Object.entries(measured.contracts())) this.set({ state }, count);
    },
  });
  new Gauge({
    name: "schakel_manager_deliveries_waiting",
    help: "Signatures of ours that a party's manager has not confirmed yet.",
    registers,
    async collect() {
      this.set(await measured.deliveriesWaiting());
    },
  });
  new Gauge({
    name: "schakel_manager_components_connected",
    help: "Our inways and outways whose stream is open, by role.",
    labelNames: ["role"],
    registers,
    async collect() {
      const connected = (await measured.components()).filter((component) => component.connected);
      for (const role of ["inway", "outway"]) {
        this.set({ role }, connected.filter((component) => component.role === role).length);
      }
    },
  });
  new Gauge({
    name: "schakel_manager_revocation_list_problems",
    help: "Revocation lists that end soon, have ended or cannot be fetched.",
    registers,
    collect() {
      this.set(measured.revocationProblems());
    },
  });
  new Gauge({
    name: "schakel_manager_peer_connections",
    help: "Open connections of other peers.",
    registers,
    collect() {
      this.set(measured.peerConnections());
    },
  });
};
