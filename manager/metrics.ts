// What a manager counts.
import { Gauge, type Registry } from "prom-client";
import type { ContractState } from "../contracts/state.js";

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
  /** Open connections of our own organisation that have shown no certificate. */
  readonly strangers: () => number;
  /** What is wrong with revocation lists, or soon will be. */
  readonly revocationProblems: () => number;
}

/** Adds a manager's metrics to a registry. */
export const managerMetrics = (metrics: Registry, measured: Measured): void => {
  const registers = [metrics];
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
  new Gauge({
    name: "schakel_manager_enrolment_connections",
    help: "Open connections inside the organisation that have shown no certificate.",
    registers,
    collect() {
      this.set(measured.strangers());
    },
  });
};
