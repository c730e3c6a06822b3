// The differences of a comparison with what our records and those of the other side tell of them.
import type { TransactionId } from "../core/names.js";
import type { LogClient } from "../fsc/log-interface.js";
import { RECORDS_OF_MAX } from "../fsc/log-limits.js";
import type { ManagerEndpoint } from "../fsc/manager-interface.js";
import { FormatError } from "../txlog/bytes.js";
import { decodeLeaf } from "../txlog/decode-leaf.js";
import type { Difference } from "../txlog/reconcile/compare.js";
import { detailOf, isIntent } from "../txlog/reconcile/explain.js";
import type { ExplainedDifference } from "../txlog/reconcile/kept-result.js";
import type { Result, ResultSide } from "../txlog/reconcile/result.js";
import type { IntentRecord } from "../txlog/record.js";
import type { LogReader } from "../txlog/store/read-side.js";

/** How many differences are looked into; the others are only named. */
const EXPLAINED_MAX = 500;
const EXCHANGES_MAX = 100;

/** Where records are looked up. Without the other side's manager, ours alone tell. */
export interface Explaining {
  readonly reader: Pick<LogReader, "search" | "exchange">;
  readonly to?: ManagerEndpoint;
  readonly logs?: Pick<LogClient, "records">;
}

const intentIn = (leaf: Buffer | undefined): readonly IntentRecord[] => {
  if (leaf === undefined) return [];
  try {
    const record = decodeLeaf(leaf);
    return isIntent(record) ? [record] : [];
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
};

const otherIntents = async (
  differences: readonly Difference[],
  { to, logs }: Explaining,
): Promise<ReadonlyMap<string, readonly IntentRecord[]>> => {
  const found = new Map<string, IntentRecord[]>();
  if (to === undefined || logs === undefined) return found;
  const ids = differences
    .filter(({ kind }) => kind !== "missing-there")
    .map(({ transactionId }) => transactionId);
  for (let at = 0; at < ids.length; at += RECORDS_OF_MAX) {
    for (const { leaf } of await logs.records(to, ids.slice(at, at + RECORDS_OF_MAX))) {
      for (const record of intentIn(leaf)) {
        const id = record.exchange.transactionId;
        found.set(id, [...(found.get(id) ?? []), record]);
      }
    }
  }
  return found;
};

const ownOf = async (id: TransactionId, { reader }: Explaining) => {
  const { exchanges } = await reader.search({ transactionId: id }, { limit: EXCHANGES_MAX });
  const entries = await reader.exchange(id);
  return {
    own: exchanges.filter(({ result }) => result !== "refused"),
    ownIntents: entries.flatMap(({ leaf }) => intentIn(leaf)),
  };
};

/** Differences with a sentence each. */
export const explained = async (
  differences: readonly Difference[],
  explaining: Explaining,
): Promise<readonly ExplainedDifference[]> => {
  const looked = differences.slice(0, EXPLAINED_MAX);
  const theirs = await otherIntents(looked, explaining);
  const found: ExplainedDifference[] = [];
  for (const [at, difference] of differences.entries()) {
    const { transactionId, kind, service } = difference;
    const known =
      at < EXPLAINED_MAX ? await ownOf(transactionId, explaining) : { own: [], ownIntents: [] };
    const detail = detailOf(difference, {
      ...known,
      otherIntents: theirs.get(transactionId) ?? [],
    });
    found.push({ transactionId, kind, service, detail });
  }
  return found;
};

/** A result from our side. `mine` is undefined when we are none of its sides. */
export const sidesOf = (
  { sides: [first, second], differences }: Result,
  own: string,
): {
  readonly mine: ResultSide | undefined;
  readonly theirs: ResultSide;
  readonly differences: readonly Difference[];
} => {
  const isFirst = first.peerId === own;
  const mine = isFirst ? first : second.peerId === own ? second : undefined;
  return {
    ...{ mine, theirs: isFirst ? second : first },
    differences: differences.map(({ transactionId, records: [one, other] }) => {
      const [here, there] = isFirst ? [one, other] : [other, one];
      const kind =
        here.length === 0 ? "missing-here" : there.length === 0 ? "missing-there" : "different";
      return { transactionId, kind, service: (here[0] ?? there[0])?.service ?? "", here, there };
    }),
  };
};
