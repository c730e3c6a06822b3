// `schakel log verify` without a bundle: the log as our manager gives it now.
import { logOrigin } from "../txlog/tree/checkpoint.js";
import {
  verifyPieces,
  type BundleTrust,
  type ReadPiece,
  type VerifiedBundle,
} from "../txlog/tree/bundle.js";
import { LogFault } from "../txlog/tree/log-fault.js";
import { NoteError, parseVerifier, type Verifier } from "../txlog/tree/note.js";
import { CommandError, UsageError } from "./command.js";
import { keepKnown, knownOf, requireSameKeys, type KnownCheckpoint } from "./log-known.js";
import { checkpointIn, openLog, ownerOf, type LogPieces } from "./log-pieces.js";
import { consult, type LogSession } from "./log-session.js";
import { readTrust, remember, type TrustOptions } from "./log-trust.js";
import { tellFault, tellVerified } from "./log-verify.js";
import { progressBar } from "./progress-bar.js";
import type { CliSettings } from "./settings.js";

/** What the command line says. */
export interface LiveOptions extends TrustOptions {
  readonly from?: number;
  readonly to?: number;
  readonly epoch?: number;
}

/** The keys that the manager states, believed because it is our own. */
const statedKeys = (statements: readonly string[]): readonly Verifier[] =>
  statements.map((jws) => {
    const [, payload = ""] = jws.split(".");
    try {
      const stated = JSON.parse(Buffer.from(payload, "base64url").toString()) as {
        readonly vkey?: unknown;
      } | null;
      return parseVerifier(String(stated?.vkey));
    } catch (error) {
      if (!(error instanceof NoteError) && !(error instanceof SyntaxError)) throw error;
      throw new LogFault("key-statement-wrong", "the manager states a key that is none");
    }
  });

const trustOf = async (
  options: LiveOptions,
  statements: readonly string[],
  known: KnownCheckpoint | undefined,
): Promise<BundleTrust> => {
  const { key, group, witness, anyWitness, knownCheckpoint } = options;
  const seen = known === undefined ? {} : { seen: known.checkpoint };
  if (key !== undefined || group !== undefined) {
    const trust = await readTrust(options);
    // Statements of witnesses are not at hand here: those that are not named are passed over.
    const pass = anyWitness ?? witness === undefined;
    return { ...seen, ...trust, anyWitness: pass };
  }
  if (witness !== undefined || knownCheckpoint !== undefined) {
    throw new UsageError("--witness and --known-checkpoint go with --key or --group");
  }
  const keys = statedKeys(statements);
  if (known !== undefined) requireSameKeys(known, keys);
  return { ...seen, keys, witnesses: [], anyWitness: true };
};

async function* piecesOf({ header, batches }: LogPieces): AsyncGenerator<readonly ReadPiece[]> {
  yield [{ type: "header", header }];
  yield* batches;
}

const verifyNow = async (
  log: LogSession,
  settings: CliSettings,
  options: LiveOptions,
): Promise<VerifiedBundle> => {
  const { epoch = 0, from = 0, to } = options;
  const head = await log.ask("getLogHead", { epoch });
  if (head.checkpoint === "") {
    throw new CommandError("the log has no checkpoint yet", "'schakel log head' shows what waits");
  }
  const { origin } = checkpointIn(head.checkpoint);
  const { groupId, peerId } = ownerOf(origin, head.epoch);
  const name = logOrigin(groupId, peerId);
  // An older epoch is asked for by its number; what was seen last is of the newest.
  const known = epoch === 0 ? await knownOf(settings.identity, name) : undefined;
  const trust = await trustOf(options, head.keyStatements, known);
  const around = { statements: head.keyStatements, certificates: head.certificates };
  const seen = trust.seen;
  const pieces = await openLog(log, { epoch, from, to, seen, around });
  const bar = progressBar("verifying");
  try {
    return await verifyPieces(piecesOf(pieces), trust, (done, of) => bar.step(done, of));
  } finally {
    bar.end();
  }
};

/**
 * Verifies our log and keeps its checkpoint.
 *
 * @throws UsageError; CommandError for the first thing that is wrong
 */
export const verifyLive = async (settings: CliSettings, options: LiveOptions): Promise<void> => {
  const { epoch = 0, from = 0, to, knownCheckpoint } = options;
  if (to !== undefined && from >= to) throw new UsageError("--from is not before --to");
  try {
    const found = await consult(settings, (log) => verifyNow(log, settings, options));
    const { groupId, peerId } = found.header;
    if (knownCheckpoint !== undefined) await remember(knownCheckpoint, found.note);
    if (epoch === 0) await keepKnown(settings.identity, logOrigin(groupId, peerId), found.note);
    tellVerified(found, settings.json);
  } catch (error) {
    if (!(error instanceof LogFault)) throw error;
    tellFault(error, settings.json);
  }
};
