// One attempt at forwarding an exchange over one connection to its target: the request's body on its way
// there and the response on its way back, each at the pace of the slower side.
import { SchakelError } from "../core/errors.js";
import type { ClientSide } from "./client-side.js";
import { Following, type Cuttable } from "./cut-off.js";
import { Deadline, type Watched } from "./deadline.js";
import { EditedLines, EndToEndResponse } from "./edited-lines.js";
import { ForwardError, type ForwardFailure, type ForwardOrder, type Outcome } from "./exchange.js";
import { endToEnd } from "./hop-by-hop.js";
import type { RelayLimits } from "./limits.js";
import { headerValues, withoutHeaders, type HeaderLines } from "./message.js";
import { headToTarget } from "./request-lines.js";
import { MalformedResponse, type ScannedResponse } from "./scan-response.js";
import type { ResponseSink, TargetSide } from "./target-connection.js";

/** What an attempt stands on. */
export interface AttemptParts {
  readonly client: ClientSide;
  readonly order: ForwardOrder;
  readonly connection: TargetSide;
  readonly limits: RelayLimits;
}

const linesOf = (headers: HeaderLines | EditedLines): HeaderLines =>
  headers instanceof EditedLines ? headers.pairs : headers;

/** Use once: `run`. */
export class Attempt implements ResponseSink, Watched, Cuttable {
  readonly #parts: AttemptParts;
  readonly #startedAt = performance.now();
  /** When the last byte of the response had come. */
  #answeredAt: number | undefined;
  #resolve: (outcome: Outcome) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #settled = false;
  readonly #hasBody: boolean;
  #requestEnded = false;
  #targetFull = false;
  #clientFull = false;
  #mayContinue: boolean;
  #interims = 0;
  #responding = false;
  #responseEnded = false;
  #released = false;
  #status = 0;
  #deadline: Deadline | undefined;
  #following: Following | undefined;

  constructor(parts: AttemptParts) {
    this.#parts = parts;
    const { request } = parts.client;
    const { framing } = request;
    this.#hasBody = framing.kind === "chunked" || (framing.kind === "length" && framing.bytes > 0);
    // With Expect the client may wait for the target's word before it sends its body.
    this.#mayContinue =
      !request.says.expects ||
      headerValues(linesOf(parts.order.head.headers), "expect").length === 0;
  }

