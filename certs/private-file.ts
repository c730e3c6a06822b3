// Files with private keys: made for their owner alone and never overwritten; refused when others may read them.
import { rm, stat, writeFile } from "node:fs/promises";
import { systemCode } from "../core/errors.js";

/** A key file that was not written because there is one already. */
export class KeyFileExists extends Error {
  readonly hint = "choose another path, or move the old key away first";
  constructor(path: string) {
    super(`${path} exists already; a key is never overwritten`);
    this.name = "KeyFileExists";
  }
}

/**
 * Writes a new key file with mode 0600 and makes it durable.
 *
 * @throws KeyFileExists when there is a file at the path, whatever it holds
 */
export const createKeyFile = async (path: string, pem: string): Promise<void> => {
  try {
    await writeFile(path, pem, { flag: "wx", mode: 0o600, flush: true });
  } catch (error) {
    if (systemCode(error) === "EEXIST") throw new KeyFileExists(path);
    await rm(path, { force: true });
    throw error;
  }
};

/**
 * Says who else may read or write a key file, or undefined when nobody. A file that root owns may be
 * readable by its group: that is how container platforms hand a secret to a process without root's rights.
 */
export const exposureOf = async (path: string): Promise<string | undefined> => {
  const { mode, uid } = await stat(path);
  const handedOver = uid === 0 && process.getuid?.() !== 0;
  const exposed = process.platform !== "win32" && (mode & (handedOver ? 0o037 : 0o077)) !== 0;
  const written = (mode & 0o777).toString(8).padStart(4, "0");
  return exposed
    ? `key file ${path} is readable by others (mode ${written}): chmod 600 ${path}`
    : undefined;
};
