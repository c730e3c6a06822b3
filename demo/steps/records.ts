// Step 5: the two sides' records of the one exchange, side by side.
import type { TransactionId } from "../../core/names.js";
import { MUNICIPALITY, REGISTER } from "../organisations.js";
import { schakel } from "../schakel.js";
import { filesOf, type Network } from "../services.js";
import { check, type Scene, type Step } from "../step.js";
import { until } from "../until.js";

const OUTCOME_TIMEOUT_MS = 30_000;
const LABEL_COLUMNS = 15;
const SIDE_COLUMNS = 30;

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
interface Side {
  readonly intent: Shown | undefined;
  readonly outcome: Shown | undefined;
}

const readSides = async (scene: Scene, id: TransactionId): Promise<readonly [Side, Side]> => {
  const logs = [filesOf(scene, MUNICIPALITY).log("outway"), filesOf(scene, REGISTER).log("inway")];
  const flags = logs.flatMap((log) => ["--folder", log]);
  const seen = await schakel(scene.processes, scene.folder, [
    "log",
    "show",
    id,
    "--json",
    ...flags,
  ]);
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

const untilRecorded = async (
  scene: Scene,
  id: TransactionId,
  { outway }: Network,
): Promise<readonly [Side, Side]> => {
  let sides: readonly [Side, Side] = [
    { intent: undefined, outcome: undefined },
    { intent: undefined, outcome: undefined },
  ];
  // Nobody waits for an outcome: it follows with the next batch of the log.
  const what = { running: outway.running, state: "sure of both sides' outcomes" };
  await until(what, OUTCOME_TIMEOUT_MS, async () => {
    sides = await readSides(scene, id);
    return sides.every(({ intent, outcome }) => intent !== undefined && outcome !== undefined);
  });
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

const short = (hash = ""): string => `${hash.slice(0, 16)}…`;

const checkSides = (id: TransactionId, ours: Side, theirs: Side): void => {
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
};

/** Shows intent and outcome of both sides, under the same transaction id. */
export const records: Step<Network & { readonly transactionId: TransactionId }, undefined> = {
  name: "records",
  title: "The records on both sides",
  why:
    "Before a byte leaves, outway and inway each write down what is about to happen, and afterwards " +
    "how it ended. Each keeps the fingerprint of the other's record, so that an auditor can hold " +
    "the two against each other.",
  run: async (scene, { transactionId, ...network }) => {
    scene.waiting("the records");
    const [ours, theirs] = await untilRecorded(scene, transactionId, network);
    checkSides(transactionId, ours, theirs);
    return {
      told: {
        lines: [
          `$ schakel log show ${transactionId} …`,
          row("", MUNICIPALITY.name, REGISTER.name),
          row("intent", startOf(ours.intent), startOf(theirs.intent)),
          row("  fingerprint", short(ours.intent?.leaf_hash), short(theirs.intent?.leaf_hash)),
          row(
            "  the other's",
            short(ours.outcome?.record.outcome?.other_receipt),
            short(theirs.intent?.record.exchange?.other_receipt),
          ),
          row("outcome", endOf(ours.outcome), endOf(theirs.outcome)),
          row("  fingerprint", short(ours.outcome?.leaf_hash), short(theirs.outcome?.leaf_hash)),
        ],
        result: "both logs hold intent and outcome, under the same transaction id",
        detail: {
          transaction_id: transactionId,
          records: [ours, theirs].flatMap(({ intent, outcome }) => [intent, outcome]),
        },
      },
      made: undefined,
    };
  },
};
