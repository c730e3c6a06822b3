// Reads one OpenAPI description in a thread of its own: YAML of some MiB takes seconds, in which exchanges go on.
import { parentPort, workerData } from "node:worker_threads";
import { DescriptionUnusable, readDescription } from "./openapi-paths.js";
import type { ReaderAnswer, ReaderTask } from "./read-description.js";

const answer = ({ bytes, location }: ReaderTask): ReaderAnswer => {
  try {
    return { described: readDescription(bytes, location) };
  } catch (error) {
    if (error instanceof DescriptionUnusable) return { problem: error.message };
    throw error;
  }
};

parentPort?.postMessage(answer(workerData as ReaderTask));
