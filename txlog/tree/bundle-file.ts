// Writing and reading an export bundle as a stream of lines, whatever its size.
import { createHash } from "node:crypto";
import {
  BUNDLE_LINE_BYTES_MAX,
  bundleMessage,
  endLine,
  headerLine,
  pieceLine,
  PIECES,
  readEnd,
  readHeader,
  readPiece,
  type BundleEnd,
  type BundleHeader,
  type BundlePiece,
} from "./bundle-lines.js";
import { LogFault } from "./log-fault.js";

/** Signs a bundle with the log's key; undefined where it cannot be had. */
export type BundleSigner = (message: Buffer) => Buffer | Promise<Buffer>;

/**
 * The lines of a bundle, each with its newline, for a file that ends in `.jsonl`. Pieces come in the order of PIECES.
 *
 * @param sign signs bundleMessage of the digest; without it the bundle says only what its digest is
 * @throws RangeError when a piece comes after one that stands behind it
 */
export async function* writeBundle(
  header: BundleHeader,
  pieces: AsyncIterable<BundlePiece> | Iterable<BundlePiece>,
  sign?: BundleSigner,
): AsyncGenerator<string> {
  const digest = createHash("sha256");
  const hashed = (line: string): string => {
    digest.update(`${line}\n`);
    return `${line}\n`;
  };
  yield hashed(headerLine(header));
  let reached = 0;
  for await (const piece of pieces) {
    const place = PIECES.indexOf(piece.type);
    if (place < reached) throw new RangeError(`a ${piece.type} comes too late`);
    reached = place;
    yield hashed(pieceLine(piece));
  }
  const end = digest.digest();
  const signature = sign === undefined ? undefined : await sign(bundleMessage(end));
  yield `${endLine({ digest: end, ...(signature === undefined ? {} : { signature }) })}\n`;
}

/** A step of reading: the header first, the pieces, and the end last. */
export type ReadPiece =
  | { readonly type: "header"; readonly header: BundleHeader }
  | BundlePiece
  | ({ readonly type: "end" } & BundleEnd);

const tooLong = (): LogFault =>
  new LogFault("malformed", `a line of the bundle is over ${BUNDLE_LINE_BYTES_MAX} bytes`);

/** The lines of a stream of bytes with their newlines, several at a time. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Buffer[]> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes: Buffer = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    const lines: Buffer[] = [];
    let at = 0;
    for (let end = bytes.indexOf(10, at); end >= 0; end = bytes.indexOf(10, at)) {
      lines.push(bytes.subarray(at, end + 1));
      at = end + 1;
    }
    rest = bytes.subarray(at);
    if (rest.length > BUNDLE_LINE_BYTES_MAX) throw tooLong();
    yield lines;
  }
  if (rest.length > 0) throw new LogFault("malformed", "the bundle ends within a line");
}

const END = Buffer.from('{"type":"end"');

/** Reads line by line, and knows what may come next. */
class LineReader {
  readonly #digest = createHash("sha256");
  #number = 0;
  #reached = 0;
  #ended = false;

  read(whole: Buffer): ReadPiece {
    this.#number += 1;
    if (this.#ended) throw this.#misplaced("it stands behind the bundle's end");
    const line = whole.subarray(0, -1);
    if (line.length > BUNDLE_LINE_BYTES_MAX) throw tooLong();
    if (line.subarray(0, END.length).equals(END)) return this.#end(line);
    this.#digest.update(whole);
    if (this.#number === 1) return { type: "header", header: readHeader(line) };
    const piece = readPiece(line, this.#number);
    const place = PIECES.indexOf(piece.type);
    const again = piece.type === "checkpoint" && this.#reached === place && this.#number > 2;
    if (place < this.#reached || again) throw this.#misplaced(`a ${piece.type} here`);
    this.#reached = place;
    return piece;
  }

  finish(): void {
    if (!this.#ended) throw new LogFault("malformed", "the bundle has no end: it was cut");
  }

  #end(line: Buffer): ReadPiece {
    const end = readEnd(line, this.#number);
    this.#ended = true;
    if (!end.digest.equals(this.#digest.digest())) {
      throw new LogFault(
        "signature-wrong",
        "the digest at the bundle's end is not that of its lines",
      );
    }
    return { type: "end", ...end };
  }

  #misplaced(what: string): LogFault {
    return new LogFault("malformed", `line ${this.#number} of the bundle is out of order: ${what}`);
  }
}

/**
 * Reads a bundle, several pieces at a time. Its digest has been checked when `end` comes; the signature there has not.
 *
 * @throws LogFault `malformed` for what is no bundle or was cut, `signature-wrong` when its digest is another one
 */
export async function* readBundle(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly ReadPiece[]> {
  const reader = new LineReader();
  for await (const lines of linesOf(chunks)) {
    const pieces: ReadPiece[] = [];
    try {
      for (const line of lines) pieces.push(reader.read(line));
    } catch (error) {
      // What stands before a bad line is looked at first.
      if (pieces.length > 0) yield pieces;
      throw error;
    }
    yield pieces;
  }
  reader.finish();
}
