// The records of one exchange in the logs of its two sides: read, held against each other, and shown side by side.
import type { TransactionId } from "../core/names.js";
import { filesOf } from "./files.js";
import { REGISTER, type Organisation } from "./organisations.js";
import { schakel, type Service } from "./schakel.js";
import { check, type Scene } from "./step.js";
import { until } from "./until.js";

const OUTCOME_TIMEOUT_MS = 30_000;
const LABEL_COLUMNS = 15;
const SIDE_COLUMNS = 30;
const SHORT_HASH = 16;

/** What `schakel log show --json` prints of an intent or an outcome. */
interface Shown {
  readonly folder: string;
  readonly leaf_hash: string;
  readonly record: {
    readonly kind: string;
    readonly created_at_us: number;
    readonly exchange?: {
      readonly transaction_id: string;
      readonly direction: string;
      readonly grant_hash?: string;
      readonly source: { readonly peer_id: string; readonly delegator_id?: string };
      readonly other_receipt?: string;
    };
    readonly intent?: { readonly leaf_hash: string; readonly transaction_id: string };
    readonly outcome?: {
      readonly result: string;
      readonly status: number;
      readonly response_bytes: number;
      readonly other_receipt?: string;
    };
  };
}

/** One side's records of the exchange. */
export interface Side {
  readonly intent: Shown | undefined;
  readonly outcome: Shown | undefined;
}

/** The consumer's and the register's records. */
export type Sides = readonly [ours: Side, theirs: Side];

/** Which exchange it is, and what the records of it must say. */
export interface Expected {
  readonly transactionId: TransactionId;
  readonly consumer: Organisation;
  readonly grantHash: string;
  /** For whom the consumer acts. */
  readonly delegator?: Organisation;
}

const NONE: Side = { intent: undefined, outcome: undefined };

const read = async (scene: Scene, { transactionId, consumer }: Expected): Promise<Sides> => {
  const logs = [filesOf(scene, consumer).log("outway"), filesOf(scene, REGISTER).log("inway")];
  const flags = logs.flatMap((log) => ["--folder", log]);
  const args = ["log", "show", transactionId, "--json", ...flags];
  const seen = await schakel(scene.processes, scene.folder, args);
  const all = seen
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Shown);
  const side = (log: string | undefined): Side => ({
    intent: all.find(({ folder, record }) => folder === log && record.kind === "intent"),
    outcome: all.find(({ folder, record }) => folder === log && record.kind === "outcome"),
  });
  return [side(logs[0]), side(logs[1])];
};

const checkSides = ([ours, theirs]: Sides, expected: Expected): void => {
  const { transactionId: id, grantHash, consumer, delegator } = expected;
  const ids = [ours, theirs].flatMap(({ intent, outcome }) => [
    intent?.record.exchange?.transaction_id,
    outcome?.record.intent?.transaction_id,
  ]);
  check(
    ids.every((found) => found === id),
    `the records name ${ids.join(", ")} instead of ${id}`,
  );
  check(
    [ours, theirs].every(({ outcome }) => outcome?.record.outcome?.status === 200),
    "the outcomes do not both say 200",
  );
  check(
    theirs.intent?.record.exchange?.other_receipt === ours.intent?.leaf_hash &&
      ours.outcome?.record.outcome?.other_receipt === theirs.intent?.leaf_hash,
    "the two sides do not hold the fingerprints of each other's records",
  );
  for (const { intent } of [ours, theirs]) {
    const { grant_hash, source } = intent?.record.exchange ?? {};
    check(grant_hash === grantHash, `a record names the grant ${String(grant_hash)}`);
    check(
      source?.peer_id === consumer.id && source.delegator_id === delegator?.id,
      `a record names ${JSON.stringify(source)} as its source`,
    );
  }
};

/**
 * Reads the records of an exchange as soon as both sides have written its outcome, and checks them.
 *
 * @param running the consumer's outway
 * @throws StepError when they do not say what they should
 */
export const readSides = async (
  scene: Scene,
  expected: Expected,
  { running }: Pick<Service, "running">,
): Promise<Sides> => {
  let sides: Sides = [NONE, NONE];
  // Nobody waits for an outcome: it follows with the next batch of the log.
  await until({ running, state: "sure of both outcomes" }, OUTCOME_TIMEOUT_MS, async () => {
    sides = await read(scene, expected);
    return sides.every(({ intent, outcome }) => intent !== undefined && outcome !== undefined);
  });
  checkSides(sides, expected);
  return sides;
};

const row = (label: string, ours = "", theirs = ""): string =>
  `${label.padEnd(LABEL_COLUMNS)}${ours.padEnd(SIDE_COLUMNS)}${theirs}`.trimEnd();

const timeOf = (shown: Shown | undefined): string =>
  new Date((shown?.record.created_at_us ?? 0) / 1000).toISOString().slice(11, 23);

const endOf = (shown: Shown | undefined): string => {
  const { result = "", status = 0 } = shown?.record.outcome ?? {};
  return `${timeOf(shown)} ${result} ${String(status)}`;
};

const startOf = (shown: Shown | undefined): string =>
  `${timeOf(shown)} ${shown?.record.exchange?.direction ?? ""}`;

const short = (hash = ""): string => `${hash.slice(0, SHORT_HASH)}…`;

const grantOf = ({ intent }: Side): string => short(intent?.record.exchange?.grant_hash);

const delegatorOf = ({ intent }: Side): string =>
  intent?.record.exchange?.source.delegator_id ?? "";

/** The records as a table, the consumer's on the left. */
export const sidesTable = ([ours, theirs]: Sides, consumer: Organisation): string[] => [
  row("", consumer.name, REGISTER.name),
  row("intent", startOf(ours.intent), startOf(theirs.intent)),
  row("  grant", grantOf(ours), grantOf(theirs)),
  ...(delegatorOf(ours) === ""
    ? []
    : [row("  acting for", delegatorOf(ours), delegatorOf(theirs))]),
  row("  fingerprint", short(ours.intent?.leaf_hash), short(theirs.intent?.leaf_hash)),
  row(
    "  the other's",
    short(ours.outcome?.record.outcome?.other_receipt),
    short(theirs.intent?.record.exchange?.other_receipt),
  ),
  row("outcome", endOf(ours.outcome), endOf(theirs.outcome)),
  row("  fingerprint", short(ours.outcome?.leaf_hash), short(theirs.outcome?.leaf_hash)),
];

/** The records for programs. */
export const sidesDetail = (sides: Sides): readonly unknown[] =>
  sides.flatMap(({ intent, outcome }) => [intent, outcome]);
