// Two organisations compare their logs through their managers: real certificates, databases and connections, and records
// that came in as writers ship them.
import { expect } from "chai";
import { loadBundle } from "../../certs/bundle.js";
import { loadGroup } from "../../certs/group.js";
import { SchakelError } from "../../core/errors.js";
import { parseJson, type JsonObject } from "../../contracts/json.js";
import { FIRST_LOGS } from "../../fsc/log-endpoints.js";
import type { LogQuery } from "../../fsc/log-interface.js";
import { RemoteError } from "../../fsc/manager-interface.js";
import { dueAt, Nightly, slotOf } from "../../manager/nightly.js";
import { newTransactionId, type PeerId, type TransactionId } from "../../core/names.js";
import type { OutcomeEntry } from "../../txlog/entry.js";
import { readKept } from "../../txlog/reconcile/kept-result.js";
import { logOrigin, witnessName } from "../../txlog/tree/checkpoint.js";
import { openNote } from "../../txlog/tree/note.js";
import { LOCAL } from "../support/members.js";
import { PeerManager } from "../support/peer-manager.js";
import { parseResult, resultJson, type Result } from "../../txlog/reconcile/result.js";
import { signResult } from "../../txlog/reconcile/sign-result.js";
import { Organisations, type Organisation } from "../support/managers.js";
import { recordedLog } from "../support/recorded-log.js";
import { ShippingWriter } from "../support/shipped.js";
import { until } from "../support/until.js";

const SHARED = 10_000;
const BATCH = 1_000;
const SERVICES = ["personen", "adressen", "zaken"];

interface Made {
  readonly id: TransactionId;
  readonly service: string;
}

/** How the two sides' records of one exchange come to differ. */
type Odd = "missing at the outway" | "missing at the inway" | "other method" | "no receipt";

/** Writes exchanges of a consumer with a provider into both stores, as their outway and inway would. */
class Pair {
  readonly #outway = new ShippingWriter(Date.now, "test");
  readonly #inway = new ShippingWriter(Date.now, "test");

  constructor(
    private readonly consumer: Organisation,
    private readonly provider: Organisation,
  ) {}

  async add(made: readonly Made[], odd: ReadonlyMap<string, Odd> = new Map()): Promise<void> {
    for (let at = 0; at < made.length; at += BATCH) {
      for (const each of made.slice(at, at + BATCH)) this.#one(each, odd.get(each.id));
      await this.#ship(this.consumer, this.#outway, "outway/one");
      await this.#ship(this.provider, this.#inway, "inway/one");
    }
  }

  #one({ id, service }: Made, odd: Odd | undefined): void {
    const shared = {
      ...{ transactionId: id, service, grantHash: "$1$4$x", method: "GET" },
      source: { peerId: this.consumer.peerId },
      destination: { peerId: this.provider.peerId },
    };
    const outgoing =
      odd === "missing at the outway"
        ? undefined
        : this.#outway.intent({ ...shared, direction: "outgoing" });
    const receipt = outgoing === undefined ? {} : { otherReceipt: outgoing.leafHash };
    const method = odd === "other method" ? { method: "POST" } : {};
    const incoming =
      odd === "missing at the inway"
        ? undefined
        : this.#inway.intent({ ...shared, ...method, ...receipt, direction: "incoming" });
    const theirs: Partial<OutcomeEntry> =
      incoming === undefined || odd === "no receipt" ? {} : { otherReceipt: incoming.leafHash };
    if (outgoing !== undefined) this.#outway.outcome(outgoing, theirs);
    if (incoming !== undefined) this.#inway.outcome(incoming);
  }

  async #ship(to: Organisation, writer: ShippingWriter, component: string): Promise<void> {
    const { ingest } = to.manager.state.logStore;
    const { writerId } = writer;
    await ingest.begin({ writerId, component });
    await ingest.batch(writer.take());
  }
}

const idsOf = (count: number): Made[] =>
  Array.from({ length: count }, (_, n) => ({
    id: newTransactionId(),
    service: SERVICES[n % SERVICES.length]!,
  }));

