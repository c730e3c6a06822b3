// Reads the text files of certs/ with a limit on their size.
import { createReadStream } from "node:fs";
import { buffer } from "node:stream/consumers";
import { systemCode } from "../core/errors.js";

/** A file that could not be read, with its path and the reason. */
export class FileError extends Error {
  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`${path}: ${reason}`, options);
    this.name = "FileError";
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "this user may not read it",
  EISDIR: "it is a folder",
  ENOTDIR: "its folder is a file",
};

/**
 * Reads a file whole.
 *
 * @param bytesMax how large it may be
 * @throws FileError when it cannot be read or is larger
 */
export const readBytes = async (path: string, bytesMax: number): Promise<Buffer> => {
  let bytes: Buffer;
  try {
    // One byte more than allowed is enough to know that the file is too large, also when it has no end.
    bytes = await buffer(createReadStream(path, { end: bytesMax }));
  } catch (cause) {
    const code = systemCode(cause) ?? "unknown";
    throw new FileError(path, REASONS[code] ?? `it cannot be read (${code})`, { cause });
  }
  if (bytes.length > bytesMax) {
    throw new FileError(path, `it is larger than ${String(bytesMax)} bytes`);
  }
  return bytes;
};

/** Reads a UTF-8 text file whole, as `readBytes` does. */
export const readText = async (path: string, bytesMax: number): Promise<string> =>
  (await readBytes(path, bytesMax)).toString("utf8");
