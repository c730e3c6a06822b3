// Comparing our log with that of another organisation: proofs for its receipts, every difference named, and the result
// signed by both.
import type { Group } from "../certs/group.js";
import type { Clock } from "../core/clock.js";
import { SchakelError } from "../core/errors.js";
import type { Log } from "../core/log.js";
import type { PeerId } from "../core/names.js";
import type { LogClient } from "../fsc/log-interface.js";
import type { ManagerEndpoint } from "../fsc/manager-interface.js";
import { CompareError } from "../txlog/reconcile/compare-error.js";
import { compareLogs, type Comparison } from "../txlog/reconcile/compare.js";
import { statementOf, type KeptResult } from "../txlog/reconcile/kept-result.js";
import type { TimeRange } from "../txlog/reconcile/node.js";
import { RemoteSide } from "../txlog/reconcile/remote-side.js";
import { DIFFERENCES_MAX, resultOf } from "../txlog/reconcile/result.js";
import { LocalSide } from "../txlog/reconcile/side.js";
import type { LogKeeper, LogReader } from "../txlog/store/read-side.js";
import { formatCheckpoint, logOrigin } from "../txlog/tree/checkpoint.js";
import { LogFault } from "../txlog/tree/log-fault.js";
import { stepOf } from "./compared-parts.js";
import { comparisonProblem } from "./comparison-problem.js";
import { explained } from "./explained.js";
import type { OtherLogs } from "./other-logs.js";
import { proveReceipts } from "./receipts.js";
import { keepResult, type ResultSigning } from "./result-signing.js";

/** How often a comparison is begun again when the other log changes under it. */
const ATTEMPTS = 3;

/** What the comparisons stand on. */
export interface ReconciliationParts {
  readonly own: PeerId;
  readonly groups: { readonly current: Group };
  readonly reader: LogReader;
  readonly keeper: Pick<LogKeeper, "putReconciliation" | "putReceipts">;
  readonly others: OtherLogs;
  readonly logs: LogClient;
  readonly signing: ResultSigning;
  readonly clock: Clock;
  readonly log: Log;
}

/** How far a comparison is. */
export interface ReconciliationProgress {
  readonly exchangesHere: number;
  readonly exchangesThere: number;
  readonly bytesExchanged: number;
}

const invalid = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail });

const changedMeanwhile = (error: unknown): boolean =>
  error instanceof CompareError && (error.kind === "digest" || error.kind === "count");

/** Compares with others, on demand, and signs what others compared. */
export class Reconciliation {
  readonly #running = new Set<PeerId>();
  readonly #alarms = new Map<PeerId, string>();

  constructor(private readonly parts: ReconciliationParts) {}

  /** What is wrong with others' logs by what was seen last, a sentence each. */
  alarms(): readonly string[] {
    return [...this.#alarms.values()];
  }

  /**
   * Compares our log with a peer's in a time, and keeps the result.
   *
   * @throws SchakelError ERROR_CODE_PEER_NOT_FOUND, ERROR_CODE_REQUEST_INVALID for ourselves or no time,
   * ERROR_CODE_LIMIT_EXCEEDED while another comparison with this peer runs, ERROR_CODE_RECONCILIATION_FAILED
   */
  async run(
    peer: PeerId,
    range: TimeRange,
    progress: (now: ReconciliationProgress) => void = () => undefined,
  ): Promise<KeptResult> {
    if (peer === this.parts.own) throw invalid("our own log is compared with those of others");
    if (range.fromMs >= range.toMs) throw invalid("the time compared ends before it begins");
    if (this.#running.has(peer)) {
      const detail = "1 comparison with a peer runs at once";
      throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", { detail });
    }
    this.#running.add(peer);
    try {
      const kept = await this.#run(peer, range, progress);
      this.#alarms.delete(peer);
      return kept;
    } catch (error) {
      if (error instanceof LogFault) this.#alarm(peer, error);
      throw comparisonProblem(error, peer);
    } finally {
      this.#running.delete(peer);
    }
  }

  #alarm(peer: PeerId, fault: LogFault): void {
    this.parts.log.error({ peer, kind: fault.kind, err: fault }, "another log raises an alarm");
    this.#alarms.set(peer, `the log of peer ${peer}: ${fault.kind}: ${fault.message}`);
  }

  async #run(
    peer: PeerId,
    range: TimeRange,
    progress: (now: ReconciliationProgress) => void,
  ): Promise<KeptResult> {
    const { others, reader, keeper, logs, groups, own, clock } = this.parts;
    const to = await others.endpointOf(peer);
    await others.requireSchakel(to);
    const seen = await others.open(to);
    const { checkpoint } = await seen.look();
    const proving = { to, seen, range, reader, keeper, logs, clock };
    const receiptsProven = await proveReceipts(proving);
    const comparison = await this.#compare(to, range, progress);
    const result = resultOf(comparison, {
      ...{ ...range, groupId: groups.current.id, madeAtMs: clock.now() },
      here: { peerId: own, checkpoint: await this.#ownCheckpoint() },
      there: { peerId: peer, checkpoint: formatCheckpoint(checkpoint) },
    });
    const differences = await explained(comparison.differences, { to, reader, logs });
    const { signatures, unsigned } = await this.parts.signing.sign(to, result);
    const kept: KeptResult = {
      ...{
        peerId: peer,
        isOurs: true,
        ...range,
        madeAtMs: result.madeAtMs,
        truncated: result.truncated,
      },
      ...{ exchangesHere: comparison.here.count, exchangesThere: comparison.there.count },
      ...{ differences, receiptsProven, unsigned, statement: statementOf(result, signatures) },
    };
    await keepResult(keeper, kept);
    return kept;
  }

  async #compare(
    to: ManagerEndpoint,
    range: TimeRange,
    progress: (now: ReconciliationProgress) => void,
  ): Promise<Comparison> {
    const { reader, logs } = this.parts;
    const now = { exchangesHere: 0, exchangesThere: 0, bytesExchanged: 0 };
    for (let attempt = 1; ; attempt++) {
      const own = new LocalSide(range, reader.sharedWith(to.peerId));
      const other = new RemoteSide(range, async (request) => {
        const { answer, bytes } = await logs.compare(to, stepOf(request));
        now.bytesExchanged += bytes;
        progress({ ...now });
        return answer;
      });
      const counted = (here: number, there: number): void => {
        now.exchangesHere = here;
        now.exchangesThere = there;
        progress({ ...now });
      };
      try {
        return await compareLogs({ own, other, differencesMax: DIFFERENCES_MAX, counted });
      } catch (error) {
        if (attempt >= ATTEMPTS || !changedMeanwhile(error)) throw error;
      }
    }
  }

  async #ownCheckpoint(): Promise<string> {
    const found = await this.parts.reader.checkpointAt();
    if (found === undefined) return "";
    const { groups, own } = this.parts;
    const origin = logOrigin(groups.current.id, own, found.epoch);
    return formatCheckpoint({ origin, size: found.size, root: found.root });
  }
}
