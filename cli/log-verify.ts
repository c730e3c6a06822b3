// `schakel log verify`: whether an export bundle is what the log signed, offline.
import { createReadStream } from "node:fs";
import { shown } from "../contracts/shown-text.js";
import { systemCode } from "../core/errors.js";
import { verifyBundle, type VerifiedBundle } from "../txlog/tree/bundle.js";
import { LogFault } from "../txlog/tree/log-fault.js";
import { CommandError } from "./command.js";
import { readTrust, remember, type TrustOptions } from "./log-trust.js";
import { print } from "./print.js";
import { progressBar } from "./progress-bar.js";
import { table } from "./table.js";
import { shownMoment } from "./times.js";

const CHUNK_BYTES = 1024 ** 2;
const MESSAGE_MAX = 500;

/** What the command line says. */
export interface VerifyOptions extends TrustOptions {
  readonly bundle: string;
  readonly json?: boolean;
}

/** What was verified, in the names that `--json` prints. */
export interface Verified {
  readonly valid: true;
  readonly origin: string;
  readonly epoch: number;
  readonly size: number;
  readonly root: string;
  readonly entries: number;
  /** The first entry, and whether some were left out. */
  readonly from: number;
  readonly selected: boolean;
  readonly writers: number;
  readonly open: number;
  readonly witnesses: readonly { readonly name: string; readonly time: string }[];
  /** Names of keys whose co-signatures were passed over. */
  readonly unknown: readonly string[];
  readonly keys: readonly string[];
  readonly signed: boolean;
  readonly contracts: number;
  readonly reconciliations: number;
}

const resultOf = (found: VerifiedBundle): Verified => ({
  valid: true,
  origin: found.origin,
  epoch: found.header.epoch,
  size: found.checkpoint.size,
  root: found.checkpoint.root.toString("base64"),
  entries: found.entries,
  from: found.header.from,
  selected: found.header.selected,
  writers: found.writers,
  open: found.open,
  witnesses: found.cosignatures.map(({ name, time }) => ({ name, time: shownMoment(time * 1000) })),
  unknown: found.unknown.map(({ name }) => name),
  keys: found.keys.map(({ vkey }) => vkey),
  signed: found.signed,
  contracts: found.contracts,
  reconciliations: found.reconciliations,
});

const whatEntries = ({ entries, from, selected, size }: Verified): string => {
  if (selected) return `${entries} of ${size}, each with its proof`;
  return from === 0 ? `all ${entries}` : `${entries}, from ${from} to the end`;
};

const textOf = (result: Verified): string => {
  const rows = [
    ["entries", whatEntries(result)],
    ["checkpoint", `${result.size} entries, root ${result.root}`],
    ...result.witnesses.map(({ name, time }) => ["witnessed", `${time} by ${shown(name)}`]),
    ...result.unknown.map((name) => ["not judged", `a co-signature by ${shown(name)}`]),
    ...(result.selected ? [] : [["writers", `${result.writers}, without a gap`]]),
    ...(result.open > 0 ? [["open", `${result.open} intents whose end is not in it yet`]] : []),
    ["contracts", String(result.contracts)],
    ["reconciliations", String(result.reconciliations)],
    ["bundle", result.signed ? "signed by the log as a whole" : "not signed as a whole"],
  ];
  return table(["valid", shown(result.origin)], rows);
};

/** Tells what was verified, from a file or from a manager. */
export const tellVerified = (found: VerifiedBundle, json: boolean): void => {
  const result = resultOf(found);
  print({ json }, result, () => textOf(result));
};

const HINTS: Partial<Record<LogFault["kind"], string>> = {
  unsigned: "--key and --group say which keys of the log are trusted",
  "unknown-key":
    "trust the key with --key, --witness or --group, or pass over it with --any-witness",
  "consistency-missing": "ask for an export that begins before the checkpoint that was seen",
};

/** Tells of a fault and sets the exit code 1: with --json on standard output, as its one document. */
export const tellFault = (fault: LogFault, json: boolean): void => {
  if (!json) {
    const hint =
      HINTS[fault.kind] ?? "keep the bundle and the checkpoint as they are, for examination";
    throw new CommandError(`${fault.kind}: ${shown(fault.message, MESSAGE_MAX)}`, hint, {
      cause: fault,
    });
  }
  const { kind, index, detail } = fault;
  print({ json }, { valid: false, kind, index: index ?? null, detail }, () => "");
  process.exitCode = 1;
};

const readable = (path: string, error: unknown): unknown =>
  systemCode(error) === undefined
    ? error
    : new CommandError(`${path} cannot be read (${systemCode(error) ?? ""})`, undefined, {
        cause: error,
      });

const verifyFile = async (path: string, options: VerifyOptions): Promise<VerifiedBundle> => {
  const trust = await readTrust(options);
  const bar = progressBar("verifying");
  try {
    const chunks = createReadStream(path, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>;
    return await verifyBundle(chunks, trust, (done, of) => bar.step(done, of));
  } catch (error) {
    throw readable(path, error);
  } finally {
    bar.end();
  }
};

/**
 * Verifies a bundle and prints what it was found to be; writes its checkpoint to `--known-checkpoint` when all is right.
 *
 * @throws UsageError without anything that is trusted; CommandError for the first thing that is wrong
 */
export const verify = async (options: VerifyOptions): Promise<void> => {
  const { bundle, knownCheckpoint, json = false } = options;
  try {
    const found = await verifyFile(bundle, options);
    if (knownCheckpoint !== undefined) await remember(knownCheckpoint, found.note);
    tellVerified(found, json);
  } catch (error) {
    if (!(error instanceof LogFault)) throw error;
    tellFault(error, json);
  }
};
