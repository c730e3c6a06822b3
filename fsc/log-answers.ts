// Reading log records as other managers answer them (FSC Logging 1.1.0).
import { Fields } from "../contracts/fields.js";
import type { PeerIdRule } from "../core/names.js";
import { readPage, type ReadPage } from "./answers.js";
import type { LoggedExchange, LoggedParty } from "./log-interface.js";

const TEXT_MAX = 255;
const GRANT_HASH_MAX = 1024;

const peerId = (fields: Fields, name: string, rule: PeerIdRule): string =>
  fields.parsed(name, { max: TEXT_MAX, parse: rule, what: "a peer id by the group's rule" });

const partyOf = (fields: Fields, side: "SOURCE" | "DESTINATION", rule: PeerIdRule): LoggedParty => {
  const direct = `${side}_TYPE_${side}`;
  const type = fields.word("type", [direct, `${side}_TYPE_DELEGATED_${side}`]);
  return {
    peerId: peerId(fields, side === "SOURCE" ? "outway_peer_id" : "service_peer_id", rule),
    delegatorId: type === direct ? undefined : peerId(fields, "delegator_peer_id", rule),
  };
};

const recordOf = (fields: Fields, rule: PeerIdRule): LoggedExchange => ({
  transactionId: fields.text("transaction_id", { max: TEXT_MAX }),
  direction:
    fields.word("direction", ["DIRECTION_INCOMING", "DIRECTION_OUTGOING"]) === "DIRECTION_INCOMING"
      ? "incoming"
      : "outgoing",
  grantHash: fields.text("grant_hash", { min: 0, max: GRANT_HASH_MAX }),
  source: partyOf(fields.fields("source"), "SOURCE", rule),
  destination: partyOf(fields.fields("destination"), "DESTINATION", rule),
  serviceName: fields.text("service_name", { max: TEXT_MAX }),
  additionalData: fields.has("additional_data") ? fields.object("additional_data") : undefined,
  createdAt: fields.seconds("created_at"),
});

/** Reads `{records, pagination}`. Throws ContractRefusal when it has another form. */
export const readRecords = (bytes: Uint8Array, rule: PeerIdRule): ReadPage<LoggedExchange> =>
  readPage(bytes, {
    name: "records",
    item: (value, path) => recordOf(new Fields(value, path), rule),
  });
