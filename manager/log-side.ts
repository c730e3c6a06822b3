// Our transaction log and those of others: the store, what peers are told of it, comparisons, witnesses.
import { randomUUID } from "node:crypto";
import type { Kysely } from "kysely";
import { quoted } from "../contracts/shown-text.js";
import type { PeerId, PeerIdRule } from "../core/names.js";
import { SettingsError } from "../core/settings.js";
import { openLogClient } from "../fsc/log-client.js";
import type { LogClient, LogHandlers, WitnessHandlers } from "../fsc/log-interface.js";
import { Lease } from "../core/lease.js";
import type { ManagerClient } from "../fsc/manager-interface.js";
import type { PeerBook } from "../fsc/peer-book.js";
import type { FscSchema } from "../fsc/schema.js";
import { WitnessDesk } from "../txlog/reconcile/witness-desk.js";
import type { LogStore } from "../txlog/store/log-store.js";
import { LogAnswers } from "./log-answers.js";
import { openLogStore } from "./log-state.js";
import { Nightly } from "./nightly.js";
import { OtherLogs } from "./other-logs.js";
import type { Peers } from "./peers.js";
import { Reconciliation } from "./reconciliation.js";
import { ResultSigning } from "./result-signing.js";
import type { ManagerSettings } from "./settings.js";
import { policyOf, type Sources, type Surroundings } from "./state.js";
import { Witnesses } from "./witnesses.js";

/** How long the nightly comparisons stay one process's when it says nothing. */
const LEASE_MS = 15 * 60_000;

/** The transaction log as the manager has it. */
export interface LogSide {
  readonly store: LogStore;
  readonly reconciliation: Reconciliation;
  readonly nightly: Nightly;
  readonly others: OtherLogs;
  /** Asks other managers about their logs. */
  readonly logs: LogClient;
  /** What other peers are answered. */
  readonly answers: LogHandlers & WitnessHandlers;
}

/** What it stands on beside the sources. */
export interface LogSideParts {
  readonly tables: Kysely<FscSchema>;
  readonly peers: Peers;
  readonly peerBook: PeerBook;
  readonly client: ManagerClient;
}

/**
 * The peers that a setting names, separated by commas; undefined when it is not set.
 *
 * @throws SettingsError naming those that are none by the group's rule
 */
export const witnessesNamed = (
  text: string | undefined,
  rule: PeerIdRule,
): readonly PeerId[] | undefined => {
  if (text === undefined) return undefined;
  const names = text.split(",").map((each) => each.trim());
  const wrong = names.filter((each) => rule(each) === undefined);
  if (wrong.length > 0) {
    throw new SettingsError(
      wrong.map((each) => `--witnesses: ${quoted(each)} is no peer id by the group's rule`),
    );
  }
  return names.flatMap((each) => rule(each) ?? []);
};

const answersOf = (
  store: LogStore,
  others: OtherLogs,
  signing: ResultSigning,
  { groups, clock }: Pick<Sources, "groups"> & Pick<Surroundings, "clock">,
): LogHandlers & WitnessHandlers => {
  const { reader, witnessed, keys } = store;
  const answers = new LogAnswers({
    ...{ reader, clock, records: (wanted) => reader.peerRecords(wanted) },
    coSign: (result, caller) => signing.coSign(result, caller),
  });
  const desk = new WitnessDesk({
    ...{ groups, clock, store: witnessed, keys: others.keys, key: () => keys.witness },
  });
  return Object.assign(answers, {
    addCheckpoint: (body: string, { peerId }: { readonly peerId: PeerId }) =>
      desk.answer(body, peerId),
  });
};

/** Opens the log's store and what stands on it. Nothing is sealed, asked or compared before `startLogSide`. */
export const openLogSide = async (
  settings: ManagerSettings,
  sources: Sources,
  surroundings: Surroundings,
  { tables: db, peers, peerBook: book, client }: LogSideParts,
): Promise<LogSide> => {
  const { groups, bundles, own } = sources;
  const { log, clock } = surroundings;
  const policy = () => policyOf(settings, sources);
  const logs = openLogClient({ groups, bundles, policy, ownAddress: settings.address, clock, log });
  const named = witnessesNamed(settings.witnesses, groups.current.peerIdRule);
  // Witnesses are found with what stands on the store.
  const late: { witnesses?: Witnesses } = {};
  const store = await openLogStore(
    settings,
    sources,
    surroundings,
    () => late.witnesses?.contacts() ?? Promise.resolve([]),
  );
  const { reader, keeper, witnessed: seen } = store;
  const others = new OtherLogs({ groups, peers, book, client, logs, seen, clock });
  late.witnesses = new Witnesses({
    ...{
      own,
      others,
      logs,
      log,
      peers: () => named ?? groups.current.directories.map(({ peerId }) => peerId),
    },
  });
  const shared = { own, groups, reader, keeper, others, logs, clock };
  const signing = new ResultSigning({ ...shared, bundles });
  const reconciliation = new Reconciliation({ ...shared, signing, log });
  const holder = randomUUID();
  const lease = new Lease({
    table: "fsc_lease",
    ...{ db, groupId: groups.current.id, name: "reconciliation", holder, clock },
    durationMs: LEASE_MS,
  });
  const peerIdRule = () => groups.current.peerIdRule;
  const nightly = new Nightly({ own, peerIdRule, reader, reconciliation, lease, clock, log });
  const answers = answersOf(store, others, signing, { groups, clock });
  return { store, reconciliation, nightly, others, logs, answers };
};
