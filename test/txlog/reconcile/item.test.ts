// The digest of a shared exchange: the published vectors, and that every field counts.
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { parseTransactionId } from "../../../core/names.js";
import {
  bucketMinute,
  itemDigest,
  transactionTimeMs,
  type SharedExchange,
} from "../../../txlog/reconcile/item.js";

interface Vector {
  readonly name: string;
  readonly exchange: Readonly<Record<string, string>>;
  readonly digest: string;
  readonly time_ms: number;
  readonly minute: number;
}

const { items } = JSON.parse(readFileSync("test/vectors/reconcile-v1.json", "utf8")) as {
  readonly items: readonly Vector[];
};

const bytesOf = (hex: string | undefined): Buffer | undefined =>
  hex === undefined || hex === "" ? undefined : Buffer.from(hex, "hex");

const exchangeOf = ({ exchange: json }: Vector): SharedExchange => ({
  transactionId: parseTransactionId(json["transaction_id"]!)!,
  source: { peerId: json["source_peer_id"]!, delegatorId: json["source_delegator_id"]! },
  destination: {
    peerId: json["destination_peer_id"]!,
    delegatorId: json["destination_delegator_id"]!,
  },
  service: json["service"]!,
  grantHash: json["grant_hash"],
  method: json["method"]!,
  outwayIntentHash: bytesOf(json["outway_intent_hash"]),
  inwayIntentHash: bytesOf(json["inway_intent_hash"]),
});

const [first] = items;
const whole = exchangeOf(first!);

describe("an item that two organisations compare", () => {
  for (const vector of items) {
    it(`has the digest and the minute of the vector: ${vector.name}`, () => {
      const exchange = exchangeOf(vector);
      expect(itemDigest(exchange).toString("hex")).to.equal(vector.digest);
      expect(transactionTimeMs(exchange.transactionId)).to.equal(vector.time_ms);
      expect(bucketMinute(exchange.transactionId)).to.equal(vector.minute);
    });
  }

  const changes: Readonly<Record<string, Partial<SharedExchange>>> = {
    "transaction id": {
      transactionId: parseTransactionId("0192f1a0-7c00-7abc-8def-0123456789ac")!,
    },
    "source peer": { source: { peerId: "1" } },
    "source delegator": { source: { ...whole.source, delegatorId: "1" } },
    "destination peer": { destination: { peerId: "1" } },
    "destination delegator": { destination: { ...whole.destination, delegatorId: "1" } },
    service: { service: "personen2" },
    "grant hash": { grantHash: undefined },
    method: { method: "HEAD" },
    "outway's intent": { outwayIntentHash: Buffer.alloc(32) },
    "inway's intent": { inwayIntentHash: undefined },
    "border between two fields": { service: "persone", grantHash: `n${whole.grantHash}` },
  };
  for (const [what, change] of Object.entries(changes)) {
    it(`has another digest when it has another ${what}`, () => {
      expect(itemDigest({ ...whole, ...change })).to.not.deep.equal(itemDigest(whole));
    });
  }

  const refused: Readonly<Record<string, Partial<SharedExchange>>> = {
    "a hash that is too short": { outwayIntentHash: Buffer.alloc(31) },
    "a text that does not fit its length": { service: "x".repeat(65_536) },
  };
  for (const [what, change] of Object.entries(refused)) {
    it(`is refused with ${what}`, () => {
      expect(() => itemDigest({ ...whole, ...change })).to.throw(RangeError);
    });
  }
});
