// What two managers know of a contract ends equal, whatever happens meanwhile: processes that are killed, connections
// that are cut, and signatures that arrive twice and out of order. Through real processes.
import { expect } from "chai";
import { v7 } from "uuid";
import { ManagerError } from "../../component/manager-call.js";
import { proposeContent, type ContractContent } from "../../contracts/content.js";
import { contentHash } from "../../contracts/hash.js";
import type { Contract } from "../../proto/gen/schakel/manager/v1/administration.js";
import { CuttingProxy, PASS, type Treatment } from "../support/cutting-proxy.js";
import { service } from "../support/managers.js";
import { connection, contractGroup } from "../support/organisations.js";
import { PeerProcesses, type PeerProcess } from "../support/peer-processes.js";
import { randomFrom } from "../support/random.js";
import { long, seed } from "../support/scale.js";
import { until } from "../support/until.js";

const SCHEDULES = long ? 200 : 15;
/** Pairs of organisations, each with its own schedules: much of the time of one is waiting. */
const LANES = 3;
/** So many schedules of a lane follow each other before the lane comes to rest. */
const AT_ONCE = 5;
/** How many connections are still disturbed when a lane is to come to rest. */
const LAST_DISTURBED = 3;
const SETTLED_MS = 120_000;
/** How long a step waits for a contract that is on its way. */
const PATIENCE_MS = 500;
/** How many contracts go through the same step at about the same time. */
const TOGETHER = 8;

const KINDS = { accept: 1, reject: 2, revoke: 3 } as const;
type Kind = keyof typeof KINDS;

const elapse = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Lets a proxy pass everything, soon. */
const calm = (proxy: CuttingProxy): void => {
  const { treatment } = proxy;
  let left = LAST_DISTURBED;
  proxy.treatment = () => (left-- > 0 ? treatment() : PASS);
};

/** One side of a pair: a manager that may be down, and what stands before it. */
class Side {
  #up: Promise<void> = Promise.resolve();

  constructor(
    readonly peer: PeerProcess,
    readonly proxy: CuttingProxy,
  ) {}

  /** Ends the manager as a power cut does, and starts it again unless it is to stay down. */
  async kill({ stays = false } = {}): Promise<void> {
    await this.#up;
    await this.peer.kill();
    if (!stays) this.start();
  }

  start(): void {
    this.#up = this.peer.start();
  }

  /** Resolves when the manager runs. */
  up(): Promise<void> {
    return this.#up;
  }
}

/** What a manager answered that it has done, which must not be lost. */
interface Promised {
  readonly hash: string;
  readonly peerId: string;
  readonly kind: number;
}

/** A pair, the contracts between its two sides, and what was promised of them. */
class Lane {
  readonly hashes: string[] = [];
  readonly promised: Promised[] = [];

  constructor(
    readonly sides: readonly [Side, Side],
    private readonly all: PeerProcesses,
  ) {}

  content(): ContractContent {
    const [outway, service] = this.sides.map(({ peer }) => peer.peerId);
    if (outway === undefined || service === undefined) throw new Error("a pair has two sides");
    const now = Math.floor(Date.now() / 1000);
    const content = proposeContent(
      {
        ...{ iv: v7(), validity: { not_before: now - 60, not_after: now + 86_400 } },
        ...{ grants: [{ data: connection(outway, service) }], createdAt: now },
      },
      contractGroup(this.all.group),
    );
    this.hashes.push(contentHash(content));
    return content;
  }

  async propose(by: Side, content: ContractContent): Promise<void> {
    await by.up();
    const { hash } = await by.peer.propose(content);
    this.promised.push({ hash, peerId: by.peer.peerId, kind: KINDS.accept });
  }

  async sign(by: Side, hash: string, kind: Kind): Promise<void> {
    await by.up();
    await by.peer.ask("signContract", { hash, kind: KINDS[kind] });
    this.promised.push({ hash, peerId: by.peer.peerId, kind: KINDS[kind] });
  }

  /** Waits until a side has a contract; not for ever. */
  async knows(side: Side, hash: string, timeoutMs = SETTLED_MS): Promise<void> {
    await side.up();
    await until(
      `${side.peer.host} to know ${hash}`,
      async () => (await side.peer.contracts()).has(hash),
      timeoutMs,
    );
  }

