// Reads a body out of the octets of a connection: by length, in chunks with trailers, or to the end. Its
// pieces are handed on as they come, as views of what came; only a trailer section is gathered.
import type { ErrorCode } from "../core/errors.js";
import { Gathered } from "./gathered.js";
import type { HeaderLines } from "./message.js";
import { CLASS, CR, HEX, LF, SEMICOLON, VALUE } from "./scan-bytes.js";
import { INCOMPLETE, LINES, REFUSED, type Framing, type LineLimits } from "./scan-lines.js";

/** Where a body goes. */
export interface BodySink {
  /** A piece of the body, without framing; a view of what was fed. */
  bodyPiece(piece: Buffer): void;
  /** The end of the body. Called once; trailers only with chunked. */
  bodyEnd(trailers: HeaderLines): void;
}

/** The limits of a body's framing. */
export interface BodyLimits extends LineLimits {
  /** Octets of all chunk extensions of a body together. */
  readonly chunkExtensionMax: number;
}

/** A body that breaks a rule of its framing or a limit; `code` is what a request with it is refused with. */
export class MalformedBody extends Error {
  constructor(
    readonly rule: string,
    readonly code: ErrorCode = "ERROR_CODE_REQUEST_MALFORMED",
  ) {
    super(`the body is malformed: ${rule}`);
    this.name = "MalformedBody";
  }
}

/** Digits of a chunk size, leading zeros among them; 13 stay below Number.MAX_SAFE_INTEGER. */
const SIZE_DIGITS_MAX = 13;

const NOTHING: HeaderLines = [];
/** Octets of the empty line that ends a trailer section; they do not count for its size. */
const END_OCTETS = 2;

type State =
  | "counted"
  | "until-close"
  | "size"
  | "extension"
  | "size-lf"
  | "chunk"
  | "chunk-cr"
  | "chunk-lf"
  | "trailer"
  | "ended";

/** Use once, for one body. */
export class BodyReader {
  #state: State;
  /** What is left of the body by length, or of the chunk. */
  #left = 0;
  #digits = 0;
  #extensions = 0;
  readonly #trailer = new Gathered();

  /** A body of no octets is ended at once, and `sink.bodyEnd` is not called for it. */
  constructor(
    framing: Framing,
    private readonly limits: BodyLimits,
    private readonly sink: BodySink,
  ) {
    this.#state = "ended";
    if (framing.kind === "chunked") this.#state = "size";
    else if (framing.kind === "until-close") this.#state = "until-close";
    else if (framing.kind === "length" && framing.bytes > 0) {
      this.#state = "counted";
      this.#left = framing.bytes;
    }
  }

  get ended(): boolean {
    return this.#state === "ended";
  }

  /**
   * Takes what belongs to the body out of the octets from an offset on.
   *
   * @returns the offset behind it; before the end of the octets only once the body has ended
   * @throws MalformedBody, after the pieces in front of what is malformed have been handed on
   */
  feed(bytes: Buffer, from: number): number {
    let at = from;
    while (at < bytes.length && this.#state !== "ended") at = this.#step(bytes, at);
    return at;
  }

  /** The connection has ended in good order. True when that ends the body too. */
  close(): boolean {
    if (this.#state !== "until-close") return this.ended;
    this.#end(NOTHING);
    return true;
  }

  #step(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case "counted":
      case "chunk":
        return this.#pass(bytes, at);
      case "until-close":
        this.sink.bodyPiece(at === 0 ? bytes : bytes.subarray(at));
        return bytes.length;
      case "size":
        return this.#size(bytes, at);
      case "extension":
        return this.#extension(bytes, at);
      case "size-lf":
        return this.#sizeEnd(bytes[at] ?? 0, at);
      case "chunk-cr":
        if (bytes[at] !== CR) throw new MalformedBody("a chunk is longer than its size");
        this.#state = "chunk-lf";
        return at + 1;
      case "chunk-lf":
        if (bytes[at] !== LF) throw new MalformedBody("a bare CR after a chunk");
        this.#state = "size";
        return at + 1;
      case "trailer":
        return this.#trailers(bytes, at);
      case "ended":
        return at;
    }
  }

  #end(trailers: HeaderLines): void {
    this.#state = "ended";
    this.sink.bodyEnd(trailers);
  }

  #pass(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left);
    this.#left -= end - at;
    this.sink.bodyPiece(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
    if (this.#left === 0) {
      if (this.#state === "chunk") this.#state = "chunk-cr";
      else this.#end(NOTHING);
    }
    return end;
  }

  #size(bytes: Buffer, from: number): number {
    let at = from;
    for (; at < bytes.length; at++) {
      const digit = HEX[bytes[at] ?? 0] ?? -1;
      if (digit < 0) break;
      this.#digits += 1;
      if (this.#digits > SIZE_DIGITS_MAX)
        throw new MalformedBody("a chunk size has too many digits");
      this.#left = this.#left * 16 + digit;
    }
    if (at === bytes.length) return at;
    const octet = bytes[at];
    if (this.#digits === 0 || (octet !== CR && octet !== SEMICOLON)) {
      throw new MalformedBody("a chunk size is not a hexadecimal number");
    }
    this.#state = octet === CR ? "size-lf" : "extension";
    return at + 1;
  }

  #extension(bytes: Buffer, from: number): number {
    let at = from;
    while (at < bytes.length && ((CLASS[bytes[at] ?? 0] ?? 0) & VALUE) !== 0) at += 1;
    this.#extensions += at - from;
    if (this.#extensions > this.limits.chunkExtensionMax) {
      throw new MalformedBody("the chunk extensions are too long");
    }
    if (at === bytes.length) return at;
    if (bytes[at] !== CR) throw new MalformedBody("a control character in a chunk extension");
    this.#state = "size-lf";
    return at + 1;
  }

  #sizeEnd(octet: number, at: number): number {
    if (octet !== LF) throw new MalformedBody("a bare CR after a chunk size");
    this.#state = this.#left > 0 ? "chunk" : "trailer";
    this.#digits = 0;
    return at + 1;
  }

  #trailers(bytes: Buffer, at: number): number {
    const gathered = this.#trailer;
    const before = gathered.length;
    // The usual end, without a trailer, is not gathered.
    if (before === 0) {
      const end = this.#trailerEnd(bytes, at);
      if (end === INCOMPLETE) gathered.add(bytes, at, 0);
      return end === INCOMPLETE ? bytes.length : end;
    }
    if (!gathered.add(bytes, at, this.limits.headBytesMax)) return bytes.length;
    const end = this.#trailerEnd(gathered.bytes, 0);
    if (end === INCOMPLETE) return bytes.length;
    gathered.clear();
    return at + end - before;
  }

  /** Where the trailer section that begins at an offset ends, once the sink has it; or INCOMPLETE. */
  #trailerEnd(bytes: Buffer, from: number): number {
    const { headersMax, headBytesMax } = this.limits;
    const end = LINES.scan(bytes, { from, to: bytes.length, headersMax });
    const size = (end === INCOMPLETE ? bytes.length : end) - from - END_OCTETS;
    if (size > headBytesMax) throw new MalformedBody("the trailer section is too large");
    if (end === REFUSED) throw new MalformedBody(LINES.problem);
    if (end === INCOMPLETE) return end;
    if (LINES.forbiddenInTrailer) {
      throw new MalformedBody("a trailer frames or routes the message");
    }
    this.#end(LINES.count === 0 ? NOTHING : LINES.take(bytes).pairs);
    return end;
  }
}
