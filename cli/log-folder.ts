// What the log commands share: finding a folder's segments, writing lines, and records as JSON.
import { FormatError } from "../txlog/bytes.js";
import { segmentPath } from "../txlog/folder.js";
import type { PersonalReading } from "../txlog/read-personal.js";
import { toJson } from "../txlog/json.js";
import { leafHash } from "../txlog/leaf.js";
import { readSegmentHeader, segmentNumbers, type LogItem } from "../txlog/read.js";
import { CommandError } from "./command.js";

/**
 * The numbers of a folder's segments, rising.
 *
 * @throws CommandError when there are none
 */
export const requireSegments = async (folder: string): Promise<number[]> => {
  const numbers = await segmentNumbers(folder);
  if (numbers.length > 0) return numbers;
  throw new CommandError(
    `${folder} holds no segments of a transaction log`,
    'give the folder "log" in the data folder of an inway or outway, one that has run',
  );
};

/**
 * What is to be said of records that are here no longer, in a sentence; undefined when the folder has its first record.
 */
export const shippedNote = async (folder: string): Promise<string | undefined> => {
  const [number] = await segmentNumbers(folder);
  if (number === undefined) return undefined;
  const { firstSequence } = await readSegmentHeader(segmentPath(folder, number));
  return firstSequence <= 1n
    ? undefined
    : `records before ${firstSequence} were shipped to the manager and are here no longer`;
};

/** Does the work; a segment that cannot be read at all is told as something the user can act on. */
export const reading = async (work: () => Promise<void>): Promise<void> => {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError(error.message, "keep the file as it is, for examination", {
      cause: error,
    });
  }
};

/** Writes a line of a result. When nobody reads on (`| head`), the command ends. */
export const writeLine = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

/** An item of a log as one line of JSON. */
export const jsonLine = (folder: string, item: LogItem, personal?: PersonalReading): string => {
  const { status, segment } = item;
  const rest =
    "record" in item
      ? { record: toJson(item.record), leaf_hash: leafHash(item.leaf).toString("hex") }
      : toJson(item);
  const opened =
    personal?.status === "readable"
      ? { personal: toJson(personal.personal) }
      : personal?.status === "erased"
        ? { personal_erased: true }
        : personal?.status === "shipped"
          ? { personal_shipped: true }
          : {};
  return JSON.stringify({ folder, status, segment, ...rest, ...opened });
};
