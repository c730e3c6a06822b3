// How the identity folder of a component is made: whole or not at all, and never over another one.
import type { KeyObject, X509Certificate } from "node:crypto";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { formatAddress, type Address } from "../core/address.js";
import { syncFolder, writeFileDurably } from "../core/durable-file.js";
import { systemCode } from "../core/errors.js";
import { removeLeftovers } from "./identity-leftovers.js";
import { identityFiles } from "./internal-bundle.js";
import { writeCertificates } from "./pem.js";
import { createKeyFile } from "./private-file.js";
import { writePrivateKey } from "./private-key.js";

/** An identity folder that was not made because there is something at its path already. */
export class IdentityExists extends Error {
  readonly hint = "choose another folder, or move the old one away first";
  constructor(path: string) {
    super(`${path} exists already; an identity is never overwritten`);
    this.name = "IdentityExists";
  }
}

/** What an identity folder holds beside its key. */
export interface IdentityContent {
  /** The component's certificate first, without the root. */
  readonly chain: readonly X509Certificate[];
  /** The internal CA's root. */
  readonly anchor: X509Certificate;
  /** Where the manager is; left out in the manager's own folder. */
  readonly manager?: Address | undefined;
}

/** A folder whose key is on disk, waiting for its certificate. */
export interface PreparedIdentity {
  /**
   * Writes the rest and puts the folder in its place, durably.
   *
   * @throws IdentityExists when something has come to its path meanwhile
   */
  complete(content: IdentityContent): Promise<void>;
  /** Removes what was prepared. */
  abandon(): Promise<void>;
}

const checkAbsent = async (dir: string): Promise<void> => {
  let entries: readonly string[];
  try {
    entries = await readdir(dir);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return;
    throw systemCode(error) === "ENOTDIR" ? new IdentityExists(dir) : error;
  }
  if (entries.length > 0) throw new IdentityExists(dir);
};

const putInPlace = async (from: string, to: string): Promise<void> => {
  try {
    // Takes the place of an empty folder, and of nothing else.
    await rename(from, to);
  } catch (error) {
    const code = systemCode(error) ?? "";
    throw ["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(code) ? new IdentityExists(to) : error;
  }
  await syncFolder(dirname(to));
};

/**
 * Makes a new identity folder beside its place and puts the key into it, so that what can fail on disk has
 * failed before anybody is asked for a certificate. What an earlier try left there is removed.
 *
 * @param path where the folder will be; absent or empty. The folder around it is made when absent
 * @throws IdentityExists when there is anything at the path
 */
export const prepareIdentity = async (path: string, key: KeyObject): Promise<PreparedIdentity> => {
  // Without a slash at its end, which would put what is made beside it inside it.
  const dir = resolve(path);
  await checkAbsent(dir);
  await removeLeftovers(dir);
  await mkdir(dirname(dir), { recursive: true, mode: 0o700 });
  const beside = `${dir}.${randomBytes(6).toString("hex")}.tmp`;
  const paths = identityFiles(beside);
  await mkdir(beside, { mode: 0o700 });
  const abandon = (): Promise<void> => rm(beside, { recursive: true, force: true });
  const undoing = async (step: () => Promise<void>): Promise<void> => {
    try {
      await step();
    } catch (error) {
      await abandon();
      throw error;
    }
  };
  await undoing(() => createKeyFile(paths.key, writePrivateKey(key)));
  return {
    complete: ({ chain, anchor, manager }) =>
      undoing(async () => {
        await writeFileDurably(paths.certificate, writeCertificates(chain), 0o644);
        await writeFileDurably(paths.ca, writeCertificates([anchor]), 0o644);
        if (manager !== undefined) {
          await writeFileDurably(paths.manager, `${formatAddress(manager)}\n`, 0o644);
        }
        await putInPlace(beside, dir);
      }),
    abandon,
  };
};

/**
 * Takes a new certificate for the same key into an identity folder, durably. It is one file, so that a
 * crash leaves the old certificate or the new one, and each fits the key.
 */
export const replaceCertificate = async (
  dir: string,
  chain: readonly X509Certificate[],
): Promise<void> => {
  await writeFileDurably(identityFiles(dir).certificate, writeCertificates(chain), 0o644);
};
