// The work of `schakel log erase`, `retention`, `prune` and `begin-epoch`.
import { createInterface } from "node:readline/promises";
import { shown } from "../contracts/shown-text.js";
import type { Retention } from "../proto/gen/schakel/manager/v1/log.js";
import { CommandError, UsageError } from "./command.js";
import { dataSubject } from "./log-filter.js";
import { consult } from "./log-session.js";
import { note, print } from "./print.js";
import type { CliSettings } from "./settings.js";
import { table } from "./table.js";

/** What `log erase` is given. */
export interface EraseOptions {
  readonly subject?: string;
  readonly transaction?: string;
  readonly reason: string;
  readonly dryRun?: true;
  readonly yes?: true;
}

/** What `log retention` is given. */
export interface RetentionOptions {
  readonly service?: string;
  readonly days?: number;
  readonly remove?: true;
}

/** What `log prune` is given; the moment in seconds since 1970. */
export interface PruneOptions {
  readonly before: number;
  readonly dryRun?: true;
  readonly yes?: true;
}

const requireTerminal = ({ yes }: { readonly yes?: true }): void => {
  if (yes === true || process.stdin.isTTY) return;
  throw new UsageError(
    "nobody can be asked: standard input is no terminal",
    "give --yes to do it without being asked, or --dry-run to see what would be done",
  );
};

const confirm = async (question: string, { yes }: { readonly yes?: true }): Promise<void> => {
  if (yes === true) return;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(`${question} It cannot be undone. Type "yes": `);
    if (answer.trim() !== "yes") throw new CommandError("nothing was done");
  } finally {
    lines.close();
  }
};

const eraseRequest = ({ subject, transaction, reason }: EraseOptions) => {
  if ((subject === undefined) === (transaction === undefined)) {
    throw new UsageError("give --subject or --transaction, and not both");
  }
  return {
    dataSubject: subject === undefined ? "" : dataSubject(subject),
    transactionId: transaction ?? "",
    reason,
  };
};

/** Erases what is personal in records. */
export const erase = async (settings: CliSettings, options: EraseOptions): Promise<void> => {
  const request = eraseRequest(options);
  const isDry = options.dryRun === true;
  if (!isDry) requireTerminal(options);
  const done = await consult(settings, async (log) => {
    const first = isDry || options.yes !== true;
    const counted = first
      ? await log.ask("erasePersonalData", { ...request, dryRun: true })
      : undefined;
    if (counted !== undefined && isDry) return counted;
    const count = String(counted?.records ?? 0);
    await confirm(`The personal data of ${count} records is erased.`, options);
    return log.ask("erasePersonalData", { ...request, dryRun: false });
  });
  const document = { records: Number(done.records), dry_run: isDry, pending: done.pending };
  print(settings, document, () =>
    isDry
      ? `the personal data of ${String(done.records)} records would be erased\n`
      : `the personal data of ${String(done.records)} records is erased\n`,
  );
  if (settings.json || isDry || done.pending.length === 0) return;
  const names = done.pending.map((each) => shown(each)).join(", ");
  note(`schakel: keys of segments are still held by: ${names}; each begins a new segment now`);
};

const retentionRow = ({ serviceName, days }: Retention): string[] => [
  serviceName === "" ? "all others" : shown(serviceName),
  days === 0 ? "for ever" : String(days),
];

/** Sets for how long personal data is kept. */
export const retention = async (
  settings: CliSettings,
  options: RetentionOptions,
): Promise<void> => {
  if ((options.days === undefined) === (options.remove === undefined)) {
    throw new UsageError("give --days or --remove, and not both");
  }
  const { service: serviceName = "", days = 0, remove } = options;
  const request = { serviceName, days, remove: remove === true };
  const { retentions } = await consult(settings, (log) => log.ask("setRetention", request));
  const documents = retentions.map((each) => ({ service: each.serviceName, days: each.days }));
  print(settings, documents, () => table(["SERVICE", "DAYS"], retentions.map(retentionRow)));
};

/** Removes the bytes of old records. */
export const prune = async (settings: CliSettings, options: PruneOptions): Promise<void> => {
  const isDry = options.dryRun === true;
  if (!isDry) requireTerminal(options);
  const beforeUs = BigInt(options.before) * 1_000_000n;
  const done = await consult(settings, async (log) => {
    const counted = await log.ask("pruneLog", { beforeUs, dryRun: true });
    if (isDry) return counted;
    await confirm(`${String(counted.entries)} entries are removed from the log.`, options);
    return log.ask("pruneLog", { beforeUs, dryRun: false });
  });
  const document = {
    ...{ entries: Number(done.entries), first_kept: Number(done.firstKept), dry_run: isDry },
  };
  const what = isDry ? "would be removed" : "are removed";
  print(
    settings,
    document,
    () => `${String(done.entries)} entries ${what}; the first kept is ${String(done.firstKept)}\n`,
  );
};

/** Lets a log that was restored from a backup go on. */
export const beginEpoch = async (
  settings: CliSettings,
  { reason }: { readonly reason: string },
): Promise<void> => {
  const begun = await consult(settings, (log) => log.ask("beginEpoch", { reason }));
  const document = { epoch: begun.epoch, named_checkpoint: begun.namedCheckpoint };
  print(settings, document, () => {
    const [, size] = begun.namedCheckpoint.split("\n");
    const after =
      size === undefined ? "no witnessed checkpoint" : `a checkpoint of ${size} entries`;
    return `epoch ${String(begun.epoch)} has begun; its first record names ${after}\n`;
  });
};
