// `schakel log show --folder`: an exchange as one or more logs on disk hold it, side by side.
import { parseTransactionId } from "../core/names.js";
import { intentSequence, personalRows, type Row } from "../txlog/describe.js";
import { leafHash } from "../txlog/leaf.js";
import { readLog, type ReadRecord } from "../txlog/read.js";
import { readPersonal, type PersonalReading } from "../txlog/read-personal.js";
import type { LogRecord } from "../txlog/record.js";
import { CommandError, UsageError } from "./command.js";
import { align, columnTable, rowsOf } from "./log-columns.js";
import { jsonLine, reading, requireSegments, shippedNote, writeLine } from "./log-folder.js";

/** The command's options. */
export interface ShowOptions {
  readonly folder: readonly string[];
  readonly personal?: boolean;
  readonly json?: boolean;
}

type Wanted = (record: LogRecord) => boolean;

const transactionOf = (record: LogRecord): string | undefined => {
  if (record.kind === "intent" || record.kind === "refusal") return record.exchange.transactionId;
  return record.kind === "outcome" || record.kind === "unfinished"
    ? record.intent.transactionId
    : undefined;
};

const parseId = (id: string): Wanted => {
  const transactionId = parseTransactionId(id);
  if (transactionId !== undefined) return (record) => transactionOf(record) === transactionId;
  const match = /^([0-9a-fA-F-]{36})\/([1-9][0-9]{0,15})$/.exec(id);
  if (match === null) {
    throw new UsageError(
      `"${id}" is neither a transaction id nor WRITER/SEQUENCE`,
      "a transaction id is a UUID of version 7; 'schakel log tail' shows them",
    );
  }
  const writer = match[1]?.toLowerCase();
  const sequence = BigInt(match[2] ?? "0");
  return (record) => record.writerId === writer && record.sequence === sequence;
};

/** The records of one exchange, or one record that belongs to none. */
interface Found {
  readonly folder: string;
  readonly records: readonly ReadRecord[];
  readonly personal: PersonalReading;
}

const groupKey = ({ record }: ReadRecord): bigint => intentSequence(record) ?? record.sequence;

/** The wanted records, each with the end of its exchange: it stands after the intent, so one reading finds both. */
const findIn = async (folder: string, wanted: Wanted): Promise<Found[]> => {
  await requireSegments(folder);
  const exchanges = new Map<bigint, ReadRecord[]>();
  for await (const item of readLog(folder)) {
    if (item.status !== "record") continue;
    const known = exchanges.get(groupKey(item));
    if (known !== undefined) known.push(item);
    else if (wanted(item.record)) exchanges.set(groupKey(item), [item]);
  }
  return Promise.all(
    [...exchanges.values()].map(async (records) => {
      const [first] = records;
      const personal: PersonalReading =
        first === undefined ? { status: "none" } : await readPersonal(folder, first);
      return { folder, records, personal };
    }),
  );
};

const personalOf = ({ personal }: Found, shown: boolean): Row[] => {
  if (personal.status === "readable") {
    return shown ? personalRows(personal.personal) : [["personal data", "encrypted (--personal)"]];
  }
  if (personal.status === "shipped") {
    return [["personal data", "shipped to the manager; the key is here no longer"]];
  }
  return personal.status === "erased" ? [["personal data", "erased"]] : [];
};

const notFound = async (id: string, folders: readonly string[]): Promise<CommandError> => {
  const notes: string[] = [];
  for (const folder of folders) {
    const note = await shippedNote(folder);
    if (note !== undefined) notes.push(`${folder}: ${note}`);
  }
  const hint =
    "an outcome is written within a moment of its end; 'schakel log tail' shows the last records";
  return new CommandError(
    `no record of ${id} in ${folders.join(", ")}`,
    [...notes, hint].join("\n"),
  );
};

/** Runs the command. */
export const show = (id: string, options: ShowOptions): Promise<void> =>
  reading(async () => {
    const wanted = parseId(id);
    const found: Found[] = [];
    for (const folder of options.folder) found.push(...(await findIn(folder, wanted)));
    if (found.length === 0) throw await notFound(id, options.folder);
    if (options.json === true) {
      for (const { folder, records, personal } of found) {
        for (const [index, item] of records.entries()) {
          const opened = index === 0 && options.personal === true ? personal : undefined;
          writeLine(jsonLine(folder, item, opened));
        }
      }
      return;
    }
    const hashes = new Set(
      found.flatMap(({ records }) => records.map(({ leaf }) => leafHash(leaf).toString("hex"))),
    );
    const missing = options.folder
      .filter((folder) => !found.some((one) => one.folder === folder))
      .map((folder): Row[] => [
        ["log", folder],
        ["record", "none"],
      ]);
    const columns = found.map((one): Row[] => [
      ["log", one.folder],
      ...one.records.flatMap((item) =>
        rowsOf(item, personalOf(one, options.personal === true), hashes),
      ),
    ]);
    process.stdout.write(columnTable(align([...columns, ...missing])));
  });
