// The other side of an exchange: its records, fetched from its manager and checked, beside ours.
import { SchakelError } from "../core/errors.js";
import type { PeerId, PeerIdRule, TransactionId } from "../core/names.js";
import type { LogClient, ProvenRecord } from "../fsc/log-interface.js";
import type * as wire from "../proto/gen/schakel/manager/v1/log.js";
import { FormatError } from "../txlog/bytes.js";
import { decodeLeaf } from "../txlog/decode-leaf.js";
import { leafHash } from "../txlog/leaf.js";
import type { IntentRecord, LogRecord } from "../txlog/record.js";
import type { SeenLog } from "../txlog/reconcile/seen-log.js";
import { LogFault } from "../txlog/tree/log-fault.js";
import { parseProof } from "../txlog/tree/tlog-proof.js";
import { comparisonProblem } from "./comparison-problem.js";
import { UNSEALED } from "./log-wire.js";
import type { OtherLogs } from "./other-logs.js";

/** What asking the other side stands on. */
export interface OtherSideParts {
  readonly own: PeerId;
  readonly peerIdRule: () => PeerIdRule;
  readonly others: Pick<OtherLogs, "endpointOf" | "requireSchakel" | "open">;
  readonly logs: Pick<LogClient, "records">;
}

/** What the other side gave, or in a sentence why there is nothing of it. */
export interface OtherSide {
  readonly entries: readonly wire.LogEntry[];
  readonly problem: string;
}

/** The record of a leaf; undefined when it is none. */
export const recordOf = (leaf: Buffer): LogRecord | undefined => {
  try {
    return decodeLeaf(leaf);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
};

const isOf = (leaf: Buffer, id: TransactionId): boolean => {
  const record = recordOf(leaf);
  if (record?.kind === "intent" || record?.kind === "refusal") {
    return record.exchange.transactionId === id;
  }
  return (
    (record?.kind === "outcome" || record?.kind === "unfinished") &&
    record.intent.transactionId === id
  );
};

const nothing = (problem: string): OtherSide => ({ entries: [], problem });

/** A record of theirs, once its place in their tree is verified. */
const checked = async (
  { leaf, proof }: ProvenRecord,
  seen: SeenLog,
  id: TransactionId,
): Promise<wire.LogEntry> => {
  if (!isOf(leaf, id)) {
    throw new LogFault("malformed", "the other side gave a record that is not of this exchange");
  }
  const hash = leafHash(leaf);
  if (proof !== "") await seen.verify(proof, hash);
  const index = proof === "" ? UNSEALED : BigInt(parseProof(proof).index);
  return { index, leaf, leafHash: hash, personalJson: "", personalState: "none", proof };
};

/** The other side of an exchange that we recorded. */
export const otherPeer = ({ exchange }: IntentRecord): string =>
  exchange.direction === "outgoing" ? exchange.destination.peerId : exchange.source.peerId;

/** Fetches and checks what the other side of an exchange recorded. What is wrong with it is told, never thrown. */
export const otherSide = async (
  intent: IntentRecord | undefined,
  { own, peerIdRule, others, logs }: OtherSideParts,
): Promise<OtherSide> => {
  if (intent === undefined)
    return nothing("it was refused here: nothing of it reached another side");
  const peer = peerIdRule()(otherPeer(intent));
  if (peer === undefined) return nothing("the record names no peer of the group as the other side");
  if (peer === own) return nothing("both sides are our own: all records are here");
  const { transactionId } = intent.exchange;
  try {
    const to = await others.endpointOf(peer);
    await others.requireSchakel(to);
    const seen = await others.open(to);
    const records = await logs.records(to, [transactionId]);
    const entries: wire.LogEntry[] = [];
    for (const record of records) entries.push(await checked(record, seen, transactionId));
    const missing = `peer ${peer} has no record of it`;
    return { entries, problem: entries.length === 0 ? missing : "" };
  } catch (error) {
    const problem = comparisonProblem(error, peer);
    if (problem instanceof SchakelError) return nothing(problem.message);
    throw error;
  }
};

interface Hashed {
  readonly leaf: Buffer;
  readonly leafHash: Buffer;
}

const receiptsIn = (entries: readonly Hashed[]): readonly Buffer[] =>
  entries.flatMap(({ leaf }) => {
    const record = recordOf(leaf);
    const receipt =
      record?.kind === "intent"
        ? record.exchange.otherReceipt
        : record?.kind === "outcome"
          ? record.outcome.otherReceipt
          : undefined;
    return receipt === undefined ? [] : [receipt];
  });

/** Whether the receipts that each side has are the hashes of the other's intents. */
export const receiptsOf = (
  ours: readonly Hashed[],
  theirs: readonly Hashed[],
): "match" | "differ" | "unknown" => {
  const hashes = (entries: readonly Hashed[]): ReadonlySet<string> =>
    new Set(
      entries
        .filter(({ leaf }) => recordOf(leaf)?.kind === "intent")
        .map((each) => each.leafHash.toString("hex")),
    );
  const [own, other] = [hashes(ours), hashes(theirs)];
  if (own.size === 0 || other.size === 0) return "unknown";
  const pairs = [
    ...receiptsIn(ours).map((receipt) => other.has(receipt.toString("hex"))),
    ...receiptsIn(theirs).map((receipt) => own.has(receipt.toString("hex"))),
  ];
  if (pairs.length === 0) return "unknown";
  return pairs.every(Boolean) ? "match" : "differ";
};
