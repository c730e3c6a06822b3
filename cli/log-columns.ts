// Records side by side: a column for each log, under one list of labels.
import { exchangeRows, moment, oneLine, outcomeRows, type Row } from "../txlog/describe.js";
import { leafHash } from "../txlog/leaf.js";
import type { LogRecord } from "../txlog/record.js";

/** A record with the bytes that it was read from. */
export interface ShownRecord {
  readonly record: LogRecord;
  readonly leaf: Buffer;
}

const receipt = (label: string, hash: Buffer | undefined, hashes: ReadonlySet<string>): Row[] => {
  if (hash === undefined) return [];
  const hex = hash.toString("hex");
  return [[label, hashes.has(hex) ? `${hex} (found)` : hex]];
};

const headOf = ({ record, leaf }: ShownRecord): Row[] => [
  [record.kind, `${record.writerId}/${record.sequence}`],
  ["recorded", moment(record.createdAtUs)],
  ["leaf hash", leafHash(leaf).toString("hex")],
];

/** What is shown of a record. Receipts that are the hash of another shown record are marked. */
export const rowsOf = (
  item: ShownRecord,
  personal: readonly Row[],
  hashes: ReadonlySet<string>,
): Row[] => {
  const { record } = item;
  switch (record.kind) {
    case "intent":
    case "refusal":
      return [
        ["transaction id", record.exchange.transactionId ?? "none"],
        ...headOf(item),
        ...exchangeRows(record.exchange),
        ...personal,
        ...receipt("other side's intent", record.exchange.otherReceipt, hashes),
        ...(record.kind === "refusal"
          ? [["refused", `${record.status} ${record.code}`] as const]
          : []),
      ];
    case "outcome":
      return [
        ...headOf(item).map(([label, value]): Row => [
          label === "outcome" ? label : `outcome ${label}`,
          value,
        ]),
        ...outcomeRows(record.outcome),
        ...receipt("answer's intent", record.outcome.otherReceipt, hashes),
        ...receipt("answer's outcome", record.outcome.otherOutcome, hashes),
      ];
    case "unfinished":
      return [["unfinished", `${record.writerId}/${record.sequence}`]];
    case "refusal-sum":
    case "writer-start":
    case "writer-stop":
    case "epoch":
      return [...headOf(item), ["says", oneLine(record)]];
  }
};

/** The columns' rows under one list of labels, in the order in which they first come; a label that comes twice in one column gets a line each. */
export const align = (columns: readonly (readonly Row[])[]): string[][] => {
  const numbered = columns.map((rows) => {
    const seen = new Map<string, number>();
    return rows.map(([label, value]) => {
      const time = (seen.get(label) ?? 0) + 1;
      seen.set(label, time);
      return { key: `${label}\0${time}`, label, value };
    });
  });
  const keys: string[] = [];
  for (const rows of numbered) {
    let at = 0;
    for (const { key } of rows) {
      const known = keys.indexOf(key);
      if (known < 0) keys.splice(at, 0, key);
      at = (known < 0 ? at : known) + 1;
    }
  }
  return keys.map((key) => [
    key.slice(0, key.indexOf("\0")),
    ...numbered.map((rows) => rows.find((row) => row.key === key)?.value ?? "-"),
  ]);
};

/** The table as text, each line ended. */
export const columnTable = (cells: readonly (readonly string[])[]): string => {
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ");
  return cells.map((row) => `${line(row).trimEnd()}\n`).join("");
};
