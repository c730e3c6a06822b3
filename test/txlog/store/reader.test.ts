// Looking into the log's store: pages in order, filters that hold together, counts, what is shared with one other.
import { expect } from "chai";
import { newTransactionId, type TransactionId } from "../../../core/names.js";
import type { ExchangeEntry } from "../../../txlog/entry.js";
import { decodeLeaf } from "../../../txlog/decode-leaf.js";
import type { ExchangeFilter, FoundExchange } from "../../../txlog/store/read-side.js";
import { codeOf } from "../../support/codes.js";
import { onEachDatabase } from "../../support/log-databases.js";
import { OWN_PEER, type OpenStore } from "../../support/log-stores.js";
import { ShippingWriter } from "../../support/shipped.js";
import { removeTemporaryFolders } from "../../support/temporary.js";

const OTHER = "00000000000000000002";
const THIRD = "00000000000000000003";
const INCOMING = {
  direction: "incoming",
  source: { peerId: OTHER },
  destination: { peerId: OWN_PEER },
} as const satisfies Partial<ExchangeEntry>;

/** Noon of the first of May 2026 in milliseconds. */
const MAY = Date.UTC(2026, 4, 1, 12);

describe("reading the log's store", () => {
  onEachDatabase((open) => {
    let opened: OpenStore;
    let writer: ShippingWriter;
    let now = MAY;

    const store = async (by = writer): Promise<void> => {
      await opened.store.ingest.begin({ writerId: by.writerId, component: "inway/one" });
      await opened.store.ingest.batch(by.take());
    };

    const found = async (filter: ExchangeFilter): Promise<number[]> => {
      const { exchanges } = await opened.store.reader.search(filter, { limit: 1000 });
      return exchanges.map(({ sequence }) => sequence);
    };

    beforeEach(async () => {
      opened = await open();
      now = MAY;
      writer = new ShippingWriter(() => now);
    });

    afterEach(async () => {
      await opened.close();
      removeTemporaryFolders();
    });

    describe("by a filter", () => {
      let id: TransactionId;

      beforeEach(async () => {
        id = newTransactionId();
        // 1 and 2: outgoing, 200.
        writer.outcome(writer.intent({ transactionId: id, grantHash: "$1$a" }));
        now += 1000;
        // 3 and 4: incoming, 503, about a person.
        const personal = { dataSubjects: [{ key: "bsn", value: "123456782" }] };
        writer.outcome(writer.intent({ ...INCOMING, service: "bomen", personal }), { status: 503 });
        now += 1000;
        // 5: incoming and refused; 6: open, for another by a third.
        writer.add({
          ...{ kind: "refusal", status: 403, code: "ERROR_CODE_ACCESS_DENIED" },
          exchange: { ...INCOMING, transactionId: undefined, service: "bomen", method: "GET" },
        });
        now += 1000;
        writer.intent({ destination: { peerId: OTHER, delegatorId: THIRD }, service: "bomen" });
        await store();
      });

      const CASES: Readonly<Record<string, readonly [ExchangeFilter, readonly number[]]>> = {
        everything: [{}, [6, 5, 3, 1]],
        "from a moment on": [{ fromUs: (MAY + 1000) * 1000 }, [6, 5, 3]],
        "before a moment": [{ toUs: (MAY + 1000) * 1000 }, [1]],
        "the other peer": [{ peerId: OTHER }, [6, 5, 3, 1]],
        "a delegator": [{ peerId: THIRD }, [6]],
        "our own peer": [{ peerId: OWN_PEER }, [6, 5, 3, 1]],
        "a peer that is nowhere": [{ peerId: "00000000000000000009" }, []],
        "a service": [{ service: "bomen" }, [6, 5, 3]],
        "a service in one direction": [{ service: "bomen", direction: "outgoing" }, [6]],
        "a status": [{ status: 403 }, [5]],
        "a hundred of statuses": [{ status: 5 }, [3]],
        "a grant": [{ grantHash: "$1$a" }, [1]],
        "a data subject": [{ dataSubject: { key: "bsn", value: "123456782" } }, [3]],
        "a data subject under another key": [
          { dataSubject: { key: "bsm", value: "123456782" } },
          [],
        ],
        "another data subject": [{ dataSubject: { key: "bsn", value: "12345678" } }, []],
        "only forwarded": [{ forwarded: true }, [6, 3, 1]],
        "some services or grants": [
          { anyOf: { services: ["nothing"], grantHashes: ["$1$a"] } },
          [1],
        ],
        "no services nor grants": [{ anyOf: { services: [], grantHashes: [] } }, []],
        "no transaction": [{ transactionIds: [] }, []],
      };
      for (const [name, [filter, expected]] of Object.entries(CASES)) {
        it(`finds ${name}`, async () => {
          expect(await found(filter)).to.deep.equal(expected);
        });
      }

      it("finds a transaction and shows the records of it, with what is personal", async () => {
        expect(await found({ transactionId: id })).to.deep.equal([1]);
        expect(await found({ transactionIds: [id, newTransactionId()] })).to.deep.equal([1]);
        const entries = await opened.store.reader.exchange(id);
        expect(entries.map(({ sequence }) => sequence)).to.deep.equal([1, 2]);
        const [third] = await opened.store.reader.exchange({
          writerId: writer.writerId,
          sequence: 3,
        });
        const record = decodeLeaf(third?.leaf ?? Buffer.alloc(0));
        if (record.kind !== "intent") throw new Error("it is an intent");
        const reading = await opened.store.reader.personal(third!, record.exchange);
        expect(reading).to.deep.equal({
          status: "readable",
          personal: { dataSubjects: [{ key: "bsn", value: "123456782" }] },
        });
        expect(await opened.store.reader.exchange(newTransactionId())).to.deep.equal([]);
        const stranger = { writerId: new ShippingWriter().writerId, sequence: 1 };
        expect(await opened.store.reader.exchange(stranger)).to.deep.equal([]);
      });

      it("gives everything that is known of an exchange", async () => {
        const { exchanges } = await opened.store.reader.search({ transactionId: id }, { limit: 1 });
        const { outwayIntentHash, ...rest } = exchanges[0]!;
        expect(outwayIntentHash).to.deep.equal(
          (await opened.store.reader.exchange(id))[0]?.leafHash,
        );
        expect(rest).to.deep.equal({
          ...{ writerId: writer.writerId, sequence: 1, createdAtUs: MAY * 1000, transactionId: id },
          ...{ direction: "outgoing", sourcePeerId: OWN_PEER, sourceDelegatorId: "" },
          ...{ destinationPeerId: OTHER, destinationDelegatorId: "", service: "personen" },
          ...{ grantHash: "$1$a", method: "GET", result: "complete", status: 200, code: "" },
          ...{ durationUs: 1000, requestBytes: 0, responseBytes: 10, repeated: false },
          ...{ endSequence: 2, inwayIntentHash: undefined },
        });
      });

      it("counts per month, and only within the months", async () => {
        const counts = await opened.store.reader.counts("2026-05", "2026-05");
        const own = { month: "2026-05", sourceDelegatorId: "" };
        expect(counts).to.deep.equal([
          {
            ...{ ...own, direction: "incoming", sourcePeerId: OTHER, destinationPeerId: OWN_PEER },
            ...{ service: "bomen", exchanges: 1, successful: 0, refused: 1 },
          },
          {
            ...{ ...own, direction: "outgoing", sourcePeerId: OWN_PEER, destinationPeerId: OTHER },
            ...{ service: "bomen", exchanges: 1, successful: 0, refused: 0 },
          },
          {
            ...{ ...own, direction: "outgoing", sourcePeerId: OWN_PEER, destinationPeerId: OTHER },
            ...{ service: "personen", exchanges: 1, successful: 1, refused: 0 },
          },
        ]);
        expect(await opened.store.reader.counts("2026-04", "2026-04")).to.deep.equal([]);
        expect(await opened.store.reader.counts("2025-06", "2026-06")).to.have.length(3);
      });
    });

    for (const oldestFirst of [false, true]) {
      it(`pages through everything once, ${oldestFirst ? "oldest" : "newest"} first, also where moments are equal`, async () => {
        const other = new ShippingWriter(() => now);
        for (let n = 0; n < 30; n++) {
          if (n % 5 === 0) now += 1;
          writer.outcome(writer.intent());
          other.intent({ source: { peerId: OWN_PEER, delegatorId: THIRD } });
        }
        await store();
        await store(other);
        for (const filter of [{}, { peerId: OTHER }, { peerId: THIRD }]) {
          const all: FoundExchange[] = [];
          let token: string | undefined;
          do {
            const page = { limit: 7, token, oldestFirst };
            const { exchanges, nextToken } = await opened.store.reader.search(filter, page);
            all.push(...exchanges);
            token = nextToken;
          } while (token !== undefined);
          const keys = all.map(({ writerId, sequence }) => `${writerId}/${sequence}`);
          expect(new Set(keys).size).to.equal(keys.length);
          expect(keys).to.have.length("peerId" in filter && filter.peerId === THIRD ? 30 : 60);
          const times = all.map(({ createdAtUs }) => createdAtUs);
          const sorted = [...times].sort((a, b) => (oldestFirst ? a - b : b - a));
          expect(times).to.deep.equal(sorted);
        }
      });
    }

    it("shares with another what was forwarded between the two, by transaction id and in a time", async () => {
      const ids: TransactionId[] = [];
      for (let n = 0; n < 10; n++) {
        const intent = writer.intent(n % 2 === 0 ? {} : { ...INCOMING, service: "bomen" });
        ids.push(intent.transactionId);
      }
      writer.intent({ destination: { peerId: THIRD } });
      writer.add({
        ...{ kind: "refusal", status: 403, code: "ERROR_CODE_ACCESS_DENIED" },
        exchange: {
          ...INCOMING,
          transactionId: newTransactionId(),
          service: "bomen",
          method: "GET",
        },
      });
      await store();
      const shared = async (service?: string, shift = 0): Promise<TransactionId[]> => {
        const range = { fromMs: Date.now() - 60_000 + shift, toMs: Date.now() + 60_000 + shift };
        const read: TransactionId[] = [];
        const pages = opened.store.reader.sharedWith(OTHER)(range, service);
        for await (const page of pages) read.push(...page.map((each) => each.transactionId));
        return read;
      };
      expect(await shared()).to.deep.equal([...ids].sort());
      expect(await shared("bomen")).to.have.length(5);
      expect(await shared(undefined, 120_000)).to.deep.equal([]);
      expect(await shared(undefined, -120_000)).to.deep.equal([]);
      const day = { fromMs: MAY, toMs: MAY + 1 };
      expect(await opened.store.reader.peersWith(day)).to.deep.equal([OTHER, THIRD]);
      expect(await opened.store.reader.peersWith({ fromMs: 0, toMs: MAY })).to.deep.equal([]);
    });

    it("gives receipts that are not proven yet, and keeps those that were", async () => {
      const receipt = Buffer.alloc(32, 1);
      const range = { fromMs: 0, toMs: Date.now() + 60_000 };
      const { transactionId } = writer.intent({ ...INCOMING, otherReceipt: receipt });
      writer.intent(INCOMING);
      await store();
      const { reader, keeper } = opened.store;
      const waiting = await reader.unproven(OTHER, range, { limit: 10 });
      expect(waiting).to.deep.equal([{ transactionId, leafHash: receipt }]);
      expect(
        await reader.unproven(OTHER, range, { limit: 10, after: transactionId }),
      ).to.deep.equal([]);
      const proven = {
        ...{ transactionId, peerId: OTHER, leafHash: receipt, proof: "a proof", provenAtMs: 5 },
      };
      await keeper.putReceipts([proven]);
      await keeper.putReceipts([{ ...proven, proof: "another" }]);
      expect(await reader.unproven(OTHER, range, { limit: 10 })).to.deep.equal([]);
      expect(await reader.receipts(transactionId)).to.deep.equal([proven]);
    });

    it("keeps results of reconciliations and lists them, newest first", async () => {
      const { reader, keeper } = opened.store;
      for (let n = 1; n <= 5; n++) {
        const peerId = n % 2 === 0 ? OTHER : THIRD;
        await keeper.putReconciliation({ peerId, fromMs: n, toMs: n, madeAtMs: n, result: "{}" });
      }
      const first = await reader.reconciliations(undefined, { limit: 3 });
      expect(first.results.map(({ madeAtMs }) => madeAtMs)).to.deep.equal([5, 4, 3]);
      const next = { limit: 3, token: first.nextToken };
      const second = await reader.reconciliations(undefined, next);
      expect(second.results.map(({ madeAtMs }) => madeAtMs)).to.deep.equal([2, 1]);
      expect(second.nextToken).to.equal(undefined);
      const theirs = await reader.reconciliations(OTHER, { limit: 3 });
      expect(theirs.results.map(({ madeAtMs }) => madeAtMs)).to.deep.equal([4, 2]);
    });

    const REFUSED: Readonly<Record<string, () => Promise<unknown>>> = {
      "a page without exchanges": () => opened.store.reader.search({}, { limit: 0 }),
      "a page over its limit": () => opened.store.reader.search({}, { limit: 1001 }),
      "a token that is none": () => opened.store.reader.search({}, { limit: 1, token: "%" }),
      "a status that is none": () => opened.store.reader.search({ status: 6 }, { limit: 1 }),
      "too many transactions": () =>
        opened.store.reader.search({ transactionIds: new Array(1001).fill("") }, { limit: 1 }),
      "a month that is none": () => opened.store.reader.counts("2026-13", "2026-13"),
      "months that run backwards": () => opened.store.reader.counts("2026-02", "2026-01"),
      "too many months": () => opened.store.reader.counts("2016-01", "2026-01"),
      "a proof from a tree that is larger": () => opened.store.reader.consistencyFrom(1, 5),
      "a token of reconciliations that is none": () =>
        opened.store.reader.reconciliations(undefined, { limit: 1, token: "x" }),
    };
    for (const [name, work] of Object.entries(REFUSED)) {
      it(`refuses ${name}`, async () => {
        expect(await codeOf(work())).to.equal("ERROR_CODE_REQUEST_INVALID");
      });
    }
  });
});
