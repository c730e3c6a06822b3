// How many contracts there are in each state, counted without reading them again.
import type { Validity } from "../contracts/content.js";
import type { ContentHash } from "../contracts/hash.js";
import {
  CONTRACT_STATES,
  stateAt,
  type ContractDecision,
  type ContractState,
} from "../contracts/state.js";
import type { StoredContract } from "../fsc/stored-contract.js";

/** Counts contracts. Each is put in as it comes and changes. */
export class ContractCounts {
  readonly #contracts = new Map<
    ContentHash,
    { readonly decision: ContractDecision; readonly validity: Validity }
  >();

  /** Takes a contract as it is now. */
  note({ hash, decision, content }: StoredContract): void {
    this.#contracts.set(hash, { decision, validity: content.validity });
  }

  /** The number of contracts in each state at a moment, in milliseconds since 1970. */
  at(now: number): Readonly<Record<ContractState, number>> {
    const counts = Object.fromEntries(CONTRACT_STATES.map((state) => [state, 0])) as Record<
      ContractState,
      number
    >;
    for (const { decision, validity } of this.#contracts.values()) {
      counts[stateAt(decision, validity, now)] += 1;
    }
    return counts;
  }
}