  /** Waits until nothing is on its way any more and both sides say the same, and that is what was promised. */
  async settle(): Promise<readonly Contract[]> {
    for (const { proxy } of this.sides) calm(proxy);
    // Whatever arrives from a peer has all that waits for it tried at once; otherwise it might wait for minutes.
    const count = this.hashes.length;
    for (const side of this.sides) await this.propose(side, this.content());
    const [one, other] = await until(
      "both sides to end equal, with nothing on its way",
      async () => {
        const views = await Promise.all(this.sides.map((side) => this.#view(side)));
        const [first, second] = views.map(({ text }) => text);
        return views.every(({ resting }) => resting) && first === second && views;
      },
      SETTLED_MS,
    );
    if (one === undefined || other === undefined) throw new Error("a pair has two sides");
    const signatures = one.contracts.flatMap(({ hash, signatures: made }) =>
      made.map(({ peerId, kind }) => ({ hash, peerId, kind })),
    );
    for (const each of this.promised) expect(signatures).to.deep.include(each);
    return one.contracts.filter(({ hash }) => this.hashes.indexOf(hash) < count);
  }

  async #view({ peer }: Side) {
    const known = await peer.contracts();
    const contracts = this.hashes.flatMap((hash) => known.get(hash) ?? []);
    const said = contracts.map(({ hash, content, state, signatures, missingPeerIds }) => {
      const made = signatures.map(({ peerId, kind, signedAt, jws }) =>
        [peerId, kind, signedAt, jws].join(" "),
      );
      return [hash, content.toString(), state, made.toSorted(), missingPeerIds.toSorted()];
    });
    const resting = contracts.every(({ deliveries }) => deliveries.length === 0);
    return { contracts, resting, text: JSON.stringify(said) };
  }
}

/** What a step may end with that is no mistake: the manager was killed, or the contract does not allow it (any more). */
const ALLOWED = ["ERROR_CODE_CONTRACT_NOT_FOUND", "ERROR_CODE_CONTRACT_DECIDED"];
const tolerate = (error: unknown): void => {
  if (!(error instanceof ManagerError)) throw error;
  if (error.code !== undefined && !ALLOWED.includes(error.code)) throw error;
};

/** Random steps on one or two contracts of a lane. */
class Schedule {
  readonly #random: () => number;
  readonly #hashes: string[] = [];

  constructor(
    private readonly lane: Lane,
    start: number,
  ) {
    this.#random = randomFrom(start);
  }

