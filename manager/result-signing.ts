// Signing the results of comparisons: ours, and those that other managers bring, once they are checked.
import type { X509Certificate } from "node:crypto";
import type { Bundle } from "../certs/bundle.js";
import type { Group } from "../certs/group.js";
import type { PeerIdentity } from "../certs/identity.js";
import type { Clock } from "../core/clock.js";
import { SchakelError } from "../core/errors.js";
import type { PeerId } from "../core/names.js";
import type { LogClient, SignedResult } from "../fsc/log-interface.js";
import type { ManagerEndpoint } from "../fsc/manager-interface.js";
import {
  statementOf,
  writeKept,
  type KeptResult,
  type ResultSignature,
} from "../txlog/reconcile/kept-result.js";
import {
  checkResult,
  parseResult,
  ResultError,
  resultJson,
  type Result,
} from "../txlog/reconcile/result.js";
import { epochOf } from "../txlog/reconcile/seen-log.js";
import { signResult, verifyResultSignature } from "../txlog/reconcile/sign-result.js";
import type { LogKeeper, LogReader } from "../txlog/store/read-side.js";
import { logOrigin, parseCheckpoint, type Checkpoint } from "../txlog/tree/checkpoint.js";
import { NoteError } from "../txlog/tree/note.js";
import { rootFromTiles } from "../txlog/tree/tiles.js";
import { comparisonProblem } from "./comparison-problem.js";
import { explained, sidesOf } from "./explained.js";
import type { OtherLogs } from "./other-logs.js";

/** What signing stands on. */
export interface ResultSigningParts {
  readonly own: PeerId;
  readonly groups: { readonly current: Group };
  readonly bundles: { readonly current: Bundle };
  readonly reader: LogReader;
  readonly keeper: Pick<LogKeeper, "putReconciliation">;
  readonly others: OtherLogs;
  readonly logs: Pick<LogClient, "coSign">;
  readonly clock: Clock;
}

/** Keeps a result. */
export const keepResult = (
  keeper: Pick<LogKeeper, "putReconciliation">,
  kept: KeptResult,
): Promise<void> => {
  const { peerId, fromMs, toMs, madeAtMs } = kept;
  return keeper.putReconciliation({ peerId, fromMs, toMs, madeAtMs, result: writeKept(kept) });
};

const invalid = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail });

/** Signs, and has the other side sign. */
export class ResultSigning {
  readonly #signing = new Set<PeerId>();

  constructor(private readonly parts: ResultSigningParts) {}

  /** Signs the result of a peer's comparison when it is right. @throws SchakelError ERROR_CODE_REQUEST_INVALID, ERROR_CODE_LIMIT_EXCEEDED */
  async coSign(signed: SignedResult, { peerId }: PeerIdentity): Promise<string> {
    if (this.#signing.has(peerId)) {
      const detail = "a peer may have 1 result signed at once";
      throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", { detail });
    }
    this.#signing.add(peerId);
    try {
      return await this.#coSign(signed, peerId);
    } catch (error) {
      if (error instanceof ResultError || error instanceof NoteError) throw invalid(error.message);
      throw error;
    } finally {
      this.#signing.delete(peerId);
    }
  }

  /** Our signature, and the other side's when it gives one. */
  async sign(
    to: ManagerEndpoint,
    result: Result,
  ): Promise<{ readonly signatures: readonly ResultSignature[]; readonly unsigned: string }> {
    const { logs, others, own } = this.parts;
    const ours = { peerId: own, ...(await this.#ownSignature(result)) };
    try {
      const jws = await logs.coSign(to, { result: resultJson(result), signature: ours.jws });
      const chain = await this.#verified(result, jws, {
        ...{ peerId: to.peerId, certificates: await others.certificatesOf(to) },
      });
      return { signatures: [ours, { peerId: to.peerId, jws, chain }], unsigned: "" };
    } catch (error) {
      const reason = comparisonProblem(error, to.peerId);
      if (!(reason instanceof SchakelError)) throw error;
      return { signatures: [ours], unsigned: reason.message };
    }
  }

  async #ownSignature(result: Result): Promise<Pick<ResultSignature, "jws" | "chain">> {
    const { key, chain } = this.parts.bundles.current;
    const [certificate] = chain;
    if (certificate === undefined) throw new TypeError("a bundle has a certificate");
    return { jws: await signResult(result, { key, certificate }), chain };
  }

  #verified(
    result: Result,
    jws: string,
    signer: { readonly peerId: string; readonly certificates: readonly X509Certificate[] },
  ): Promise<readonly X509Certificate[]> {
    const { groups, clock } = this.parts;
    return verifyResultSignature(result, jws, {
      ...{ ...signer, group: groups.current, now: clock.now() },
    });
  }

  async #coSign({ result: json, signature }: SignedResult, peer: PeerId): Promise<string> {
    const { own, groups, reader, keeper, others } = this.parts;
    const result = parseResult(json);
    const { mine, theirs } = sidesOf(result, own);
    if (mine?.peerId !== own || theirs.peerId !== peer || result.groupId !== groups.current.id) {
      throw new ResultError("the result is not one of the caller and us in this group");
    }
    await this.#checkOwnCheckpoint(mine.checkpoint);
    const certificates = await others.certificatesOf(await others.endpointOf(peer));
    const chain = await this.#verified(result, signature, { peerId: peer, certificates });
    await checkResult(result, own, reader.sharedWith(peer));
    const ours = { peerId: own, ...(await this.#ownSignature(result)) };
    const { fromMs, toMs, madeAtMs, truncated } = result;
    await keepResult(keeper, {
      ...{
        peerId: peer,
        isOurs: false,
        fromMs,
        toMs,
        madeAtMs,
        truncated,
        receiptsProven: 0,
        unsigned: "",
      },
      ...{ exchangesHere: mine.count, exchangesThere: theirs.count },
      differences: await explained(sidesOf(result, own).differences, { reader }),
      statement: statementOf(result, [{ peerId: peer, jws: signature, chain }, ours]),
    });
    return ours.jws;
  }

  async #checkOwnCheckpoint(text: string): Promise<void> {
    if (text === "") return;
    const { groups, own } = this.parts;
    const { origin, size, root }: Checkpoint = parseCheckpoint(text);
    const epoch = epochOf(origin, logOrigin(groups.current.id, own));
    if (await this.#isOurs(epoch, { origin, size, root })) return;
    throw new ResultError("the checkpoint that it names is none of our log");
  }

  /** By our tree itself: not every checkpoint is kept. */
  async #isOurs(epoch: number, { size, root }: Checkpoint): Promise<boolean> {
    const { reader } = this.parts;
    if (!(await reader.epochs()).includes(epoch)) return false;
    try {
      return (await rootFromTiles(reader.tiles(epoch), size)).equals(root);
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
  }
}
