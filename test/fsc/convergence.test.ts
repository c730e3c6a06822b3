// Both sides of a contract end equal: random schedules of loss, delay, repetition and crashes.
import { expect } from "chai";
import type { ContractContent } from "../../contracts/content.js";
import { SIGNATURE_TYPES } from "../../contracts/signature.js";
import { decisionOf, partiesOf, stateAt } from "../../contracts/state.js";
import type { PeerId } from "../../core/names.js";
import type { StoredContract } from "../../fsc/stored-contract.js";
import { MovedClock } from "../support/moved-clock.js";
import {
  Certified,
  connection,
  contentFor,
  delegatedConnection,
  Organisation,
} from "../support/organisations.js";
import { randomFrom } from "../support/random.js";
import { long, seed } from "../support/scale.js";
import { SimulatedNetwork } from "../support/simulated-network.js";
import { removeTemporaryFolders } from "../support/temporary.js";

const SCHEDULES = long ? 5000 : 500;
const CERTIFICATES_EACH = 3;
const ALL = { cursor: undefined, limit: 1000, grantType: undefined, grantHashes: [] } as const;

const contractsOf = async (of: Organisation): Promise<readonly StoredContract[]> =>
  (await of.book.list({ ...ALL, sortOrder: "ascending" })).items;

const shown = ({ hash, decision, signatures }: StoredContract) => ({
  hash,
  decision,
  signatures: signatures.map(({ signer, type, jws }) => `${type} ${signer} ${jws}`),
});

class Schedule {
  readonly random: () => number;
  readonly clock = new MovedClock();
  readonly all: readonly Organisation[];
  readonly network: SimulatedNetwork;
  readonly contents: ContractContent[] = [];

  constructor(
    readonly certified: Certified,
    readonly number: number,
  ) {
    this.random = randomFrom(number);
    const count = this.below(2) + 2;
    this.all = Array.from({ length: count }, (_, index) => new Organisation(certified, index));
    this.network = new SimulatedNetwork(this.all, this.clock, this.random);
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  #uuid(): string {
    const hex = Array.from({ length: 32 }, () => this.below(16).toString(16)).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  #content(): ContractContent {
    const ids = this.all.map(({ peerId }) => peerId);
    const start = this.below(ids.length);
    const [outway, service, third] = ids.map((_, at) => ids[(start + at) % ids.length]!) as [
      PeerId,
      PeerId,
      PeerId?,
    ];
    const grant =
      third !== undefined && this.random() < 0.7
        ? delegatedConnection(outway, service, third)
        : connection(outway, service);
    const seconds = this.random() < 0.15 ? 300 : 30 * 86_400;
    return contentFor(this.certified.group, this.clock.now(), [grant], {
      ...{ iv: this.#uuid(), seconds },
    });
  }

  async #propose(of: Organisation): Promise<void> {
    if (this.contents.length >= 3) return;
    const content = this.#content();
    if (!partiesOf(content).has(of.peerId)) return;
    this.contents.push(content);
    await this.network.act(of, () => of.book.propose(content));
  }

