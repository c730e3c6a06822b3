// Answers a step of another organisation's comparison from our own log.
import type { LocalSide } from "./side.js";
import {
  packItem,
  packSummary,
  STEP_BYTES_MAX,
  type StepAnswer,
  type StepRequest,
} from "./step.js";

const packedFor = async function* (
  side: LocalSide,
  request: StepRequest,
): AsyncGenerator<readonly Buffer[]> {
  if (request.what === "children") {
    for (const node of request.nodes) yield (await side.childrenOf(node)).map(packSummary);
  } else {
    for (const node of request.nodes) yield (await side.itemsOf(node)).map(packItem);
  }
};

/** Answers as much of a step as fits one answer, and at least one child or exchange if there is any. */
export const answerStep = async (side: LocalSide, request: StepRequest): Promise<StepAnswer> => {
  const parts: Buffer[] = [];
  let left = STEP_BYTES_MAX;
  let { skip } = request;
  for await (const whole of packedFor(side, request)) {
    const fitting: Buffer[] = [];
    for (const each of whole.slice(skip)) {
      left -= each.length;
      if (left < 0) break;
      fitting.push(each);
    }
    parts.push(Buffer.concat(fitting));
    if (left < 0) return { parts, more: true };
    skip = 0;
  }
  return { parts, more: false };
};
