// Standard input, with a limit.
import { UsageError } from "./command.js";

/**
 * Reads standard input to its end.
 *
 * @param bytesMax how much there may be
 * @throws UsageError when there is more
 */
export const readInput = async (bytesMax: number): Promise<Buffer> => {
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
  return Buffer.concat(chunks);
};
