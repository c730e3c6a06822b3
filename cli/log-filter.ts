// The options by which commands choose exchanges.
import { InvalidArgumentError, Option, type Command } from "commander";
import { parseTransactionId } from "../core/names.js";
import type { ExchangeFilter } from "../proto/gen/schakel/manager/v1/log.js";
import { parseDataSubjects } from "../txlog/data-subjects.js";
import { SchakelError } from "../core/errors.js";
import { UsageError } from "./command.js";
import { momentInTime } from "./times.js";

const US_PER_SECOND = 1_000_000n;

/** Which exchanges, as a command reads them; moments in seconds since 1970. */
export interface FilterOptions {
  readonly from?: number;
  readonly to?: number;
  readonly peer?: string;
  readonly service?: string;
  readonly direction?: string;
  readonly status?: number;
  readonly transaction?: string;
  readonly subject?: string;
  readonly grant?: string;
}

/** A status of HTTP, or 4 or 4xx for all of that hundred; another text is a wrong use. */
export const statusFilter = (text: string): number => {
  const [, hundred] = /^([1-5])(?:xx)?$/.exec(text) ?? [];
  if (hundred !== undefined) return Number(hundred);
  if (/^[1-9][0-9]{2}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(
    "Allowed is a status such as 404, or 4xx for all of that hundred.",
  );
};

/** A transaction id; another text is a wrong use. */
export const transactionId = (text: string): string => {
  const id = parseTransactionId(text);
  if (id !== undefined) return id;
  throw new InvalidArgumentError("Allowed is a transaction id: a UUID of version 7.");
};

/** One data subject, key=value; another text is a wrong use, and is not shown. */
export const dataSubject = (text: string): string => {
  try {
    if (parseDataSubjects(text).length === 1) return text.trim();
  } catch (error) {
    if (!(error instanceof SchakelError)) throw error;
  }
  throw new UsageError(
    "--subject takes one key=value",
    "such as bsn=123456782: the key of a-z 0-9 _ -, the value of a-z A-Z 0-9 . _ -, 1 to 100 of each",
  );
};

/** Adds the options. */
export const addFilters = (command: Command): Command =>
  command
    .option("--from <MOMENT>", "recorded at or after this moment (RFC 3339)", momentInTime)
    .option("--to <MOMENT>", "recorded before this moment", momentInTime)
    .option("--peer <ID>", "with this organisation, or in its name")
    .option("--service <NAME>", "of this service")
    .addOption(
      new Option("--direction <DIRECTION>", "from us (outgoing) or to us (incoming)").choices([
        "incoming",
        "outgoing",
      ]),
    )
    .option("--status <STATUS>", "answered with this status, or 4xx for a hundred", statusFilter)
    .option("--transaction <ID>", "with this transaction id", transactionId)
    .option("--subject <KEY=VALUE>", "about this data subject, such as bsn=123456782")
    .option("--grant <HASH>", "under this grant");

/** The filter of the options. Throws UsageError. */
export const filterOf = (options: FilterOptions): ExchangeFilter => {
  const { from = 0, to = 0, subject } = options;
  if (to > 0 && from >= to) throw new UsageError("--from is not before --to");
  return {
    fromUs: BigInt(from) * US_PER_SECOND,
    toUs: BigInt(to) * US_PER_SECOND,
    peerId: options.peer ?? "",
    serviceName: options.service ?? "",
    direction: options.direction ?? "",
    status: options.status ?? 0,
    transactionId: options.transaction ?? "",
    dataSubject: subject === undefined ? "" : dataSubject(subject),
    grantHash: options.grant ?? "",
  };
};

/** Whether any of the options is given. */
export const isFiltered = (options: FilterOptions): boolean => {
  const { from, to, peer, service, direction, status, transaction, subject, grant } = options;
  const all = [from, to, peer, service, direction, status, transaction, subject, grant];
  return all.some((each) => each !== undefined);
};
