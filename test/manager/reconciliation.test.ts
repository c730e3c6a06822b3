// Two organisations compare their logs through their managers: real certificates, databases and connections, and records
// that came in as writers ship them.
import { expect } from "chai";
import { newTransactionId, type PeerId, type TransactionId } from "../../core/names.js";
import type { OutcomeEntry } from "../../txlog/entry.js";
import { readKept } from "../../txlog/reconcile/kept-result.js";
import { Organisations, type Organisation } from "../support/managers.js";
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
    all = await Organisations.start(3);
    [consumer, provider, third] = [all.at(0), all.at(1), all.at(2)];
    await new Pair(consumer, provider).add(made, odd);
    await new Pair(third, provider).add(others);
    await new Pair(consumer, third).add(own);
    for (const each of all.all) await sealed(each);
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
});
