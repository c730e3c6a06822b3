// The client's half of one exchange, whatever carries it: the request with its body as it comes, and the
// response on its way back. Knows how to begin, end and break off a response; knows nothing of where it
// comes from.
import { STATUS_CODES } from "node:http";
import type { SchakelError } from "../core/errors.js";
import { Deadline } from "./deadline.js";
import type { Answer } from "./exchange.js";
import { endToEnd } from "./hop-by-hop.js";
import type { HeaderLines, ResponseHead } from "./message.js";
import { MalformedBody, type BodySink } from "./scan-body.js";
import type { Framing } from "./scan-lines.js";
import { bodyTooLarge, type ScannedRequest } from "./scan-request.js";

/** So much of a body is held while nobody reads it. */
const HELD_MAX = 64 * 1024;

/**
 * One request of a client. What carries it makes it, feeds it with the body (it is the `BodySink`), tells it
 * when the client fails, and reads its state.
 */
export abstract class ClientSide implements BodySink {
  readonly receivedAt = performance.now();
  /** Octets of the body taken from the client, and handed to it. */
  requestBytes = 0;
  responseBytes = 0;
  /** Set once the response's head is out: whether the connection ends after it. */
  closes = false;
  #gone = false;
  #complete: boolean;
  #problem: SchakelError | undefined;
  #aborter: AbortController | undefined;
  #failed: (() => void) | undefined;
  #reader: BodySink | undefined;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #bodyBytes = 0;
  #trailers: HeaderLines | undefined;

  /** @param bodyBytesMax octets of the request's body */
  protected constructor(
    readonly request: ScannedRequest,
    private readonly bodyBytesMax: number,
  ) {
    const { framing } = request;
    this.#complete = framing.kind === "none" || (framing.kind === "length" && framing.bytes === 0);
  }

  /** Whether a final response has begun. */
  abstract readonly begun: boolean;
  /** Passes an interim response on; a client of HTTP/1.0 knows none. */
  abstract interim(status: number, headers: HeaderLines): void;
  /**
   * Begins the response; its head leaves with the first bytes of the body, or at the end of this turn.
   *
   * @throws TypeError when the head cannot be sent; nothing of it has left then
   */
  abstract begin(head: ResponseHead, framing: Framing): void;
  /** Hands on a piece of the body. False: wait for what `onDrain` was given before the next. */
  abstract write(piece: Buffer): boolean;
  /** Ends the response; `finished` is called when all of it has been handed to the system. */
  abstract end(trailers: HeaderLines, finished: () => void): void;
  /** Gives the head and what was written to the system now, and not at the end of this turn. */
  abstract flush(): void;
  /** Breaks the response off, so that the client cannot take it for a complete one. */
  abstract cut(): void;
  /** Calls `drained` whenever the client has taken what was written; undefined ends that. */
  abstract onDrain(drained: (() => void) | undefined): void;
  /** Asks the client to send no more of the body for now, and to go on. Pieces that are under way still come. */
  abstract pauseBody(): void;
  abstract resumeBody(): void;

  /** Whether nothing can be sent to the client any more. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Whether the request has come to its end. */
  get complete(): boolean {
    return this.#complete;
  }

  /** What was wrong with the request's body, once it was. */
  get problem(): SchakelError | undefined {
    return this.#problem;
  }

  /** Whether the client has failed: it has left, or its body cannot be read on. */
  get broken(): boolean {
    return this.#gone || this.#problem !== undefined;
  }

  /** Aborts with the first failure of the client. */
  get signal(): AbortSignal {
    if (this.#aborter === undefined) {
      this.#aborter = new AbortController();
      if (this.broken) this.#aborter.abort();
    }
    return this.#aborter.signal;
  }

  /** Calls `failed` with the first failure of the client; undefined ends that. */
  onFailure(failed: (() => void) | undefined): void {
    this.#failed = failed;
  }

  /** The client has left. */
  leave(): void {
    this.#gone = true;
    this.#fail();
  }

  /** The client's body cannot be read on. */
  fail(problem: SchakelError): void {
    this.#problem ??= problem;
    this.#fail();
  }

  /** Hands the body to a reader: what is held at once, the rest as it comes. Undefined: what comes is held again. */
  readBody(reader: BodySink | undefined): void {
    this.#reader = reader;
    if (reader === undefined) return;
    const held = this.#held;
    const over = this.#heldBytes > HELD_MAX;
    this.#held = [];
    this.#heldBytes = 0;
    for (const piece of held) reader.bodyPiece(piece);
    if (this.#trailers !== undefined) reader.bodyEnd(this.#trailers);
    else if (over) this.resumeBody();
  }

  /**
   * A piece of the body has come.
   *
   * @throws MalformedBody when the body is larger than it may be; nothing of the piece is handed on
   */
  bodyPiece(piece: Buffer): void {
    this.#bodyBytes += piece.length;
    if (this.#bodyBytes > this.bodyBytesMax) {
      throw new MalformedBody(bodyTooLarge(this.bodyBytesMax), "ERROR_CODE_BODY_TOO_LARGE");
    }
    if (this.#reader !== undefined) {
      this.#reader.bodyPiece(piece);
      return;
    }
    this.#held.push(piece);
    const before = this.#heldBytes;
    this.#heldBytes += piece.length;
    if (before <= HELD_MAX && this.#heldBytes > HELD_MAX) this.pauseBody();
  }

  /** The body has come to its end. */
  bodyEnd(trailers: HeaderLines): void {
    this.#complete = true;
    this.#trailers = trailers;
    this.#reader?.bodyEnd(trailers);
  }

  /** Sends a whole answer of our own. Resolves when it has been handed to the system, or the client is gone or takes nothing of it for `idleMs`. */
  answer(answer: Answer, idleMs: number): Promise<"complete" | "client-aborted"> {
    return new Promise((resolve) => {
      if (this.#gone) {
        resolve("client-aborted");
        return;
      }
      const { status, body } = answer;
      const headers = endToEnd(answer.headers);
      this.begin(
        { status, reason: STATUS_CODES[status] ?? "", headers },
        status === 204 ? { kind: "none" } : { kind: "length", bytes: body.length },
      );
      const deadline = new Deadline({ limitMs: () => idleMs, expired: () => this.cut() });
      const done = (result: "complete" | "client-aborted"): void => {
        deadline.stop();
        this.onFailure(undefined);
        resolve(result);
      };
      this.onFailure(() => {
        if (this.#gone) done("client-aborted");
      });
      if (this.request.method !== "HEAD" && body.length > 0) this.write(body);
      this.end([], () => done("complete"));
    });
  }

  #fail(): void {
    this.#aborter?.abort();
    this.#failed?.();
  }
}
