// Accepts by itself what a rule allows: when a contract arrives, when a rule or a service is added, and at the
// start. Each acceptance is in the audit log in the name of the rule.
import type { Clock } from "../core/clock.js";
import type { Log } from "../core/log.js";
import type { ContentHash } from "../contracts/hash.js";
import type { PeerId, ServiceName } from "../core/names.js";
import type { ContractBook } from "../fsc/contract-book.js";
import type { StoredContract } from "../fsc/stored-contract.js";
import type { AuditLog } from "./audit.js";
import { contractsOf } from "../fsc/all-contracts.js";
import { matchingRule, type AccessRules } from "./rules.js";

/** What the automatic acceptance stands on. */
export interface AutomaticParts {
  readonly rules: Pick<AccessRules, "list">;
  readonly book: Pick<ContractBook, "list" | "get" | "decide">;
  readonly audit: AuditLog;
  readonly own: PeerId;
  readonly offers: (service: ServiceName) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** Applies the rules, to one contract after the other. Of those that wait for their turn it holds the hashes alone. */
export class AutomaticAccess {
  readonly #with: AutomaticParts;
  readonly #waiting = new Set<ContentHash>();
  #last: Promise<void> = Promise.resolve();

  constructor(parts: AutomaticParts) {
    this.#with = parts;
  }

  /** Accepts a contract in the background when a rule says so. */
  consider({ hash, decision }: StoredContract): void {
    if (decision !== "PROPOSED" || this.#waiting.has(hash)) return;
    this.#waiting.add(hash);
    void this.#inTurn(async () => {
      this.#waiting.delete(hash);
      const contract = await this.#with.book.get(hash);
      if (contract !== undefined) await this.#consider(contract);
    });
  }

  /** The same for every contract that waits for our signature, a page at a time. Resolves when all have been considered. */
  considerAll(): Promise<void> {
    return this.#inTurn(async () => {
      const { book, own } = this.#with;
      const query = { state: "PROPOSED", waitingFor: own } as const;
      for await (const contract of contractsOf(book, query)) await this.#consider(contract);
    });
  }

  /** Resolves when everything that was to be considered has been. */
  settled(): Promise<void> {
    return this.#last;
  }

  async #consider(contract: StoredContract): Promise<void> {
    const { rules, book, audit, own, offers, clock, log } = this.#with;
    const question = { own, offers, now: clock.now() };
    const rule = matchingRule(await rules.list(), contract, question);
    if (rule === undefined) return;
    const act = {
      ...{ user: `rule ${rule.id}`, component: "", action: "SignContract" },
      request: JSON.stringify({ hash: contract.hash, kind: "accept" }),
    };
    try {
      await audit.record(act, () => book.decide(contract.hash, "accept"));
      log.info({ contract: contract.hash, rule: rule.id }, "a rule accepted a contract");
    } catch (error) {
      log.warn({ err: error, contract: contract.hash, rule: rule.id }, "a rule could not accept");
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(work).catch((error: unknown) => {
      this.#with.log.error({ err: error }, "the access rules could not be applied");
    });
    return this.#last;
  }
}
