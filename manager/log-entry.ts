// One record as people are shown it: its leaf, its place in the tree with the proof, and what is personal in it.
import type * as wire from "../proto/gen/schakel/manager/v1/log.js";
import { FormatError } from "../txlog/bytes.js";
import { decodeLeaf } from "../txlog/decode-leaf.js";
import { toJson } from "../txlog/json.js";
import type { LogReader, StoredEntry } from "../txlog/store/read-side.js";
import { formatProof } from "../txlog/tree/tlog-proof.js";
import { UNSEALED } from "./log-wire.js";

type Personal = Pick<wire.LogEntry, "personalJson" | "personalState">;

const NONE: Personal = { personalJson: "", personalState: "none" };

/** What is personal in a record. It is opened in any case, and given only when it was asked for. */
export const personalOf = async (
  reader: Pick<LogReader, "personal">,
  entry: StoredEntry,
  isAsked: boolean,
): Promise<Personal> => {
  if (entry.leaf === undefined) return NONE;
  try {
    const record = decodeLeaf(entry.leaf);
    if (record.kind !== "intent" && record.kind !== "refusal") return NONE;
    const reading = await reader.personal(entry, record.exchange);
    const isShown = isAsked && reading.status === "readable";
    return {
      personalState: reading.status,
      personalJson: isShown ? JSON.stringify(toJson(reading.personal)) : "",
    };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { ...NONE, personalState: "damaged" };
  }
};

/** A record without its proof. */
export const bareEntry = (entry: StoredEntry, personal: Personal = NONE): wire.LogEntry => ({
  index: entry.isSealed ? BigInt(entry.index) : UNSEALED,
  leaf: entry.leaf ?? Buffer.alloc(0),
  leafHash: entry.leafHash,
  ...personal,
  proof: "",
});

/** A record with its proof under the newest checkpoint, when it is sealed. */
export const provenEntry = async (
  reader: Pick<LogReader, "personal" | "proofFor">,
  entry: StoredEntry,
  isAsked: boolean,
): Promise<wire.LogEntry> => {
  const bare = bareEntry(entry, await personalOf(reader, entry, isAsked));
  const proof = await reader.proofFor(entry.epoch, entry.index);
  if (proof === undefined) return bare;
  const { index, hashes, checkpoint } = proof;
  return { ...bare, proof: formatProof({ index, proof: hashes, checkpoint: checkpoint.note }) };
};
