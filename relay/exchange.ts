// The relay's interface: one exchange in, one exchange out. Nothing here depends on how bytes are
// parsed or carried, so that the inside of the relay can be replaced behind it.
import type { Duplex } from "node:stream";
import type { SchakelError } from "../core/errors.js";
import type { EditedLines } from "./edited-lines.js";
import type { HeaderLines, RequestHead, ResponseHead } from "./message.js";

/** An answer of our own. The relay adds the framing and, where needed, `Connection`; what the headers say of either is ignored. */
export interface Answer {
  readonly status: number;
  readonly headers: HeaderLines;
  readonly body: Buffer;
}

/** Where an exchange is forwarded to. */
export interface Target {
  /** Connections are pooled under it: two targets with the same key must be the same server under the same identity. */
  readonly key: string;
  /**
   * Whether a connection that `connect` has made is a link (docs/link.md). With it, those who want to connect at
   * the same time wait for the first, since one link may be enough for all of them.
   */
  readonly isLink?: (connection: Duplex) => boolean;
  /** Whether a connection that `connect` has made speaks HTTP/2, where it may; it is then shared by many exchanges. */
  readonly isHttp2?: (connection: Duplex) => boolean;
  /** Opens a connection that is ready to be written to (TCP, or TLS after every check). The relay owns it from then on. Must give up when the signal aborts. */
  readonly connect: (signal: AbortSignal) => Promise<Duplex>;
  readonly connectTimeoutMs: number;
  /** How long the target may take until the head of its final response, from the last byte that it accepted of the request. */
  readonly answerTimeoutMs: number;
  /** How long an exchange may go without a byte of a body in either direction after the response's head. */
  readonly idleTimeoutMs: number;
}

/** One forwarding. */
export interface ForwardOrder {
  readonly target: Target;
  /** What to send: end-to-end headers, `Host` included. The relay adds framing and Connection, and `TE: trailers` when the client takes trailers. */
  readonly head: {
    readonly method: string;
    readonly target: string;
    readonly headers: HeaderLines | EditedLines;
    /** The value of `Fsc-Authorization`: it becomes the last of the lines, or crosses a link once. */
    readonly token?: string;
  };
  /** Gets and gives end-to-end headers; an `EditedResponse` costs least. What it throws rejects the forwarding as it is, and nothing of the response goes to the client. */
  readonly rewriteResponse: (head: ResponseHead) => ResponseHead;
  /** Which trailers pass, in both directions, and which headers of an interim (1xx) response. Hop-by-hop ones never do. */
  readonly keepTrailer: (lowerName: string) => boolean;
  /**
   * Cuts the exchange from outside when it aborts: the stretch to the target is destroyed, and an answer that
   * has begun is broken off, as if the target had done so (`target-aborted`). Before that the forwarding is
   * rejected with the signal's reason, so that the client can be told why. May outlive any number of exchanges.
   */
  readonly signal?: AbortSignal;
}

/** How an exchange ended after its response had begun. */
export interface Outcome {
  /** `target-aborted`: the target broke off in mid-body, or the order's signal did, and the client saw a broken answer. */
  readonly result: "complete" | "client-aborted" | "target-aborted";
  /** The status that the client got. */
  readonly status: number;
  /** Octets of the request's body that were taken from the client, without chunk framing. */
  readonly requestBytes: number;
  /** Octets of the response's body that were handed to the client, without chunk framing. */
  readonly responseBytes: number;
  readonly durationUs: {
    /** From the arrival of the request's head. */
    readonly total: number;
    /** From the moment a connection to the target was in hand to the last byte of its response, or the end without one; 0 for an answer of our own. */
    readonly target: number;
  };
  /** What the stretch to the target was; `http1` for an answer of our own. */
  readonly link: "http1" | "schakel" | "http2";
}

/** Why a forwarding failed before its response had begun. */
export type ForwardFailure =
  "connect" | "connect-timeout" | "answer-timeout" | "broken" | "malformed" | "client-aborted";

const FAILURES: Readonly<Record<ForwardFailure, string>> = {
  connect: "no connection to the target could be made",
  "connect-timeout": "the target did not accept a connection in time",
  "answer-timeout": "the target did not answer in time",
  broken: "the connection to the target broke before its answer",
  malformed: "the target's answer is not well-formed HTTP",
  "client-aborted": "the client broke off before there was an answer",
};

/**
 * A forwarding that failed while no byte of a response had gone to the client. Its cause is the original
 * error: that of `connect`, of the system, or, when the client's body was malformed or too slow, the
 * SchakelError to answer with (an exchange that is then left unanswered is refused with it).
 */
export class ForwardError extends Error {
  readonly kind: ForwardFailure;
  /** True when not a byte of this exchange reached the target, so that another target may be tried. */
  readonly nothingSent: boolean;
  /** Octets of the request's body that were taken from the client. */
  readonly requestBytes: number;
  /** Microseconds from the moment a connection to the target was in hand; undefined when there was none. */
  readonly targetUs: number | undefined;

  constructor(
    kind: ForwardFailure,
    options: { nothingSent: boolean; requestBytes?: number; targetUs?: number; cause?: unknown },
  ) {
    super(FAILURES[kind], { cause: options.cause });
    this.name = "ForwardError";
    this.kind = kind;
    this.nothingSent = options.nothingSent;
    this.requestBytes = options.requestBytes ?? 0;
    this.targetUs = options.targetUs;
  }
}

/** One accepted request, to be answered exactly once. `C` is what the owner of the connection knows of the client. */
export interface Exchange<C> {
  readonly request: RequestHead;
  readonly context: C;
  /** Monotonic milliseconds (performance.now) at which the head had arrived. */
  readonly receivedAt: number;
  /** Aborts when the client is gone, or when its body turned out malformed or too slow. */
  readonly signal: AbortSignal;
  /**
   * Sends an answer of our own. Resolves when it has been handed to the system, or the client is gone.
   * The connection stays open only when the request's body has arrived by then.
   */
  answer(answer: Answer): Promise<Outcome>;
  /**
   * Forwards the request and its body, and the response back, both streaming. Resolves when the response
   * has been handed to the system, or was broken off after it had begun. May be called again after a
   * rejection with `nothingSent`; after any rejection `answer` may be called.
   *
   * @throws ForwardError, what `rewriteResponse` threw, or the reason of the order's signal; nothing of a
   *   response has gone to the client
   */
  forward(order: ForwardOrder): Promise<Outcome>;
}

/** What the owner of a relay does with what arrives. */
export interface ExchangeHandler<C> {
  /** Handles one exchange; on one connection never before the exchange ahead of it has ended. One that ends unanswered is refused through `refused`. */
  exchange(exchange: Exchange<C>): Promise<void>;
  /**
   * Gives the answer to a message that the relay itself refuses, or to an exchange that was left
   * unanswered. The head is as much as is known of it and may break every rule: do not trust it.
   */
  refused(problem: SchakelError, head: Partial<RequestHead> | undefined, context: C): Answer;
}
