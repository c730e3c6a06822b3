// Receipts become proofs: the other side's records that they are the hashes of, with their places in its tree.
import type { Clock } from "../core/clock.js";
import type { TransactionId } from "../core/names.js";
import type { LogClient, ProvenRecord } from "../fsc/log-interface.js";
import { RECORDS_OF_MAX } from "../fsc/log-limits.js";
import type { ManagerEndpoint } from "../fsc/manager-interface.js";
import { leafHash } from "../txlog/leaf.js";
import type { TimeRange } from "../txlog/reconcile/node.js";
import type { SeenLog } from "../txlog/reconcile/seen-log.js";
import type {
  LogKeeper,
  LogReader,
  ProvenReceipt,
  UnprovenReceipt,
} from "../txlog/store/read-side.js";

/** How many receipts are proven in one comparison; the next one goes on. */
const RECEIPTS_MAX = 20_000;

/** What receipts are proven with. */
export interface Proving {
  readonly to: ManagerEndpoint;
  readonly seen: SeenLog;
  readonly range: TimeRange;
  readonly reader: Pick<LogReader, "unproven">;
  readonly keeper: Pick<LogKeeper, "putReceipts">;
  readonly logs: Pick<LogClient, "records">;
  readonly clock: Clock;
}

const provenOne = async (
  { transactionId, leafHash: receipt }: UnprovenReceipt,
  records: ReadonlyMap<string, ProvenRecord>,
  { to, seen, clock }: Proving,
): Promise<ProvenReceipt | undefined> => {
  const record = records.get(receipt.toString("hex"));
  // It has no such record, which the comparison names; or it is not sealed yet.
  if (record === undefined || record.proof === "") return undefined;
  await seen.verify(record.proof, receipt);
  const provenAtMs = clock.now();
  return { transactionId, peerId: to.peerId, leafHash: receipt, proof: record.proof, provenAtMs };
};

/**
 * Fetches, verifies and stores the proofs of the receipts that have none yet. Gives how many there were.
 *
 * @throws LogFault when a proof proves nothing; what the asking rejects with
 */
export const proveReceipts = async (proving: Proving): Promise<number> => {
  const { to, range, reader, keeper, logs } = proving;
  let after: TransactionId | undefined;
  let count = 0;
  for (let asked = 0; asked < RECEIPTS_MAX; asked += RECORDS_OF_MAX) {
    const more = after === undefined ? {} : { after };
    const page = await reader.unproven(to.peerId, range, { limit: RECORDS_OF_MAX, ...more });
    after = page.at(-1)?.transactionId;
    if (after === undefined) break;
    const records = await logs.records(to, [...new Set(page.map((each) => each.transactionId))]);
    const byHash = new Map(records.map((each) => [leafHash(each.leaf).toString("hex"), each]));
    const proven: ProvenReceipt[] = [];
    for (const receipt of page) {
      const found = await provenOne(receipt, byHash, proving);
      if (found !== undefined) proven.push(found);
    }
    if (proven.length > 0) await keeper.putReceipts(proven);
    count += proven.length;
  }
  return count;
};
