// Reading the personal part of a record, as long as its segment's key has not been erased.
import { readFile } from "node:fs/promises";
import { FormatError } from "./bytes.js";
import type { PersonalEntry } from "./entry.js";
import { segmentKeyPath } from "./folder.js";
import { openPersonal, recordSecret } from "./personal.js";
import type { ReadRecord } from "./read.js";
import { shippedBefore } from "./shipped-segments.js";

/** What there is to say of a record's personal part. `shipped`: the manager has it, and the key was removed here. */
export type PersonalReading =
  | { readonly status: "none" | "erased" | "shipped" }
  | { readonly status: "readable"; readonly personal: PersonalEntry };

/**
 * Decrypts a record's personal part and checks it against the record's commitment.
 *
 * @param folder the log folder that the record was read from
 * @throws FormatError when key, ciphertext and commitment do not belong together
 */
export const readPersonal = async (
  folder: string,
  { record, sealed, segment }: Pick<ReadRecord, "record" | "sealed" | "segment">,
): Promise<PersonalReading> => {
  if (record.kind !== "intent" && record.kind !== "refusal") return { status: "none" };
  const { commitment } = record.exchange;
  if (commitment === undefined) return { status: "none" };
  let key: Buffer;
  try {
    key = await readFile(segmentKeyPath(folder, segment));
  } catch (error) {
    const isErased = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (isErased) {
      return { status: record.sequence < (await shippedBefore(folder)) ? "shipped" : "erased" };
    }
    throw error;
  }
  if (sealed === undefined) throw new FormatError("the record's personal part is missing");
  const personal = openPersonal(recordSecret(key, sealed), { commitment, sealed });
  return { status: "readable", personal };
};