  async #decide(of: Organisation): Promise<void> {
    await this.network.act(of, async () => {
      const contracts = await contractsOf(of);
      if (contracts.length === 0) return;
      const type = this.random() < 0.7 ? "accept" : this.pick(SIGNATURE_TYPES);
      await of.book.decide(this.pick(contracts).hash, type);
    });
  }

  async #network(): Promise<void> {
    const { messages } = this.network;
    if (messages.length === 0) return;
    const message = this.pick(messages);
    await (this.random() < 0.8 ? this.network.deliver(message) : this.network.lose(message));
  }

  async step(): Promise<void> {
    const of = this.pick(this.all);
    const choice = this.random();
    if (choice < 0.4) return this.#network();
    if (!this.network.isUp(of)) return this.network.start(of);
    if (choice < 0.47) return this.#propose(of);
    if (choice < 0.62) return this.#decide(of);
    if (choice < 0.82) return this.network.act(of, () => of.book.deliverDue());
    if (choice < 0.9) this.clock.advance(this.below(120_000));
    else if (choice < 0.95) of.bundles.replace(this.pick(this.certified.bundles[of.index]!));
    else return this.network.crash(of);
  }

  async #isQuiet(): Promise<boolean> {
    if (this.network.messages.length > 0) return false;
    for (const of of this.all) {
      for (const { hash } of await contractsOf(of)) {
        const waits = await of.book.deliveries(hash);
        if (waits.some(({ nextAttemptAt }) => nextAttemptAt !== undefined)) return false;
      }
    }
    return true;
  }

  /** Nothing fails any more: everybody comes back, and whatever waits gets its turn. */
  async heal(): Promise<void> {
    this.network.heal();
    for (let round = 0; round < 60; round++) {
      for (const of of this.all) if (!this.network.isUp(of)) await this.network.start(of);
      this.clock.advance(301_000);
      for (const of of this.all) await this.network.act(of, () => of.book.deliverDue());
      while (this.network.messages.length > 0) {
        await this.network.deliver(this.pick(this.network.messages));
      }
      if (await this.#isQuiet()) return;
    }
    throw new Error("after an hour without faults something still waits to be delivered");
  }

  async run(): Promise<void> {
    for (const of of this.all) await this.network.start(of);
    for (const of of this.all) await of.meet(this.all);
    const steps = 25 + this.below(35);
    for (let at = 0; at < steps; at++) await this.step();
    await this.heal();
  }

  /** What every book says must follow from its signatures, and all must say the same. */
  async check(): Promise<void> {
    const books = await Promise.all(this.all.map(contractsOf));
    for (const { content, decision, signatures } of books.flat()) {
      const of = (type: string) =>
        new Set(signatures.filter((each) => each.type === type).map(({ signer }) => signer));
      const signers = { accept: of("accept"), reject: of("reject"), revoke: of("revoke") };
      expect(decision).to.equal(decisionOf(content, signers));
    }
    for (const { content, hash } of books.flat()) {
      const parties = this.all.filter(({ peerId }) => partiesOf(content).has(peerId));
      const held = parties.map((each) =>
        books[this.all.indexOf(each)]!.find((contract) => contract.hash === hash),
      );
      const now = this.clock.now();
      if (Math.floor(now / 1000) > content.validity.not_after) {
        // What had not arrived when it ended never does, and nobody takes it for more than ended.
        const known = held.filter((each) => each !== undefined);
        const states = known.map((each) => stateAt(each.decision, content.validity, now));
        expect(states.every((state) => !["VALID", "PROPOSED"].includes(state))).to.equal(true);
        continue;
      }
      for (const each of held) expect(each && shown(each)).to.deep.equal(shown(held[0]!));
    }
  }

  async close(): Promise<void> {
    for (const of of this.all) await of.close();
  }
}

describe("fsc: convergence", () => {
  let certified: Certified;
  before(async () => {
    certified = await Certified.create(3, CERTIFICATES_EACH);
  });
  after(async () => {
    await certified.remove();
    removeTemporaryFolders();
  });

  it(`${String(SCHEDULES)} random schedules of faults all end with equal books (seed ${String(seed)})`, async function () {
    this.timeout(SCHEDULES * 2_000);
    let contracts = 0;
    const decisions = new Set<string>();
    for (let at = 0; at < SCHEDULES; at++) {
      const number = seed * 100_000 + at;

      const schedule = new Schedule(certified, number);
      try {
        await schedule.run();
        await schedule.check();
      } catch (error) {
        throw new Error(`schedule ${String(number)}: ${String(error)}`, { cause: error });
      }
      const found = (await Promise.all(schedule.all.map(contractsOf))).flat();
      contracts += found.length;
      for (const { decision } of found) decisions.add(decision);
      await schedule.close();
      removeTemporaryFolders();
    }
    expect(contracts).to.be.greaterThan(SCHEDULES);
    expect([...decisions]).to.have.members(["PROPOSED", "ACCEPTED", "REJECTED", "REVOKED"]);
  });
});
