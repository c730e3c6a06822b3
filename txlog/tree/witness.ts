// C2SP tlog-witness: the answer to a request that asks a witness to co-sign a checkpoint. It co-signs what continues the
// tree that it co-signed before, and nothing else.
import { cosign, openCheckpoint, type Checkpoint } from "./checkpoint.js";
import { EMPTY_ROOT, HASH_BYTES, isSize } from "./merkle.js";
import { fromBase64, NoteError, readNote, type NoteKey, type Verifier } from "./note.js";
import { ProofError } from "./proof-error.js";
import { verifyConsistency } from "./verify-proof.js";

/** How large a request may be, in bytes. */
export const ADD_CHECKPOINT_BYTES_MAX = 64 * 1024;

/** C2SP: a request has at most so many hashes. */
const HASHES_MAX = 63;

/** The one checkpoint a log that a witness keeps. */
export interface WitnessedCheckpoint extends Checkpoint {
  /** The log's signed note, as it was sent. */
  readonly note: string;
}

/** Where a witness keeps what it has co-signed. */
export interface WitnessStore {
  /** The last checkpoint of a log; undefined when there was none. */
  get(origin: string): Promise<WitnessedCheckpoint | undefined>;
  /**
   * Replaces the checkpoint of a log, whose size must still be the old one (0 for none), in one step; durable when it
   * resolves. False when the size was another one.
   */
  put(origin: string, oldSize: number, checkpoint: WitnessedCheckpoint): Promise<boolean>;
}

/** A witness. */
export interface Witness {
  readonly store: WitnessStore;
  /** The keys of a log that is known; undefined for any other. Rejects with NoteError for an origin that is not admitted. */
  readonly keysOf: (origin: string) => Promise<readonly Verifier[] | undefined>;
  /** The key with which it co-signs, of type 4. */
  readonly key: NoteKey;
  readonly nowSeconds: number;
}

/** What is answered over HTTP. */
export interface WitnessAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422;
  readonly contentType: "text/plain; charset=utf-8" | "text/x.tlog.size";
  readonly body: string;
}

/** A request as it was read. */
export interface AddCheckpoint {
  readonly oldSize: number;
  readonly proof: readonly Buffer[];
  readonly note: string;
}

/** The body of a request. */
export const formatAddCheckpoint = ({ oldSize, proof, note }: AddCheckpoint): string =>
  [`old ${oldSize}`, ...proof.map((hash) => hash.toString("base64")), "", note].join("\n");

const malformed = (what: string): NoteError => new NoteError("malformed", what);

/** Reads the body of a request. @throws NoteError (`malformed`) when it is none */
export const parseAddCheckpoint = (body: string): AddCheckpoint => {
  if (Buffer.byteLength(body) > ADD_CHECKPOINT_BYTES_MAX) {
    throw malformed(`a request has at most ${ADD_CHECKPOINT_BYTES_MAX} bytes`);
  }
  const end = body.indexOf("\n\n");
  const [first = "", ...lines] = body.slice(0, Math.max(end, 0)).split("\n");
  const old = /^old (0|[1-9][0-9]{0,15})$/.exec(first)?.[1];
  if (old === undefined || !isSize(Number(old))) throw malformed("the first line is not old SIZE");
  if (lines.length > HASHES_MAX) throw malformed(`a proof has at most ${HASHES_MAX} hashes`);
  const proof = lines.map((line) => {
    const hash = fromBase64(line);
    if (hash?.length !== HASH_BYTES) throw malformed("a line of the proof is no hash");
    return hash;
  });
  return { oldSize: Number(old), proof, note: body.slice(end + 2) };
};

const refusal = (status: 400 | 403 | 404 | 422, reason: string): WitnessAnswer => ({
  status,
  contentType: "text/plain; charset=utf-8",
  body: `${reason}\n`,
});

const conflict = (size: number): WitnessAnswer => ({
  status: 409,
  contentType: "text/x.tlog.size",
  body: `${size}\n`,
});

/** The checkpoint of a request, or the answer to a request that has none of a known log. */
const opened = async (
  note: string,
  witness: Witness,
): Promise<WitnessedCheckpoint | WitnessAnswer> => {
  const [origin = ""] = readNote(note).text.split("\n", 1);
  const log = await witness.keysOf(origin);
  if (log === undefined) return refusal(404, "the log is not known");
  try {
    const { checkpoint } = openCheckpoint(note, { log, witnesses: [] });
    return { ...checkpoint, note };
  } catch (error) {
    if (!(error instanceof NoteError) || error.kind === "malformed") throw error;
    return refusal(403, "no known key of the log has signed the checkpoint");
  }
};

const judged = async (
  { oldSize, proof }: AddCheckpoint,
  checkpoint: WitnessedCheckpoint,
  { store }: Witness,
): Promise<WitnessAnswer | undefined> => {
  const { origin, size, root } = checkpoint;
  if (oldSize > size) return refusal(400, "the old size is larger than the checkpoint's");
  const last = await store.get(origin);
  const lastSize = last?.size ?? 0;
  if (oldSize !== lastSize) return conflict(lastSize);
  const oldRoot = last?.root ?? EMPTY_ROOT;
  if (oldSize === size && !oldRoot.equals(root)) return conflict(lastSize);
  try {
    verifyConsistency({ oldSize, oldRoot, newSize: size, newRoot: root, proof });
    return undefined;
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return refusal(422, error.message);
  }
};

/**
 * Answers a request: 200 with the co-signature, once the checkpoint is kept; 400 for what is no request or of an epoch
 * that is not admitted, 404 for a log
 * that is not known, 403 for a checkpoint that it did not sign, 409 with the size that is known when the old size is
 * another one or the root differs at the same size, 422 for a proof that proves nothing.
 *
 * Rejects only with what the store throws.
 */
export const addCheckpoint = async (body: string, witness: Witness): Promise<WitnessAnswer> => {
  try {
    const request = parseAddCheckpoint(body);
    const checkpoint = await opened(request.note, witness);
    if ("status" in checkpoint) return checkpoint;
    const refused = await judged(request, checkpoint, witness);
    if (refused !== undefined) return refused;
    const { origin } = checkpoint;
    if (!(await witness.store.put(origin, request.oldSize, checkpoint))) {
      return conflict((await witness.store.get(origin))?.size ?? 0);
    }
    return {
      status: 200,
      contentType: "text/plain; charset=utf-8",
      body: cosign(request.note, witness.key, witness.nowSeconds),
    };
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    return refusal(400, error.message);
  }
};
