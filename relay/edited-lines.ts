// Header lines on their way to the other side: those that were received but for some, with others set in
// front and behind. What passes is copied octet for octet out of the head that came; nothing is made of it.
import { endToEnd } from "./hop-by-hop.js";
import { withoutHeaders, type HeaderLines, type ResponseHead } from "./message.js";
import type { NameChoice } from "./name-choice.js";
import { SP } from "./scan-bytes.js";
import { PER_LINE, type ScannedLines } from "./scan-lines.js";
import { HOP_BY_HOP, NAME } from "./scan-names.js";
import { linesText, requestLine, statusLine } from "./write-head.js";

/** A head that was received; `raw` where it can be copied as it stands. */
export interface ReceivedLines {
  readonly headers: HeaderLines;
  readonly raw?: ScannedLines | undefined;
  /** The last of the lines that `raw` does not have. */
  readonly beside?: HeaderLines | undefined;
}

/** A request as it is to be sent. */
export interface SentHead {
  readonly method: string;
  readonly target: string;
  readonly headers: HeaderLines | EditedLines;
}

/** What is set. */
export interface SetLines {
  readonly before: HeaderLines;
  readonly after: HeaderLines;
}

/** Pieces of the received octets that pass: begin and end of each. There is one, used again for every head. */
const RANGES: number[] = [];

/** Lines as they are to be sent. Hop-by-hop lines never pass. */
export class EditedLines {
  constructor(
    private readonly received: ReceivedLines,
    /** Names that do not pass. */
    private readonly drop: NameChoice,
    private readonly set: SetLines,
  ) {}

  /** The same as text. */
  get pairs(): HeaderLines {
    const { received, drop, set } = this;
    const kept = withoutHeaders(endToEnd(received.headers), drop.choose);
    return [...set.before, ...kept, ...set.after];
  }

  /**
   * The octets of a head.
   *
   * @param start its first line, with CRLF
   * @param own lines of this hop, each with CRLF
   * @param trailer whether Trailer passes
   * @throws TypeError when what is set holds what may not stand there
   */
  head(start: string, own: string, trailer: boolean): Buffer {
    const { received, set } = this;
    const { raw } = received;
    const passes = raw === undefined ? -1 : this.#ranges(raw, trailer);
    if (raw === undefined || passes < 0) {
      const lines = trailer ? this.pairs : withoutHeaders(this.pairs, (name) => name === "trailer");
      return Buffer.from(`${start}${linesText(lines)}${own}\r\n`, "latin1");
    }
    const front = start + linesText(set.before);
    const back = `${this.#besideText()}${linesText(set.after)}${own}\r\n`;
    const head = Buffer.allocUnsafe(front.length + passes + back.length);
    let at = head.write(front, 0, "latin1");
    for (let range = 0; range < RANGES.length; range += 2) {
      at += raw.bytes.copy(head, at, RANGES[range], RANGES[range + 1]);
    }
    head.write(back, at, "latin1");
    return head;
  }

  #besideText(): string {
    const { beside } = this.received;
    if (beside === undefined || beside.length === 0) return "";
    return linesText(withoutHeaders(endToEnd(beside), this.drop.choose));
  }

  /** Fills RANGES with what passes; gives its octets, or -1 when a line must be written anew. */
  #ranges({ bytes, offsets, end }: ScannedLines, trailer: boolean): number {
    RANGES.length = 0;
    const dropped = trailer ? HOP_BY_HOP : HOP_BY_HOP | NAME.trailer;
    let octets = 0;
    for (let line = 0; line < offsets.length; line += PER_LINE) {
      const from = offsets[line] ?? 0;
      const nameTo = offsets[line + 1] ?? 0;
      if (((offsets[line + 4] ?? 0) & dropped) !== 0 || this.drop.of(bytes, from, nameTo)) continue;
      const next = line + PER_LINE;
      const to = next < offsets.length ? (offsets[next] ?? 0) : end;
      // One space in front of the value and nothing behind it.
      const plain = offsets[line + 2] === nameTo + 2 && bytes[nameTo + 1] === SP;
      if (!plain || offsets[line + 3] !== to - 2) return -1;
      if (RANGES.length > 0 && RANGES[RANGES.length - 1] === from) RANGES[RANGES.length - 1] = to;
      else RANGES.push(from, to);
      octets += to - from;
    }
    return octets;
  }
}

/** A response whose lines are edited. */
export class EditedResponse implements ResponseHead {
  constructor(
    readonly status: number,
    readonly reason: string,
    readonly edited: EditedLines,
  ) {}

  get headers(): HeaderLines {
    return this.edited.pairs;
  }
}

/** A response as its rewriter gets it: without the lines of the hop that it came over. */
export class EndToEndResponse implements ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly raw: ScannedLines | undefined;
  readonly #received: ResponseHead;
  #headers: HeaderLines | undefined;

  constructor(received: ResponseHead) {
    this.status = received.status;
    this.reason = received.reason;
    this.raw = received.raw;
    this.#received = received;
  }

  get headers(): HeaderLines {
    this.#headers ??= endToEnd(this.#received.headers);
    return this.#headers;
  }
}

const isTrailer = (name: string): boolean => name === "trailer";

/**
 * The octets of a response's head.
 *
 * @param own lines of this hop, each with CRLF
 * @param trailer whether Trailer passes
 * @throws TypeError when the head holds what may not stand there
 */
export const responseHead = (head: ResponseHead, own: string, trailer: boolean): Buffer => {
  const start = statusLine(head.status, head.reason);
  if (head instanceof EditedResponse) return head.edited.head(start, own, trailer);
  const lines = trailer ? head.headers : withoutHeaders(head.headers, isTrailer);
  return Buffer.from(`${start}${linesText(lines)}${own}\r\n`, "latin1");
};

/** The octets of a request's head, likewise; hop-by-hop lines do not pass. */
export const requestHead = (
  { method, target, headers }: SentHead,
  own: string,
  trailer: boolean,
): Buffer => {
  const start = requestLine(method, target);
  if (headers instanceof EditedLines) return headers.head(start, own, trailer);
  const kept = endToEnd(headers);
  const lines = trailer ? kept : withoutHeaders(kept, isTrailer);
  return Buffer.from(`${start}${linesText(lines)}${own}\r\n`, "latin1");
};