  /**
   * Resolves with the outcome once a response has begun and ended, however it ended.
   *
   * @throws ForwardError, what `rewriteResponse` threw, or the reason of the order's signal, when no byte of a
   *   response has gone to the client
   */
  run(): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      const { client, order } = this.#parts;
      client.onFailure(() => this.#failClient());
      if (client.broken) {
        this.#failClient();
      } else if (order.signal?.aborted === true) {
        this.cutOff();
      } else {
        if (order.signal !== undefined) this.#following = new Following(order.signal, this);
        this.#start();
      }
    });
  }

  #start(): void {
    const { client, order, connection } = this.#parts;
    const { request } = client;
    try {
      const { method, token } = order.head;
      const beside = token !== undefined && connection.takesToken(token);
      const head = headToTarget(order.head, request, beside ? undefined : token);
      const chunked = request.framing.kind === "chunked";
      const ends = !this.#hasBody;
      connection.send({ method, head, chunked, ends, token: beside ? token : undefined }, this);
    } catch (error) {
      // The order's own head cannot be sent: a mistake of the caller.
      this.#settle(() => this.#reject(error));
      return;
    }
    this.#deadline = new Deadline(this);
    client.onDrain(() => this.#clientDrained());
    if (!this.#hasBody) {
      this.#endRequest();
      return;
    }
    client.readBody({
      bodyPiece: (piece) => this.#sendPiece(piece),
      bodyEnd: (trailers) => this.#sendEnd(trailers),
    });
  }

  #sendPiece(piece: Buffer): void {
    const { client, connection } = this.#parts;
    client.requestBytes += piece.length;
    if (this.#settled) return;
    this.#deadline?.progress();
    if (connection.write(piece)) return;
    this.#targetFull = true;
    client.pauseBody();
  }

  #sendEnd(trailers: HeaderLines): void {
    if (this.#settled) return;
    this.#parts.connection.end(this.#passing(trailers));
    this.#endRequest();
  }

  #endRequest(): void {
    this.#requestEnded = true;
    this.#deadline?.restart();
    this.#releaseWhenOver();
  }

  #passing(lines: HeaderLines): HeaderLines {
    if (lines.length === 0) return lines;
    const { order } = this.#parts;
    return withoutHeaders(
      endToEnd(lines),
      (name) => name === "trailer" || !order.keepTrailer(name),
    );
  }

  /** The target has taken what was written. */
  drained(): void {
    if (!this.#targetFull) return;
    this.#targetFull = false;
    this.#deadline?.restart();
    if (!this.#settled) this.#parts.client.resumeBody();
  }

  /** An interim response has come. */
  interim({ status, headers }: ScannedResponse): void {
    const { client, limits } = this.#parts;
    if (this.#settled) return;
    this.#interims += 1;
    if (this.#interims > limits.interimMax) {
      this.failed("malformed", new MalformedResponse("too many interim responses"));
      return;
    }
    this.#mayContinue = true;
    this.#deadline?.restart();
    client.interim(status, this.#passing(headers));
  }

  /** The head of the final response has come. */
  begin(response: ScannedResponse): void {
    const { client, order } = this.#parts;
    if (this.#settled) return;
    this.#responding = true;
    const { framing } = response;
    try {
      const head = order.rewriteResponse(new EndToEndResponse(response));
      client.begin(head, framing);
      this.#status = head.status;
    } catch (error) {
      this.#settle(() => this.#reject(error));
      return;
    }
    this.#deadline?.restart();
  }

  /** A piece of the response's body has come. */
  bodyPiece(piece: Buffer): void {
    if (this.#settled) return;
    this.#deadline?.progress();
    const { client, connection } = this.#parts;
    if (client.write(piece) || this.#clientFull) return;
    this.#clientFull = true;
    connection.pause();
  }

  /** The response has come to its end. */
  bodyEnd(trailers: HeaderLines): void {
    if (this.#settled) return;
    this.#responseEnded = true;
    this.#answeredAt = performance.now();
    this.#deadline?.restart();
    this.#releaseWhenOver();
    this.#parts.client.end(this.#passing(trailers), () => this.#complete());
  }

  #releaseWhenOver(): void {
    if (!this.#requestEnded || !this.#responseEnded || this.#released) return;
    this.#released = true;
    this.#parts.connection.release();
  }

  #clientDrained(): void {
    if (!this.#clientFull) return;
    this.#clientFull = false;
    this.#deadline?.restart();
    if (!this.#released) this.#parts.connection.resume();
  }

  /** Who has to move next. */
  #waitsForClient(): boolean {
    if (this.#responding) return this.#clientFull || this.#responseEnded;
    return !this.#requestEnded && !this.#targetFull && this.#mayContinue;
  }

  /** Part of Watched. */
  limitMs(): number {
    const { order, limits } = this.#parts;
    if (this.#responding) return order.target.idleTimeoutMs;
    return this.#waitsForClient() ? limits.bodyIdleTimeoutMs : order.target.answerTimeoutMs;
  }

  /** Part of Watched. */
  expired(): void {
    const { client } = this.#parts;
    if (!this.#waitsForClient()) {
      this.failed("answer-timeout", undefined);
    } else if (client.begun) {
      this.#failClient();
    } else {
      const detail = "the body made no progress";
      client.fail(new SchakelError("ERROR_CODE_REQUEST_TIMEOUT", { detail }));
    }
  }

  #failClient(): void {
    this.#fail("client-aborted", this.#parts.client.problem, "client-aborted");
  }

  /** The target, or the connection to it, has failed. */
  failed(kind: ForwardFailure, cause: unknown): void {
    // What comes after the last byte of the response no longer concerns this exchange.
    if (!this.#responseEnded) this.#fail(kind, cause, "target-aborted");
  }

  /** The order's signal has aborted. */
  cutOff(): void {
    const { client, order } = this.#parts;
    if (client.begun) this.#fail("broken", undefined, "target-aborted");
    else this.#settle(() => this.#reject(order.signal?.reason));
  }

  #fail(kind: ForwardFailure, cause: unknown, result: "client-aborted" | "target-aborted"): void {
    const { client, connection } = this.#parts;
    this.#settle(() => {
      if (client.begun) {
        client.cut();
        this.#resolve(this.#outcome(result));
      } else {
        const nothingSent = !connection.written && !this.#hasBody;
        const { requestBytes } = client;
        const targetUs = this.#targetUs(performance.now());
        this.#reject(new ForwardError(kind, { nothingSent, requestBytes, targetUs, cause }));
      }
    });
  }

  #complete(): void {
    this.#settle(() => this.#resolve(this.#outcome("complete")));
  }

  #settle(how: () => void): void {
    if (this.#settled) return;
    this.#settled = true;
    const { client, connection } = this.#parts;
    this.#deadline?.stop();
    client.onDrain(undefined);
    client.onFailure(undefined);
    this.#following?.end();
    how();
    // Whatever is not finished over this connection never will be.
    if (!this.#released) connection.destroy();
  }

  #targetUs(now: number): number {
    return Math.round(((this.#answeredAt ?? now) - this.#startedAt) * 1000);
  }

  #outcome(result: Outcome["result"]): Outcome {
    const { client, connection } = this.#parts;
    const now = performance.now();
    return {
      result,
      status: this.#status,
      requestBytes: client.requestBytes,
      responseBytes: client.responseBytes,
      durationUs: {
        total: Math.round((now - client.receivedAt) * 1000),
        target: this.#targetUs(now),
      },
      link: connection.link,
    };
  }
}
