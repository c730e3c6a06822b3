// Private keys: how they are made, written and read.
import { createPrivateKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";

const generate = promisify(generateKeyPair);

/** The sizes of RSA keys that are made, in bits. */
export const KEY_BITS = { default: 3072, min: 2048, max: 4096 } as const;

/**
 * Makes an RSA key without blocking the process.
 *
 * @param bits 2048 to 4096; RangeError otherwise
 */
export const createRsaKey = async (bits: number = KEY_BITS.default): Promise<KeyObject> => {
  if (!Number.isInteger(bits) || bits < KEY_BITS.min || bits > KEY_BITS.max) {
    throw new RangeError(
      `an RSA key of ${String(bits)} bits is not made; allowed are ${String(KEY_BITS.min)} to ${String(KEY_BITS.max)}`,
    );
  }
  return (await generate("rsa", { modulusLength: bits })).privateKey;
};

/** Makes the Ed25519 key that signs a group. */
export const createGroupKey = async (): Promise<KeyObject> =>
  (await generate("ed25519", {})).privateKey;

/** Writes a private key as PKCS #8 in PEM, not encrypted. */
export const writePrivateKey = (key: KeyObject): string =>
  key.export({ format: "pem", type: "pkcs8" }).toString();

/** Reads a private key in PEM. Throws an Error that says what is wrong and quotes nothing of the text. */
export const parsePrivateKey = (pem: string): KeyObject => {
  try {
    return createPrivateKey(pem);
  } catch {
    // The library's own reason may quote the file, so it is not passed on.
    throw new Error(
      pem.includes("ENCRYPTED")
        ? "the private key is encrypted; allowed is one without a passphrase"
        : "it holds no private key in PEM",
    );
  }
};
