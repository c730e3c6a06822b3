// The lines of an export bundle: what each holds, and how it is written as JSON (docs/evidence.md). There is one way to
// write a line, so that no two readers can find different things in one.
import { isUtf8 } from "node:buffer";
import { FieldError, Fields } from "../../contracts/fields.js";
import type { JsonValue } from "../../contracts/json.js";
import { LogFault } from "./log-fault.js";
import { fromBase64 } from "./note.js";
import type { Entry } from "./verify-log.js";

/** The version of the format. */
export const BUNDLE_VERSION = 1;

/** How long a line may be, in bytes: a contract fits, and so does the largest leaf with its proof. */
export const BUNDLE_LINE_BYTES_MAX = 4 * 1024 ** 2;

const HASHES_MAX = 64;
const TEXT_MAX = BUNDLE_LINE_BYTES_MAX;

/** What a bundle begins with: which part of which log it is. */
export interface BundleHeader {
  readonly groupId: string;
  readonly peerId: string;
  /** From 1. */
  readonly epoch: number;
  /** The place of the first entry, when all from there to the checkpoint's size are in it; 0 where they are selected. */
  readonly from: number;
  /** Whether it has some entries only, each with its proof. */
  readonly selected: boolean;
  /** The edge of the tree of size `from`, the largest subtree first. */
  readonly prefix: readonly Buffer[];
  /** Seconds since 1970. */
  readonly madeAt: number;
}

/** What a bundle holds after its header, in this order: kinds may be absent, or come several times but for `checkpoint`. */
export type BundlePiece =
  /** The signed note that everything is verified against, with its co-signatures. */
  | { readonly type: "checkpoint"; readonly note: string }
  /** A smaller checkpoint of the same log, by rising size. */
  | { readonly type: "older-checkpoint"; readonly note: string }
  /** The consistency proof from a smaller size to the checkpoint's. */
  | { readonly type: "consistency"; readonly oldSize: number; readonly proof: readonly Buffer[] }
  /** A compact JWS: of the log's keys, and of those of witnesses. */
  | { readonly type: "key-statement"; readonly jws: string }
  /** A certificate (DER) of a signer or one of its issuers. */
  | { readonly type: "certificate"; readonly der: Buffer }
  /** By rising index. */
  | ({ readonly type: "entry" } & Entry)
  /** A contract with its signatures, FSC's JSON. */
  | { readonly type: "contract"; readonly text: string }
  /** The result of a reconciliation, JSON with both signatures. */
  | { readonly type: "reconciliation"; readonly text: string };

/** The kinds of pieces in the order in which they stand. */
export const PIECES = [
  "checkpoint",
  "older-checkpoint",
  "consistency",
  "key-statement",
  "certificate",
  "entry",
  "contract",
  "reconciliation",
] as const satisfies readonly BundlePiece["type"][];

/** The last line. */
export interface BundleEnd {
  /** SHA-256 of all lines before it, with their newlines. */
  readonly digest: Buffer;
  /** Of the log's key over bundleMessage of the digest; absent when nobody signed the bundle as a whole. */
  readonly signature?: Buffer;
}

/** What the log's key signs of a bundle: a label, so that it can be nothing else that the key signs, and the digest. */
export const bundleMessage = (digest: Buffer): Buffer =>
  Buffer.concat([Buffer.from("schakel/bundle/v1\0"), digest]);

const base64 = (bytes: Buffer): string => bytes.toString("base64");

/** The header as a line, without its newline. */
export const headerLine = (header: BundleHeader): string =>
  JSON.stringify({
    type: "header",
    version: BUNDLE_VERSION,
    group_id: header.groupId,
    peer_id: header.peerId,
    epoch: header.epoch,
    from: header.from,
    selected: header.selected,
    prefix: header.prefix.map(base64),
    made_at: header.madeAt,
  });

/** A piece as a line, without its newline. */
export const pieceLine = (piece: BundlePiece): string => {
  const { type } = piece;
  switch (type) {
    case "consistency":
      return JSON.stringify({ type, old_size: piece.oldSize, proof: piece.proof.map(base64) });
    case "certificate":
      return JSON.stringify({ type, der: base64(piece.der) });
    case "entry":
      return JSON.stringify({
        type,
        index: piece.index,
        leaf: base64(piece.leaf),
        hash: piece.leafHash === undefined ? undefined : base64(piece.leafHash),
        proof: piece.proof?.map(base64),
      });
    case "key-statement":
      return JSON.stringify({ type, jws: piece.jws });
    case "checkpoint":
    case "older-checkpoint":
      return JSON.stringify({ type, note: piece.note });
    case "contract":
    case "reconciliation":
      return JSON.stringify({ type, text: piece.text });
  }
};

