// `schakel log show` without folders: an exchange as our manager's store has it, and the other side's records beside it.
import { parseTransactionId } from "../core/names.js";
import { shown } from "../contracts/shown-text.js";
import type { GetExchangeResponse, LogEntry } from "../proto/gen/schakel/manager/v1/log.js";
import { decodeLeaf } from "../txlog/decode-leaf.js";
import { intentSequence, personalRows, type Row } from "../txlog/describe.js";
import { toJson } from "../txlog/json.js";
import { UsageError } from "./command.js";
import { align, columnTable, rowsOf, type ShownRecord } from "./log-columns.js";
import { reading } from "./log-folder.js";
import { consult } from "./log-session.js";
import { print } from "./print.js";
import type { CliSettings } from "./settings.js";

const UNSEALED = 2n ** 64n - 1n;
const PROBLEM_MAX = 500;

/** What `log show` is given beside folders. */
export interface ExchangeOptions {
  readonly personal?: boolean;
  readonly here?: boolean;
}

type Shown = ShownRecord & { readonly entry: LogEntry };

const requestOf = (id: string, { personal = false, here = false }: ExchangeOptions) => {
  const transactionId = parseTransactionId(id);
  const [, writer = "", sequence = "0"] = /^([0-9a-fA-F-]{36})\/([1-9][0-9]{0,15})$/.exec(id) ?? [];
  if (transactionId === undefined && writer === "") {
    throw new UsageError(
      `"${id}" is neither a transaction id nor WRITER/SEQUENCE`,
      "a transaction id is a UUID of version 7; 'schakel log search' shows them",
    );
  }
  return {
    ...{ transactionId: transactionId ?? "", writerId: writer.toLowerCase() },
    ...{ sequence: BigInt(sequence), personal, otherSide: !here },
  };
};

const camel = (name: string): string =>
  name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

const personalOf = ({ personalState, personalJson }: LogEntry): Row[] => {
  if (personalState === "none") return [];
  if (personalJson === "") {
    const hint = personalState === "readable" ? "encrypted (--personal)" : personalState;
    return [["personal data", hint]];
  }
  const fields = Object.entries(JSON.parse(personalJson) as object);
  const personal = Object.fromEntries(
    fields.map(([name, value]) => [camel(name), value as unknown]),
  );
  return personalRows(personal);
};

/** The records of each exchange: more than one has an id that came twice. */
const exchangesOf = (entries: readonly LogEntry[]): readonly (readonly Shown[])[] => {
  const found = new Map<string, Shown[]>();
  for (const entry of entries) {
    if (entry.leaf.length === 0) continue;
    const record = decodeLeaf(entry.leaf);
    const key = `${record.writerId} ${String(intentSequence(record) ?? record.sequence)}`;
    found.set(key, [...(found.get(key) ?? []), { record, leaf: entry.leaf, entry }]);
  }
  return [...found.values()];
};

const placeOf = ({ record, entry }: Shown): Row => [
  record.kind === "outcome" ? "outcome in the tree" : "in the tree",
  entry.index === UNSEALED ? "not sealed yet" : `entry ${String(entry.index)}`,
];

const prunedOf = (entries: readonly LogEntry[], name: string): Row[][] => {
  const pruned = entries.filter(({ leaf }) => leaf.length === 0);
  if (pruned.length === 0) return [];
  const hashes = pruned.map(({ leafHash }): Row => ["leaf hash", leafHash.toString("hex")]);
  return [[["log", name], ["record", "pruned"], ...hashes]];
};

const textOf = ({ entries, otherEntries, otherProblem, receipts }: GetExchangeResponse): string => {
  const hashes = new Set(
    [...entries, ...otherEntries].map((each) => each.leafHash.toString("hex")),
  );
  const columnsOf = (of: readonly LogEntry[], name: string): Row[][] => [
    ...exchangesOf(of).map((records): Row[] => [
      ["log", name],
      ...records.flatMap((each): Row[] => [
        ...rowsOf(each, personalOf(each.entry), hashes),
        placeOf(each),
      ]),
    ]),
    ...prunedOf(of, name),
  ];
  const columns = [...columnsOf(entries, "ours"), ...columnsOf(otherEntries, "the other side's")];
  const told =
    otherProblem === ""
      ? otherEntries.length === 0
        ? ""
        : `\nreceipts of both sides: ${receipts}\n`
      : `\nnothing of the other side: ${shown(otherProblem, PROBLEM_MAX)}\n`;
  return columnTable(align(columns)) + told;
};

const entryDocument = (entry: LogEntry): object => ({
  index: entry.index === UNSEALED ? null : Number(entry.index),
  record: entry.leaf.length === 0 ? null : toJson(decodeLeaf(entry.leaf)),
  leaf_hash: entry.leafHash.toString("hex"),
  personal_state: entry.personalState,
  ...(entry.personalJson === "" ? {} : { personal: JSON.parse(entry.personalJson) as object }),
  proof: entry.proof,
});

/** Shows an exchange. */
export const showExchange = (
  settings: CliSettings,
  id: string,
  options: ExchangeOptions,
): Promise<void> =>
  reading(async () => {
    const request = requestOf(id, options);
    const found = await consult(settings, (log) => log.ask("getExchange", request));
    const document = {
      entries: found.entries.map(entryDocument),
      other_entries: found.otherEntries.map(entryDocument),
      other_problem: found.otherProblem,
      receipts: found.receipts,
    };
    print(settings, document, () => textOf(found));
  });
