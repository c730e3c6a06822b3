// Exchanges of two organisations in memory, as their logs' indexes would give them.
import type { TransactionId } from "../../core/names.js";
import { answerStep } from "../../txlog/reconcile/answer-step.js";
import { transactionTimeMs } from "../../txlog/reconcile/item.js";
import { compareItems, type SharedItem, type TimeRange } from "../../txlog/reconcile/node.js";
import { RemoteSide, type AskStep, type CompareLimits } from "../../txlog/reconcile/remote-side.js";
import { LocalSide, type ReadShared } from "../../txlog/reconcile/side.js";

const PAGE = 1000;

/** A log in memory. */
export const readerOf = (items: readonly SharedItem[]): ReadShared => {
  const sorted = [...items].sort(compareItems);
  return async function* ({ fromMs, toMs }, service) {
    const found = sorted.filter((item) => {
      const ms = transactionTimeMs(item.transactionId);
      return ms >= fromMs && ms < toMs && (service === undefined || item.service === service);
    });
    for (let at = 0; at < found.length; at += PAGE) {
      yield await Promise.resolve(found.slice(at, at + PAGE));
    }
  };
};

/** A transaction id that was made at a moment. */
export const idAt = (ms: number, random: bigint): TransactionId => {
  const hex = ms.toString(16).padStart(12, "0");
  const tail = (random & 0xfff_ffff_ffff_ffff_ffffn).toString(16).padStart(19, "0");
  const text = `${hex}7${tail.slice(0, 3)}8${tail.slice(4)}`;
  return [8, 12, 16, 20].reduceRight(
    (id, at) => `${id.slice(0, at)}-${id.slice(at)}`,
    text,
  ) as TransactionId;
};

/** The other side of a comparison over messages as they are sent; what passes is counted. */
export interface Wire {
  readonly side: RemoteSide;
  readonly passed: { bytes: number; steps: number };
}

/** Makes the other side of a log in memory. */
export const wireTo = (
  read: ReadShared,
  range: TimeRange,
  {
    limits,
    ask,
  }: { readonly limits?: CompareLimits; readonly ask?: (honest: AskStep) => AskStep } = {},
): Wire => {
  const local = new LocalSide(range, read);
  const passed = { bytes: 0, steps: 0 };
  const honest: AskStep = async (request) => {
    const answer = await answerStep(local, request);
    passed.steps += 1;
    passed.bytes += JSON.stringify(request).length;
    for (const part of answer.parts) passed.bytes += Math.ceil(part.length / 3) * 4 + 3;
    return answer;
  };
  return { side: new RemoteSide(range, ask?.(honest) ?? honest, limits), passed };
};