/** The last line, without its newline. */
export const endLine = ({ digest, signature }: BundleEnd): string =>
  JSON.stringify({
    type: "end",
    sha256: digest.toString("hex"),
    signature: signature === undefined ? undefined : base64(signature),
  });

const bytes = (fields: Fields, name: string): Buffer =>
  fields.parsed(name, { min: 0, max: TEXT_MAX, parse: fromBase64, what: "base64" });

const hashes = (fields: Fields, name: string): Buffer[] => {
  const list = fields.list(name);
  if (list.length > HASHES_MAX) throw new FieldError(name, `has more than ${HASHES_MAX} hashes`);
  return list.map((each) => {
    const hash = typeof each === "string" ? fromBase64(each) : undefined;
    if (hash?.length === 32) return hash;
    throw new FieldError(name, "has an element that is no hash in base64");
  });
};

const whole = (fields: Fields, name: string): number => {
  const value = fields.any(name);
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new FieldError(name, "is no whole number from 0");
};

const text = (fields: Fields, name: string): string => fields.text(name, { max: TEXT_MAX });

const entryOf = (fields: Fields): BundlePiece => ({
  type: "entry",
  index: whole(fields, "index"),
  leaf: bytes(fields, "leaf"),
  ...(fields.has("hash") ? { leafHash: bytes(fields, "hash") } : {}),
  ...(fields.has("proof") ? { proof: hashes(fields, "proof") } : {}),
});

const pieceOf = (fields: Fields): BundlePiece => {
  const type = fields.word("type", PIECES);
  switch (type) {
    case "checkpoint":
    case "older-checkpoint":
      return { type, note: text(fields, "note") };
    case "consistency":
      return { type, oldSize: whole(fields, "old_size"), proof: hashes(fields, "proof") };
    case "key-statement":
      return { type, jws: text(fields, "jws") };
    case "certificate":
      return { type, der: bytes(fields, "der") };
    case "entry":
      return entryOf(fields);
    case "contract":
    case "reconciliation":
      return { type, text: text(fields, "text") };
  }
};

const headerOf = (fields: Fields): BundleHeader => {
  fields.word("type", ["header"]);
  if (whole(fields, "version") !== BUNDLE_VERSION) {
    throw new FieldError(
      "version",
      `is not ${BUNDLE_VERSION}: a newer version of schakel reads it`,
    );
  }
  const selected = fields.any("selected");
  if (typeof selected !== "boolean") throw new FieldError("selected", "is neither true nor false");
  return {
    groupId: fields.text("group_id", { max: 255 }),
    peerId: fields.text("peer_id", { max: 255 }),
    epoch: whole(fields, "epoch"),
    from: whole(fields, "from"),
    selected,
    prefix: hashes(fields, "prefix"),
    madeAt: fields.seconds("made_at"),
  };
};

const endOf = (fields: Fields): BundleEnd => {
  fields.word("type", ["end"]);
  const digest = Buffer.from(fields.text("sha256", { min: 64, max: 64 }), "hex");
  return fields.has("signature") ? { digest, signature: bytes(fields, "signature") } : { digest };
};

const wrong = (line: number, reason: string): LogFault =>
  new LogFault("malformed", `line ${line} of the bundle is none: ${reason}`);

/** How a line is read and written. */
interface Form<T> {
  readonly read: (fields: Fields) => T;
  readonly write: (value: T) => string;
}

const readLine = <T>(line: Buffer, number: number, { read, write }: Form<T>): T => {
  const written = line.toString();
  let value: T;
  try {
    if (!isUtf8(line)) throw new SyntaxError("it is not UTF-8");
    const fields = new Fields(JSON.parse(written) as JsonValue, "");
    value = read(fields);
    fields.end();
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof FieldError)) throw error;
    throw wrong(number, error.message);
  }
  if (write(value) !== written) throw wrong(number, "it is written in another form than the one");
  return value;
};

/** The header of a line. @throws LogFault (`malformed`) */
export const readHeader = (line: Buffer): BundleHeader =>
  readLine(line, 1, { read: headerOf, write: headerLine });

/** The piece of a line, which has this number. @throws LogFault (`malformed`) */
export const readPiece = (line: Buffer, number: number): BundlePiece =>
  readLine(line, number, { read: pieceOf, write: pieceLine });

/** The end of a line, which has this number. @throws LogFault (`malformed`) */
export const readEnd = (line: Buffer, number: number): BundleEnd =>
  readLine(line, number, { read: endOf, write: endLine });
