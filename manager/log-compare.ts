// Comparing our log with another organisation's because a person asked for it.
import type { Clock } from "../core/clock.js";
import type { PeerIdRule } from "../core/names.js";
import type * as wire from "../proto/gen/schakel/manager/v1/log.js";
import { exact } from "./log-filter.js";
import type { Send } from "./log-stream.js";
import { wireResult } from "./log-wire.js";
import type { Reconciliation, ReconciliationProgress } from "./reconciliation.js";
import { parsed } from "./request.js";

/** Exchanges of the last minutes may still be on their way. */
const SETTLED_MS = 5 * 60_000;

/** What comparing stands on. */
export interface LogCompareParts {
  readonly reconciliation: Pick<Reconciliation, "run">;
  readonly peerIdRule: () => PeerIdRule;
  readonly clock: Clock;
}

const progressOf = (now: ReconciliationProgress): wire.ReconcileResponse => ({
  exchangesHere: BigInt(now.exchangesHere),
  exchangesThere: BigInt(now.exchangesThere),
  bytesExchanged: BigInt(now.bytesExchanged),
  result: undefined,
});

/** Compares, and tells how far it is; the result comes last. */
export const compareFor = async (
  request: wire.ReconcileRequest,
  { reconciliation, peerIdRule, clock }: LogCompareParts,
  send: Send<wire.ReconcileResponse>,
): Promise<void> => {
  const allowed = "a peer id by the group's rule";
  const peer = parsed("peer_id", request.peerId, peerIdRule(), allowed);
  const fromMs = exact("from_ms", request.fromMs);
  const toMs = exact("to_ms", request.toMs) || clock.now() - SETTLED_MS;
  let last: ReconciliationProgress = { exchangesHere: 0, exchangesThere: 0, bytesExchanged: 0 };
  let sending: Promise<unknown> | undefined;
  const kept = await reconciliation.run(peer, { fromMs, toMs }, (now) => {
    last = now;
    // Whoever reads slowly is told less often.
    sending ??= send(progressOf(now)).finally(() => (sending = undefined));
  });
  await sending;
  await send({ ...progressOf(last), result: wireResult(kept) });
};
