// The work of `schakel log reconcile`, and how comparisons are shown.
import { shown } from "../contracts/shown-text.js";
import type {
  Difference,
  ReconcileResponse,
  Reconciliation,
} from "../proto/gen/schakel/manager/v1/log.js";
import { UsageError } from "./command.js";
import { present } from "./administration.js";
import { consult } from "./log-session.js";
import { note, print } from "./print.js";
import type { CliSettings } from "./settings.js";
import { table } from "./table.js";
import { shownMoment } from "./times.js";

const CELL_MAX = 200;

/** What `log reconcile` is given; moments in seconds since 1970. */
export interface ReconcileOptions {
  readonly with: string;
  readonly from?: number;
  readonly to?: number;
}

const signersOf = (statement: string): readonly string[] => {
  const { signatures = {} } = JSON.parse(statement) as { signatures?: Record<string, string> };
  return Object.keys(signatures);
};

const signed = (each: Reconciliation): "both" | "one side" =>
  signersOf(each.statement).length > 1 ? "both" : "one side";

const differenceDocument = (each: Difference) => ({
  transaction_id: each.transactionId,
  kind: each.kind,
  service: each.serviceName,
  detail: each.detail,
});

/** A comparison in the names that `--json` prints. */
export const reconciliationDocument = (each: Reconciliation) => ({
  peer_id: each.peerId,
  from: shownMoment(each.fromMs),
  to: shownMoment(each.toMs),
  made_at: shownMoment(each.madeAtMs),
  exchanges_here: Number(each.exchangesHere),
  exchanges_there: Number(each.exchangesThere),
  differences: each.differences.map(differenceDocument),
  truncated: each.truncated,
  receipts_proven: Number(each.receiptsProven),
  signed_by: signersOf(each.statement),
  statement: JSON.parse(each.statement) as object,
});

/** The head of the table of comparisons. */
export const RECONCILIATION_HEAD = [
  ...["MADE", "WITH", "FROM", "TO", "HERE", "THERE", "DIFFERENCES", "SIGNED BY"],
];

const differencesOf = ({ differences, truncated }: Reconciliation): string =>
  `${String(differences.length)}${truncated ? " and more" : ""}`;

/** A comparison as a row of the table. */
export const reconciliationRow = (each: Reconciliation): string[] => [
  shownMoment(each.madeAtMs),
  shown(each.peerId),
  each.fromMs === 0n ? "the beginning" : shownMoment(each.fromMs),
  shownMoment(each.toMs),
  String(each.exchangesHere),
  String(each.exchangesThere),
  differencesOf(each),
  signed(each),
];

const textOf = (result: Reconciliation): string => {
  const rows = [
    ["exchanges", `${String(result.exchangesHere)} here, ${String(result.exchangesThere)} there`],
    ["receipts", `${String(result.receiptsProven)} became proofs`],
    ["signed", signed(result) === "both" ? "by both sides" : "by us alone"],
    ["differences", differencesOf(result)],
  ];
  const summary = table(["compared with", shown(result.peerId)], rows);
  if (result.differences.length === 0) return summary;
  const list = result.differences.map((each) =>
    [each.transactionId, each.kind, each.serviceName, each.detail].map((cell) =>
      shown(cell, CELL_MAX),
    ),
  );
  return `${summary}\n${table(["TRANSACTION", "WHAT", "SERVICE", "DETAIL"], list)}`;
};

const progress = (now: ReconcileResponse): void => {
  if (!process.stderr.isTTY) return;
  const counts = `${String(now.exchangesHere)} here, ${String(now.exchangesThere)} there`;
  process.stderr.write(`\r\u001b[Kcomparing: ${counts}, ${String(now.bytesExchanged)} bytes sent`);
};

/** Compares our log with another organisation's; the exit code is 1 when they differ. */
export const reconcile = async (
  settings: CliSettings,
  { with: peerId, from = 0, to = 0 }: ReconcileOptions,
): Promise<void> => {
  if (to > 0 && from >= to) throw new UsageError("--from is not before --to");
  const request = { peerId, fromMs: BigInt(from) * 1000n, toMs: BigInt(to) * 1000n };
  const result = await consult(settings, async (log) => {
    let last: Reconciliation | undefined;
    for await (const message of log.stream("reconcile", request)) {
      progress(message);
      last = message.result ?? last;
    }
    if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
    return present(last);
  });
  print(settings, reconciliationDocument(result), () => textOf(result));
  if (result.differences.length === 0 && !result.truncated) return;
  if (!settings.json) note("schakel: the two logs differ");
  process.exitCode = 1;
};
