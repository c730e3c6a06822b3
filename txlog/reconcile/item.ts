// What two organisations compare: one item for each exchange that both of them recorded. Both compute it from
// their own records, so it holds nothing but what both must have seen alike (docs/log-format.md, "Comparing two logs").
import { hash } from "node:crypto";
import type { TransactionId } from "../../core/names.js";
import { ByteWriter } from "../bytes.js";
import type { Party } from "../entry.js";

/** An exchange as both sides must have recorded it. An optional text that is empty counts as absent. */
export interface SharedExchange {
  readonly transactionId: TransactionId;
  readonly source: Party;
  readonly destination: Party;
  readonly service: string;
  readonly grantHash?: string | undefined;
  readonly method: string;
  /** The leaf hash of the outway's intent: at the outway its own, at the inway the receipt; undefined when it got none. */
  readonly outwayIntentHash?: Buffer | undefined;
  /** The leaf hash of the inway's intent: at the inway its own, at the outway the receipt; undefined when it got none. */
  readonly inwayIntentHash?: Buffer | undefined;
}

/** The size of a digest, in bytes. */
export const DIGEST_BYTES = 32;

/** The size of a transaction id, in bytes. */
export const TRANSACTION_ID_BYTES = 16;

const MINUTE_MS = 60_000;

const DOMAIN = Buffer.from("schakel/exchange/v1\0");

const putHash = (to: ByteWriter, value: Buffer | undefined): void => {
  if (value !== undefined && value.length !== DIGEST_BYTES) {
    throw new RangeError(`an intent's hash has ${String(value.length)} bytes instead of 32`);
  }
  to.u16(value?.length ?? 0);
  if (value !== undefined) to.bytes(value);
};

/**
 * The digest of an exchange: SHA-256 over `schakel/exchange/v1`, one zero byte, and then, each with its length in
 * 16 bits before it: the 16 bytes of the transaction id, source peer, source delegator, destination peer, destination
 * delegator, service, grant hash, method, the hash of the outway's intent, the hash of the inway's intent.
 *
 * @throws RangeError when a text has more than 65,535 bytes, a hash is none, or the transaction id is no UUID
 */
export const itemDigest = (exchange: SharedExchange): Buffer => {
  const to = new ByteWriter(512);
  to.bytes(DOMAIN);
  to.u16(TRANSACTION_ID_BYTES);
  to.uuid(exchange.transactionId);
  to.text(exchange.source.peerId);
  to.text(exchange.source.delegatorId);
  to.text(exchange.destination.peerId);
  to.text(exchange.destination.delegatorId);
  to.text(exchange.service);
  to.text(exchange.grantHash);
  to.text(exchange.method);
  putHash(to, exchange.outwayIntentHash);
  putHash(to, exchange.inwayIntentHash);
  return hash("sha256", to.buffer.subarray(0, to.length), "buffer");
};

/** When a transaction id was made, by its maker's clock, in milliseconds since 1970: the first 48 bits of a UUIDv7. */
export const transactionTimeMs = (id: TransactionId): number =>
  Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);

/** The minute since 1970 that an exchange is compared in: the same for both sides, whatever their clocks say. */
export const bucketMinute = (id: TransactionId): number =>
  Math.floor(transactionTimeMs(id) / MINUTE_MS);