describe("comparing the logs of two organisations", function () {
  this.timeout(180_000);
  let all: Organisations;
  let consumer: Organisation;
  let provider: Organisation;
  let third: Organisation;
  const made = idsOf(SHARED);
  const others = idsOf(50);
  const own = idsOf(3);
  const odd = new Map<string, Odd>([
    [made[17]!.id, "missing at the outway"],
    [made[4_000]!.id, "missing at the inway"],
    [made[9_998]!.id, "other method"],
  ]);
  const range = { fromMs: Date.now() - 60_000, toMs: Date.now() + 600_000 };

  const reconcile = (at: Organisation, peer: string, within = range) =>
    at.manager.state.logSide.reconciliation.run(peer as PeerId, within);

  const sealed = (at: Organisation): Promise<unknown> =>
    until(`the log of ${at.peerId} is sealed`, async () => {
      const { unsealed, sealed: size } = await at.manager.state.logStore.reader.status();
      return unsealed === 0 && size > 0;
    });

  before(async () => {
    // The fourth has other software for FSC.
    all = await Organisations.prepare(4);
    for (const each of all.all.slice(0, 3)) await each.start();
    [consumer, provider, third] = [all.at(0), all.at(1), all.at(2)];
    await new Pair(consumer, provider).add(made, odd);
    await new Pair(third, provider).add(others);
    await new Pair(consumer, third).add(own);
    for (const each of all.all.slice(0, 3)) await sealed(each);
  });

  after(() => all.remove());

  it("names exactly the three exchanges that were removed or changed on one side", async () => {
    const found = await reconcile(consumer, provider.peerId);
    expect(found.unsigned).to.equal("");
    expect([found.exchangesHere, found.exchangesThere]).to.deep.equal([SHARED - 1, SHARED - 1]);
    expect(found.differences).to.deep.equal([
      {
        ...{ transactionId: made[17]!.id, kind: "missing-here", service: made[17]!.service },
        detail: "we have no record of it; there it is incoming",
      },
      {
        ...{ transactionId: made[4_000]!.id, kind: "missing-there", service: made[4_000]!.service },
        detail:
          "the other side has no record of it; here it is outgoing and complete, and no receipt came",
      },
      {
        ...{ transactionId: made[9_998]!.id, kind: "different", service: made[9_998]!.service },
        detail: "the method differ",
      },
    ]);
  });

  it("has the same result signed and kept by both", async () => {
    const kept = [];
    for (const [at, peer] of [
      [consumer, provider],
      [provider, consumer],
    ] as const) {
      const { results } = await at.manager.state.logStore.reader.reconciliations(peer.peerId, {
        limit: 10,
      });
      kept.push(readKept(results[0]!.result));
    }
    const [ours, theirs] = kept;
    const statements = kept.map(({ statement }) => JSON.parse(statement) as Record<string, object>);
    expect(statements[0]).to.deep.equal({ ...statements[1] });
    expect(Object.keys(statements[0]!["signatures"]!)).to.have.members([
      consumer.peerId,
      provider.peerId,
    ]);
    expect([ours!.isOurs, theirs!.isOurs]).to.deep.equal([true, false]);
    expect(theirs!.differences.map(({ kind }) => kind)).to.deep.equal([
      ...["missing-there", "missing-here", "different"],
    ]);
  });

  it("makes proofs of the receipts, once", async () => {
    const [first] = made;
    const { reader } = consumer.manager.state.logStore;
    const proven = await reader.receipts(first!.id);
    expect(proven.map(({ peerId, proof }) => [peerId, proof.split("\n")[0]])).to.deep.equal([
      [provider.peerId, "c2sp.org/tlog-proof@v1"],
    ]);
    expect((await reconcile(consumer, provider.peerId)).receiptsProven).to.equal(0);
  });

  it("compares each pair alone: nothing of a third peer is counted, named or given", async () => {
    const found = await reconcile(third, provider.peerId);
    expect([found.exchangesHere, found.exchangesThere]).to.deep.equal([50, 50]);
    expect(found.differences).to.deep.equal([]);
    expect(found.receiptsProven).to.equal(50);
    const { logs, others: logsOf } = third.manager.state.logSide;
    const to = await logsOf.endpointOf(provider.peerId as PeerId);
    expect(await logs.records(to, [made[0]!.id])).to.deep.equal([]);
    expect(await logs.records(to, [others[0]!.id])).to.have.length(2);
    const page = await logs.logs(to, { ...FIRST_LOGS, limit: 1000 });
    expect(page.items).to.have.length(50);
    expect(page.nextCursor).to.equal(undefined);
    const ids = new Set(others.map(({ id }) => id as string));
    expect(page.items.every(({ transactionId }) => ids.has(transactionId))).to.equal(true);
  });

  it("gives log records page by page, by service, grant, time and transaction", async () => {
    const { logs, others: logsOf } = third.manager.state.logSide;
    const to = await logsOf.endpointOf(provider.peerId as PeerId);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const query = { ...FIRST_LOGS, sortOrder: "ascending", limit: 7, cursor } as const;
      const page = await logs.logs(to, query);
      seen.push(...page.items.map(({ transactionId }) => transactionId));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(seen).to.deep.equal(others.map(({ id }) => id));
    const count = async (more: Partial<LogQuery>): Promise<number> =>
      (await logs.logs(to, { ...FIRST_LOGS, limit: 1000, ...more })).items.length;
    const second = Math.floor(Date.now() / 1000);
    expect(await count({ serviceNames: ["personen"] })).to.equal(17);
    expect(await count({ serviceNames: ["personen"], grantHashes: ["$1$4$x"] })).to.equal(50);
    expect(await count({ grantHashes: ["unknown"] })).to.equal(0);
    expect(await count({ after: second + 10 })).to.equal(0);
    expect(await count({ before: second + 10 })).to.equal(50);
    expect(await count({ transactionIds: [others[1]!.id, made[1]!.id] })).to.equal(1);
    const [record] = (await logs.logs(to, { ...FIRST_LOGS, limit: 1 })).items;
    expect(record).to.deep.include({
      ...{ direction: "incoming", grantHash: "$1$4$x", serviceName: others[49]!.service },
      source: { peerId: third.peerId, delegatorId: undefined },
      destination: { peerId: provider.peerId, delegatorId: undefined },
      additionalData: {
        ...{ "schakel.method": "GET", "schakel.result": "complete", "schakel.status": 200 },
      },
    });
  });

  it("explains a receipt that did not arrive", async () => {
    const late = idsOf(2);
    await new Pair(consumer, third).add(late, new Map([[late[1]!.id, "no receipt"]]));
    await sealed(consumer);
    await sealed(third);
    const found = await reconcile(consumer, third.peerId);
    expect(
      found.differences.map(({ transactionId, kind, detail }) => [transactionId, kind, detail]),
    ).to.deep.equal([[late[1]!.id, "different", "the receipt did not arrive"]]);
    expect([found.exchangesHere, found.exchangesThere]).to.deep.equal([5, 5]);
  });

  const problem = async (work: Promise<unknown>): Promise<string> => {
    try {
      await work;
      return "none";
    } catch (error) {
      if (error instanceof SchakelError) return `${error.code} ${error.message}`;
      throw error;
    }
  };

  it("refuses ourselves, no time, and a second comparison with the same peer", async () => {
    expect(await problem(reconcile(consumer, consumer.peerId))).to.contain("REQUEST_INVALID");
    const never = { fromMs: 5, toMs: 5 };
    expect(await problem(reconcile(consumer, provider.peerId, never))).to.contain(
      "REQUEST_INVALID",
    );
    const both = [reconcile(third, provider.peerId), reconcile(third, provider.peerId)];
    const answers = await Promise.all(both.map(problem));
    expect(answers[0]).to.equal("none");
    expect(answers[1]).to.contain("ERROR_CODE_LIMIT_EXCEEDED");
    expect(await problem(reconcile(consumer, "00000000000000000099"))).to.contain("PEER_NOT_FOUND");
  });

  it("says that there is no Schakel on the other side, and asks nothing of it", async () => {
    const group = await loadGroup(all.group.groupFile);
    const bundle = await loadBundle(all.at(3).peer.files, group);
    const other = await PeerManager.start(group, bundle, LOCAL);
    try {
      const { peerBook, logSide } = consumer.manager.state;
      const { peerId: id, name } = bundle.identity;
      await peerBook.note({ id, name, managerAddress: other.caller.address });
      const answer = await problem(reconcile(consumer, id));
      expect(answer).to.contain("ERROR_CODE_RECONCILIATION_FAILED");
      expect(answer).to.contain("is no Schakel");
      expect(logSide.reconciliation.alarms()).to.deep.equal([]);
    } finally {
      await other.close();
    }
    expect(await problem(reconcile(consumer, all.at(3).peerId))).to.contain("cannot be reached");
  });

  it("says that the other side's log is still empty, which is no alarm", async () => {
    const empty = all.at(3);
    await empty.start();
    const { peerBook, logSide } = consumer.manager.state;
    const { id, name, managerAddress } = {
      ...{ id: empty.peerId as PeerId, name: "empty", managerAddress: empty.manager.address },
    };
    const { host } = empty.address;
    await peerBook.note({ id, name, managerAddress: { host, port: managerAddress.port } });
    const answer = await problem(reconcile(consumer, id));
    expect(answer).to.contain("ERROR_CODE_RECONCILIATION_FAILED");
    expect(answer).to.contain(`the log of peer ${id} is still empty`);
    expect(answer).not.to.contain("no Schakel");
    expect(logSide.reconciliation.alarms()).to.deep.equal([]);
  });

  it("is an alarm, in health too, when the other log is not the one seen before", async () => {
    const { witnessed } = third.manager.state.logStore;
    const origin = logOrigin("test", provider.peerId);
    const right = (await witnessed.get(origin))!;
    const forged = { ...right, root: Buffer.alloc(32, 1) };
    await witnessed.put(origin, right.size, forged);
    expect(await problem(reconcile(third, provider.peerId))).to.contain("log-forked");
    await witnessed.put(origin, right.size, { ...right, size: right.size + 1_000_000 });
    expect(await problem(reconcile(third, provider.peerId))).to.contain("checkpoint-older");
    const { reconciliation } = third.manager.state.logSide;
    expect(reconciliation.alarms().join()).to.contain("checkpoint-older");
    await witnessed.put(origin, right.size + 1_000_000, right);
    expect(await problem(reconcile(third, provider.peerId))).to.equal("none");
    expect(reconciliation.alarms()).to.deep.equal([]);
  });

  it("has checkpoints co-signed by the group's directory, which is a peer with a manager here", async () => {
    const { reader } = provider.manager.state.logStore;
    const note = await until(
      "a co-signature",
      async () => {
        return (await reader.checkpointAt({ witnessed: true }))?.note;
      },
      60_000,
    );
    expect(note).to.contain(`\n— ${witnessName("test", consumer.peerId)} `);
    const key = await provider.manager.state.logSide.others.keys.of(
      consumer.peerId as PeerId,
      "witness",
    );
    const { text } = openNote(note, key);
    expect(text.split("\n")[0]).to.equal(logOrigin("test", provider.peerId));
  });

  it("co-signs nobody's checkpoint but the caller's own", async () => {
    const { logs, others: logsOf } = third.manager.state.logSide;
    const to = await logsOf.endpointOf(consumer.peerId as PeerId);
    const note = (await provider.manager.state.logStore.reader.checkpointAt())!.note;
    const body = `old 0\n\n${note}`;
    expect((await logs.addCheckpoint(to, body)).status).to.equal(404);
    expect((await logs.addCheckpoint(to, "nothing")).status).to.equal(400);
  });

  it("refuses to sign a result that is not right, whoever brings it", async () => {
    const { logs, others: logsOf } = third.manager.state.logSide;
    const to = await logsOf.endpointOf(provider.peerId as PeerId);
    const kept = await provider.manager.state.logStore.reader.reconciliations(consumer.peerId, {
      limit: 1,
    });
    const { result, signatures } = JSON.parse(readKept(kept.results[0]!.result).statement) as {
      readonly result: JsonObject;
      readonly signatures: Readonly<Record<string, string>>;
    };
    const failure = await logs.coSign(to, { result, signature: signatures[consumer.peerId]! }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).to.be.instanceOf(RemoteError);
    expect((failure as RemoteError).message).to.contain("not one of the caller and us");
  });

  it("refuses to sign a result that says other things than its log", async () => {
    const { logs, others: logsOf } = third.manager.state.logSide;
    const to = await logsOf.endpointOf(provider.peerId as PeerId);
    const group = await loadGroup(all.group.groupFile);
    const { key, chain } = await loadBundle(third.peer.files, group);
    const kept = await third.manager.state.logStore.reader.reconciliations(provider.peerId, {
      limit: 1,
    });
    const statement = parseJson(Buffer.from(readKept(kept.results[0]!.result).statement));
    const right = parseResult((statement as { readonly result: JsonObject }).result);
    const [first, second] = right.sides;
    const changed: readonly (readonly [Result, string])[] = [
      [
        {
          ...right,
          sides: [
            { ...first, count: 7 },
            { ...second, count: 7 },
          ],
        },
        "other exchanges",
      ],
      [
        { ...right, sides: [first, { ...second, digest: Buffer.alloc(32) }] },
        "not all that lies between",
      ],
      [
        { ...right, sides: [{ ...first, checkpoint: second.checkpoint }, second] },
        "the checkpoint that it names",
      ],
    ];
    for (const [result, says] of changed) {
      const signature = await signResult(result, { key, certificate: chain[0]! });
      const failure = await problem(
        logs.coSign(to, { result: resultJson(result), signature }).catch((error: unknown) => {
          throw new SchakelError("ERROR_CODE_INTERNAL", { detail: String(error) });
        }),
      );
      expect(failure).to.contain(says);
    }
  });

  it("compares every night with each peer, once", async () => {
    const { nightly } = third.manager.state.logSide;
    const count = async (): Promise<number> => {
      const { reader } = third.manager.state.logStore;
      const { results } = await reader.reconciliations(provider.peerId, { limit: 1000 });
      return results.filter(({ result }) => readKept(result).isOurs).length;
    };
    const before = await count();
    await nightly.turn(new AbortController().signal);
    expect(await count()).to.equal(before);
    const { state } = third.manager;
    const tomorrow = new Nightly({
      ...{ own: third.peerId as PeerId, reconciliation: state.logSide.reconciliation },
      ...{ reader: state.logStore.reader, log: recordedLog().log },
      clock: { now: () => Date.now() + 86_400_000, monotonic: () => performance.now() },
      peerIdRule: () => (text) => text as PeerId,
      lease: { hold: () => Promise.resolve({ token: 1 }), release: () => Promise.resolve() },
    });
    await tomorrow.turn(new AbortController().signal);
    expect(await count()).to.equal(before + 1);
    expect(tomorrow.differing().join()).to.contain(`that of peer ${consumer.peerId} differ in 1`);
  });

  it("leaves the night's comparisons to the process that has the lease", async () => {
    const { state } = third.manager;
    const late = new Nightly({
      ...{ own: third.peerId as PeerId, reconciliation: state.logSide.reconciliation },
      ...{ log: recordedLog().log, peerIdRule: () => (text) => text as PeerId },
      reader: { ...state.logStore.reader, peersWith: () => Promise.reject(new Error("asked")) },
      clock: { now: () => Date.now() + 2 * 86_400_000, monotonic: () => performance.now() },
      lease: {
        hold: () => Promise.resolve({ token: undefined, until: 0 }),
        release: () => Promise.resolve(),
      },
    });
    await late.turn(new AbortController().signal);
  });
});

describe("the nights in which logs are compared", () => {
  it("begin at another moment for each pair, within four hours", () => {
    const slots = Array.from({ length: 50 }, (_, n) => slotOf("1", String(n)));
    expect(new Set(slots).size).to.equal(50);
    expect(Math.min(...slots)).to.be.at.least(0);
    expect(Math.max(...slots)).to.be.lessThan(4 * 3_600_000);
  });

  it("are due from their slot on until the next one", () => {
    const day = 86_400_000;
    expect(dueAt(1_000, 5 * day + 999)).to.equal(4 * day + 1_000);
    expect(dueAt(1_000, 5 * day + 1_000)).to.equal(5 * day + 1_000);
    expect(dueAt(1_000, 6 * day - 1)).to.equal(5 * day + 1_000);
  });
});
