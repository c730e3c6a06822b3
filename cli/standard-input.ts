// Standard input as text, with a limit.
import { UsageError } from "./command.js";

/**
 * Reads standard input to its end.
 *
 * @param bytesMax how much there may be
 * @throws UsageError when there is more, or it is not UTF-8
 */
export const readInput = async (bytesMax: number): Promise<string> => {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin) {
    const bytes = chunk as Buffer;
    length += bytes.length;
    if (length > bytesMax) {
      throw new UsageError(`standard input has more than ${String(bytesMax)} bytes`);
    }
    chunks.push(bytes);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new UsageError("standard input is not UTF-8");
  }
};
