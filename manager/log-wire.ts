// What the interface of people to the transaction log shows, in the words of log.proto.
import type * as wire from "../proto/gen/schakel/manager/v1/log.js";
import { readKept, type KeptResult } from "../txlog/reconcile/kept-result.js";
import type {
  ExchangeCount,
  FoundExchange,
  StoredReconciliation,
} from "../txlog/store/read-side.js";

/** The index of a record that is not sealed yet. */
export const UNSEALED = 2n ** 64n - 1n;

/** An exchange. */
export const wireExchange = (found: FoundExchange): wire.FoundExchange => ({
  writerId: found.writerId,
  sequence: BigInt(found.sequence),
  createdAtUs: BigInt(found.createdAtUs),
  transactionId: found.transactionId ?? "",
  direction: found.direction,
  sourcePeerId: found.sourcePeerId,
  sourceDelegatorId: found.sourceDelegatorId,
  destinationPeerId: found.destinationPeerId,
  destinationDelegatorId: found.destinationDelegatorId,
  serviceName: found.service,
  grantHash: found.grantHash,
  method: found.method,
  result: found.result,
  status: found.status,
  code: found.code,
  durationUs: BigInt(found.durationUs),
  requestBytes: BigInt(found.requestBytes),
  responseBytes: BigInt(found.responseBytes),
  repeated: found.repeated,
});

/** How many exchanges there were. */
export const wireCount = (count: ExchangeCount): wire.ExchangeCount => ({
  month: count.month,
  direction: count.direction,
  sourcePeerId: count.sourcePeerId,
  sourceDelegatorId: count.sourceDelegatorId,
  destinationPeerId: count.destinationPeerId,
  serviceName: count.service,
  exchanges: BigInt(count.exchanges),
  successful: BigInt(count.successful),
  refused: BigInt(count.refused),
});

/** The result of a comparison. */
export const wireResult = (kept: KeptResult): wire.Reconciliation => ({
  peerId: kept.peerId,
  fromMs: BigInt(Math.max(0, Math.floor(kept.fromMs))),
  toMs: BigInt(Math.max(0, Math.floor(kept.toMs))),
  madeAtMs: BigInt(Math.floor(kept.madeAtMs)),
  exchangesHere: BigInt(kept.exchangesHere),
  exchangesThere: BigInt(kept.exchangesThere),
  differences: kept.differences.map(({ transactionId, kind, service, detail }) => ({
    ...{ transactionId, kind, detail, serviceName: service },
  })),
  truncated: kept.truncated,
  statement: kept.statement,
  receiptsProven: BigInt(kept.receiptsProven),
});

/** A result as the store keeps it. */
export const wireKept = ({ result }: StoredReconciliation): wire.Reconciliation =>
  wireResult(readKept(result));
