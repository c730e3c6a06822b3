// Has an OpenAPI description read in a thread of its own, within a limit on time and memory.
import { Worker } from "node:worker_threads";
import { DescriptionUnusable } from "./openapi-paths.js";
import type { DescribedPaths } from "./path-matcher.js";

/** How long reading one may take, in milliseconds. */
export const READ_TIMEOUT_MS = 10_000;
/** YAML of 4 MiB takes some 400 MB. */
const HEAP_MB_MAX = 512;

/** What the thread is given. */
export interface ReaderTask {
  readonly bytes: Uint8Array;
  /** The path under which the source serves the description. */
  readonly location: string;
}

/** What it answers. */
export type ReaderAnswer = { readonly described: DescribedPaths } | { readonly problem: string };

/**
 * What a description says of its paths.
 *
 * @param timeoutMs how long it may take
 * @throws DescriptionUnusable when it is none, or takes too long or too much memory; also when the signal aborts
 */
export const readInThread = (
  task: ReaderTask,
  signal: AbortSignal,
  timeoutMs: number = READ_TIMEOUT_MS,
): Promise<DescribedPaths> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./openapi-reader.js", import.meta.url), {
      workerData: task,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    let ended = false;
    const end = (work: () => void): void => {
      if (ended) return;
      ended = true;
      deadline.removeEventListener("abort", late);
      // Only when the thread is gone: whoever is next may then have its memory.
      void worker.terminate().then(work, work);
    };
    const fail = (reason: string, cause?: unknown): void =>
      end(() => reject(new DescriptionUnusable(reason, { cause })));
    const late = (): void => fail("reading it takes too long");
    deadline.addEventListener("abort", late);
    worker.once("error", (error) => fail("it could not be read", error));
    worker.once("exit", () => fail("it could not be read"));
    worker.once("message", (answer: ReaderAnswer) => {
      if ("problem" in answer) fail(answer.problem);
      else end(() => resolve(answer.described));
    });
    if (deadline.aborted) late();
  });
