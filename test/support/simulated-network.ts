// A network in one process whose every delay, loss, repetition and crash a seed decides. One thing happens at
// a time; what waits for the network waits until the schedule says what comes of it.
import { submissionBody } from "../../contracts/contract.js";
import type { ContentHash } from "../../contracts/hash.js";
import type { KyselyPlugin } from "kysely";
import type { ContractBookOptions } from "../../fsc/contract-book.js";
import type {
  CallingManager,
  ManagerEndpoint,
  SubmissionKind,
} from "../../fsc/manager-interface.js";
import type { MovedClock } from "./moved-clock.js";
import { listedBy, submitTo, type Organisation } from "./organisations.js";

/** The process that should go on has been ended. */
export class Crashed extends Error {}

interface Caller {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  readonly of: Process;
}

/** A submission on its way. */
interface Message {
  readonly to: Organisation;
  readonly from: CallingManager;
  readonly kind: SubmissionKind;
  readonly body: string;
  readonly hash: ContentHash;
  /** Who waits for the answer; undefined when nobody does any more. */
  caller: Caller | undefined;
}

/** One run of one organisation's manager: from its start to its end. */
export class Process {
  dead = false;
  /** How many steps until it ends in the middle of something. */
  stepsLeft = Number.POSITIVE_INFINITY;

  constructor(readonly of: Organisation) {}

  /** A moment at which the process may end. */
  step(): void {
    this.stepsLeft -= 1;
    if (this.stepsLeft <= 0) this.dead = true;
    if (this.dead) throw new Crashed("the process has ended");
  }

  /** Makes every query two such moments: before it is made, and after it, before anybody knows. */
  get plugin(): KyselyPlugin {
    return {
      transformQuery: ({ node }) => {
        this.step();
        return node;
      },
      transformResult: ({ result }) => {
        this.step();
        return Promise.resolve(result);
      },
    };
  }
}

/** The network and all that runs on it. */
export class SimulatedNetwork {
  readonly messages: Message[] = [];
  readonly #processes = new Map<Organisation, Process>();
  #running = 0;
  #blocked = 0;
  #steady = false;

  constructor(
    readonly all: readonly Organisation[],
    readonly clock: MovedClock,
    readonly random: () => number,
  ) {}

  /** From now on nothing fails. */
  heal(): void {
    this.#steady = true;
    for (const process of this.#processes.values()) process.stepsLeft = Number.POSITIVE_INFINITY;
  }

  #happens(chance: number): boolean {
    return !this.#steady && this.random() < chance;
  }

  /** Whether an organisation's manager runs. */
  isUp(of: Organisation): boolean {
    return this.#processes.get(of)?.dead === false;
  }

  /** Starts an organisation's manager on what its file holds. */
  async start(of: Organisation): Promise<void> {
    const process = new Process(of);
    this.#processes.set(of, process);
    const client = this.#clientOf(process);
    const options = { limits: { partiesAtOnce: 1 }, random: this.random };
    await of.open(this.clock, client, options, (db) => db.withPlugin(process.plugin));
  }

  /** Ends it at once. */
  async crash(of: Organisation): Promise<void> {
    const process = this.#processes.get(of);
    if (process !== undefined) process.dead = true;
    await this.settle();
  }

  /** Does something at an organisation; what comes of it does not matter, unless it is a mistake of ours. */
  async act(of: Organisation, work: () => Promise<unknown>): Promise<void> {
    this.#arm(this.#processes.get(of));
    this.#begin(this.#processes.get(of), work);
    await this.settle();
  }

  /** Has a process end in the middle of what it does next, perhaps. */
  #arm(process: Process | undefined): void {
    if (process !== undefined && this.#happens(0.12)) {
      process.stepsLeft = 1 + Math.floor(this.random() * 60);
    }
  }

  #begin(process: Process | undefined, work: () => Promise<unknown>): void {
    this.#running += 1;
    work()
      .catch((error: unknown) => {
        if (process?.dead === true) return;
        const code = error instanceof Error && "code" in error ? error.code : undefined;
        if (code !== "ERROR_CODE_CONTRACT_DECIDED") throw error;
      })
      .finally(() => {
        this.#running -= 1;
      });
  }

  /** Waits until nothing goes on but by the network, and clears away what has crashed. */
  async settle(): Promise<void> {
    await this.#quiet();
    for (const process of this.#processes.values()) {
      if (!process.dead || !process.of.isOpen) continue;
      for (const message of this.messages) {
        if (message.caller?.of === process) this.#answer(message, new Crashed("gone"));
      }
      await this.#quiet();
      await process.of.close();
    }
  }

  async #quiet(): Promise<void> {
    while (this.#running > this.#blocked) await new Promise((resolve) => setImmediate(resolve));
  }

  #clientOf(process: Process): ContractBookOptions["client"] {
    const at = ({ peerId }: ManagerEndpoint): Organisation => {
      process.step();
      const found = this.all.find((each) => each.peerId === peerId);
      if (found === undefined || !this.isUp(found)) throw new Error("connect ECONNREFUSED");
      return found;
    };
    const { caller: from } = process.of;
    return {
      submit: (to, kind, submission, hash) => {
        const target = at(to);
        return new Promise<void>((resolve, reject) => {
          this.#blocked += 1;
          const body = submissionBody(submission);
          const caller = { resolve, reject, of: process };
          this.messages.push({ to: target, from, kind, body, hash, caller });
        }).then(() => process.step());
      },
      certificates: async (to) => {
        const target = at(to);
        if (this.#happens(0.1)) throw new Error("read ECONNRESET");
        return Promise.resolve(listedBy(target));
      },
      peer: () => Promise.reject(new Error("not asked in this test")),
    };
  }

  #answer(message: Message, error: Error | undefined): void {
    const { caller } = message;
    message.caller = undefined;
    if (caller === undefined) return;
    this.#blocked -= 1;
    if (error === undefined) caller.resolve();
    else caller.reject(error);
  }

  /** Brings a message to its place, perhaps not for the last time, and its answer back, perhaps. */
  async deliver(message: Message): Promise<void> {
    const again = this.#happens(0.15);
    if (!again) this.messages.splice(this.messages.indexOf(message), 1);
    if (!this.isUp(message.to)) {
      this.#answer(message, new Error("connect ECONNREFUSED"));
      await this.settle();
      return;
    }
    const lost = this.#happens(0.15);
    const process = this.#processes.get(message.to);
    this.#arm(process);
    this.#begin(process, async () => {
      let refused: Error | undefined;
      try {
        await submitTo(message.to, message.from, message);
      } catch (error) {
        refused = error as Error;
      }
      const answer = lost || process?.dead === true ? new Error("read ECONNRESET") : refused;
      this.#answer(message, answer);
    });
    await this.settle();
  }

  /** Loses a message, or lets its sender give up waiting while it goes on. */
  async lose(message: Message): Promise<void> {
    if (this.random() < 0.5) this.messages.splice(this.messages.indexOf(message), 1);
    this.#answer(message, new Error("read ETIMEDOUT"));
    await this.settle();
  }
}