  async run(): Promise<void> {
    for (const { proxy } of this.lane.sides) proxy.treatment = () => this.#treatment();
    await this.#propose();
    const steps = 6 + Math.floor(this.#random() * 7);
    for (let step = 0; step < steps; step++) {
      const chosen = this.#random();
      if (chosen < 0.6) await this.#sign();
      else if (chosen < 0.7) await this.#pick(this.lane.sides).kill();
      else if (chosen < 0.9 && this.#hashes.length < 4) await this.#propose();
      else await elapse(this.#random() * 150);
    }
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.#random() * items.length)];
    if (item === undefined) throw new Error("nothing to choose from");
    return item;
  }

  #treatment(): Treatment {
    const chosen = this.#random();
    if (chosen < 0.45) return PASS;
    if (chosen < 0.52) return { kind: "refuse" };
    if (chosen < 0.67) return { kind: "delay", ms: this.#random() * 300 };
    if (chosen < 0.75) return { kind: "cut", afterBytes: this.#random() * 8_000 };
    return { kind: "unanswered" };
  }

  /** Kills one side, now and then, while a step runs. */
  async #disturbed(step: Promise<void>): Promise<void> {
    const settled = step.catch(tolerate);
    if (this.#random() < 0.12) {
      await elapse(this.#random() * 20);
      await this.#pick(this.lane.sides).kill();
    }
    await settled;
  }

  async #propose(): Promise<void> {
    const content = this.lane.content();
    this.#hashes.push(contentHash(content));
    await this.#disturbed(this.lane.propose(this.#pick(this.lane.sides), content));
  }

  async #sign(): Promise<void> {
    const [side, hash] = [this.#pick(this.lane.sides), this.#pick(this.#hashes)];
    const kind = this.#pick(["accept", "accept", "accept", "revoke", "reject"] as const);
    // It may be on its way, or never come.
    await this.lane.knows(side, hash, PATIENCE_MS).catch(() => undefined);
    await this.#disturbed(this.lane.sign(side, hash, kind));
  }
}

/**
 * Proposes, accepts and revokes contracts, and kills one side at each step. Of each step some begin before the victim is
 * killed, some while it ends, and some right after: some are done, some not.
 */
const killedAtEachStep = async (
  lane: Lane,
  victimOf: (sides: Lane["sides"]) => Side,
): Promise<readonly Contract[]> => {
  const [one, other] = lane.sides;
  const victim = victimOf(lane.sides);
  const contents = Array.from({ length: TOGETHER }, () => lane.content());
  const step = async (work: (content: ContractContent) => Promise<void>): Promise<void> => {
    const turns = contents.map(async (content, at) => {
      await elapse(at * 5);
      await work(content).catch(tolerate);
    });
    await Promise.all([...turns, elapse(20).then(() => victim.kill())]);
    // Whoever got no answer asks again.
    for (const content of contents) await work(content);
  };
  await step((content) => lane.propose(one, content));
  for (const content of contents) await lane.knows(other, contentHash(content));
  await step((content) => lane.sign(other, contentHash(content), "accept"));
  for (const content of contents) await lane.knows(one, contentHash(content));
  await step((content) => lane.sign(one, contentHash(content), "revoke"));
  return lane.settle();
};

describe(`system/propagation, ${String(SCHEDULES)} schedules (seed ${String(seed)})`, function () {
  this.timeout(SCHEDULES * 30_000 + 240_000);
  const proxies: CuttingProxy[] = [];
  let all: PeerProcesses;
  let started: PeerProcesses | undefined;

  const laneOf = (number: number): Lane => {
    const side = (index: number): Side => {
      const proxy = proxies[index];
      if (proxy === undefined) throw new Error(`there is no proxy ${String(index)}`);
      return new Side(all.peer(index), proxy);
    };
    return new Lane([side(2 * number), side(2 * number + 1)], all);
  };

  before(async () => {
    started = await PeerProcesses.start({
      ...{ count: 2 * LANES, command: "manager" },
      reachedAt: async (index, port) => {
        const proxy = await CuttingProxy.start(port);
        proxies[index] = proxy;
        return proxy.port;
      },
    });
    all = started;
    // A contract for a service that the provider does not have would be refused.
    for (const peer of all.peers)
      await peer.ask("putService", { service: service({ name: "parking" }) });
  });

  after(async () => {
    await started?.stop();
    for (const proxy of proxies) await proxy.close();
  });

  it("ends equal when one side is down for the whole signing, and the other is killed before it is back", async () => {
    const lane = laneOf(0);
    const [one, other] = lane.sides;
    const [theirs, ours, withdrawn] = [lane.content(), lane.content(), lane.content()];
    await lane.propose(other, theirs);
    await lane.knows(one, contentHash(theirs));
    await other.kill({ stays: true });
    await lane.sign(one, contentHash(theirs), "accept");
    await lane.propose(one, ours);
    await lane.propose(one, withdrawn);
    await lane.sign(one, contentHash(withdrawn), "revoke");
    await one.kill();
    await one.up();
    other.start();
    const states = (await lane.settle()).map(({ state }) => state);
    // Valid, proposed and revoked.
    expect(states).to.deep.equal([2, 1, 4]);
  });

  it("takes a signature once that arrives twice, since its answer was lost", async () => {
    const lane = laneOf(1);
    const [one, other] = lane.sides;
    const content = lane.content();
    const hash = contentHash(content);
    other.proxy.treatment = () => ({ kind: "unanswered" });
    await lane.propose(one, content);
    await lane.knows(other, hash);
    await until("the same to be sent again", () => other.proxy.unanswered >= 2, SETTLED_MS);
    other.proxy.treatment = () => PASS;
    await lane.sign(other, hash, "accept");
    const [contract] = await lane.settle();
    expect(contract?.signatures.map(({ kind }) => kind)).to.deep.equal([1, 1]);
  });

  it("ends equal when the proposer, or the other side, is killed at each step", async () => {
    const contracts = await Promise.all([
      killedAtEachStep(laneOf(0), ([proposer]) => proposer),
      killedAtEachStep(laneOf(1), ([, other]) => other),
    ]);
    for (const { signatures } of contracts.flat())
      expect(signatures.map(({ kind }) => kind).toSorted()).to.deep.equal([1, 1, 3]);
    expect(contracts.flat()).to.have.length(2 * TOGETHER);
  });

  it("ends equal after random schedules", async () => {
    const numbers = Array.from({ length: SCHEDULES }, (_, at) => at);
    const inLane = async (number: number): Promise<readonly Contract[]> => {
      const mine = numbers.filter((at) => at % LANES === number);
      const found: Contract[] = [];
      while (mine.length > 0) {
        const lane = laneOf(number);
        for (const at of mine.splice(0, AT_ONCE)) await new Schedule(lane, seed * 1_000 + at).run();
        found.push(...(await lane.settle()));
      }
      return found;
    };
    const found = (await Promise.all(Array.from({ length: LANES }, (_, at) => inLane(at)))).flat();
    // They came to something.
    const decided = found.filter(({ signatures }) => signatures.length > 1);
    expect(decided.length).to.be.above(SCHEDULES / 3);
    const resent = proxies.reduce((sum, { unanswered }) => sum + unanswered, 0);
    expect(resent, "requests that arrived twice").to.be.above(SCHEDULES / 3);
  });
});
