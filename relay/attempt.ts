// One attempt at forwarding an exchange over one connection to its target: the request's body on its way
// there and the response on its way back, each at the pace of the slower side.
import { request as clientRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { SchakelError, toSchakelError } from "../core/errors.js";
import type { ClientSide } from "./client-side.js";
import { Deadline } from "./deadline.js";
import { ForwardError, type ForwardFailure, type ForwardOrder, type Outcome } from "./exchange.js";
import { endToEnd } from "./hop-by-hop.js";
import type { RelayLimits } from "./limits.js";
import { headerValues, linesOf, pairsOf, withoutHeaders, type HeaderLines } from "./message.js";
import type { TargetConnection } from "./pool.js";
import { requestLines } from "./request-lines.js";
import { checkTrailers, type AcceptedRequest } from "./strict-request.js";
import { acceptResponse, MalformedResponse } from "./strict-response.js";
import { linesProblem, trailersProblem, type Framing } from "./strict.js";

/** What an attempt stands on. */
export interface AttemptParts {
  readonly client: ClientSide;
  readonly accepted: AcceptedRequest;
  readonly order: ForwardOrder;
  readonly connection: TargetConnection;
  readonly limits: RelayLimits;
  /** Takes the connection back once the exchange over it is complete. */
  readonly release: (connection: TargetConnection) => void;
}

const EMPTY = Buffer.alloc(0);

const hasBody = (framing: Framing): boolean =>
  framing.kind === "chunked" || (framing.kind === "length" && framing.bytes > 0);

/** Use once: `run`. */
export class Attempt {
  readonly #parts: AttemptParts;
  readonly #startedAt = performance.now();
  #resolve: (outcome: Outcome) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #settled = false;
  #sending: ClientRequest | undefined;
  #requestEnded = false;
  #targetFull = false;
  #clientFull = false;
  #mayContinue: boolean;
  #interims = 0;
  #response: IncomingMessage | undefined;
  #responseEnded = false;
  #status = 0;
  #deadline: Deadline | undefined;
  #stopDrain: () => void = () => undefined;
  readonly #clientFailed = (): void => this.#failClient();
  readonly #cutOff = (): void => this.#cut();

  constructor(parts: AttemptParts) {
    this.#parts = parts;
    // With Expect the client may wait for the target's word before it sends its body.
    this.#mayContinue = headerValues(parts.order.head.headers, "expect").length === 0;
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
      client.signal.addEventListener("abort", this.#clientFailed);
      order.signal?.addEventListener("abort", this.#cutOff);
      if (client.signal.aborted) this.#failClient();
      else if (order.signal?.aborted === true) this.#cut();
      else this.#start();
    });
  }

  #start(): void {
    const { client, accepted, order, connection } = this.#parts;
    try {
      this.#sending = this.#open();
    } catch (error) {
      // The order's own head cannot be sent: a mistake of the caller.
      this.#settle(() => this.#reject(error));
      return;
    }
    this.#deadline = new Deadline(
      () => this.#limitMs(),
      () => this.#expired(),
    );
    this.#stopDrain = client.onDrain(() => this.#clientDrained());
    const sending = this.#sending;
    sending.on("socket", () => connection.listen());
    sending.on("error", (error) => this.#failTarget("broken", error));
    sending.on("information", ({ statusCode, rawHeaders }) =>
      this.#passInterim(statusCode, linesOf(rawHeaders)),
    );
    sending.on("upgrade", (_response, socket) => {
      socket.destroy();
      this.#failTarget("malformed", new MalformedResponse("status 101 was not asked for"));
    });
    sending.on("response", (response) => this.#begin(response));
    sending.on("drain", () => {
      this.#targetFull = false;
      this.#deadline?.restart();
      if (!this.#settled) client.request.resume();
    });
    if (hasBody(accepted.framing)) this.#sendBody(sending, order);
    else this.#endRequest();
  }

  #open(): ClientRequest {
    const { accepted, order, connection, limits } = this.#parts;
    const sending = clientRequest({
      method: order.head.method,
      path: order.head.target,
      headers: requestLines(order.head.headers, accepted),
      setHost: false,
      setDefaultHeaders: false,
      maxHeaderSize: limits.headBytesMax,
      createConnection: () => connection.socket,
    });
    // node:http takes a connection that was handed to it for one to be closed, and drops header lines over
    // a number of its own; both are decided here.
    sending.shouldKeepAlive = true;
    sending.maxHeadersCount = 0;
    connection.socket.once("free", () => {
      if (this.#requestEnded) this.#parts.release(connection);
      else connection.socket.destroy();
    });
    return sending;
  }

  #sendBody(sending: ClientRequest, order: ForwardOrder): void {
    const { client, limits } = this.#parts;
    const { request } = client;
    // Sends the head now; the body may be long in coming.
    sending.write(EMPTY);
    request.on("data", (chunk: Buffer) => {
      client.requestBytes += chunk.length;
      this.#deadline?.progress();
      if (this.#settled || sending.write(chunk)) return;
      this.#targetFull = true;
      request.pause();
    });
    request.on("end", () => {
      if (this.#settled) return;
      try {
        checkTrailers(request, limits);
      } catch (error) {
        client.fail(toSchakelError(error));
        return;
      }
      const kept = this.#passing(linesOf(request.rawTrailers), order);
      if (kept.length > 0) sending.addTrailers(pairsOf(kept));
      this.#endRequest();
    });
  }

  #endRequest(): void {
    this.#requestEnded = true;
    this.#sending?.end();
    this.#deadline?.restart();
  }

  #passing(lines: HeaderLines, order: ForwardOrder): HeaderLines {
    return withoutHeaders(
      endToEnd(lines),
      (name) => name === "trailer" || !order.keepTrailer(name),
    );
  }

  #passInterim(status: number, headers: HeaderLines): void {
    const { client, limits, order } = this.#parts;
    this.#interims += 1;
    const problem =
      this.#interims > limits.interimMax ? "too many interim responses" : linesProblem(headers);
    if (problem !== undefined) {
      this.#failTarget("malformed", new MalformedResponse(problem));
      return;
    }
    this.#mayContinue = true;
    this.#deadline?.restart();
    client.interim(status, this.#passing(headers, order));
  }

  #begin(response: IncomingMessage): void {
    const { client, accepted, order, connection, limits } = this.#parts;
    // A response that comes after the end of this attempt is read by nobody.
    if (this.#settled) return;
    this.#response = response;
    connection.responding(response);
    let framing: Framing;
    try {
      const found = acceptResponse(response, accepted.head.method, limits);
      framing = found.framing;
      const head = order.rewriteResponse({ ...found.head, headers: endToEnd(found.head.headers) });
      client.begin(head, framing);
      this.#status = head.status;
    } catch (error) {
      if (error instanceof MalformedResponse) this.#failTarget("malformed", error);
      else this.#settle(() => this.#reject(error));
      return;
    }
    this.#deadline?.restart();
    this.#passBody(response);
  }

  #passBody(response: IncomingMessage): void {
    const { client, order, limits } = this.#parts;
    response.on("data", (chunk: Buffer) => {
      this.#deadline?.progress();
      if (this.#settled || client.write(chunk)) return;
      this.#clientFull = true;
      response.pause();
    });
    response.on("end", () => {
      if (this.#settled || !response.complete) return;
      const trailers = linesOf(response.rawTrailers);
      const problem = trailersProblem(trailers, limits);
      if (problem !== undefined) {
        this.#failTarget("malformed", new MalformedResponse(problem));
        return;
      }
      this.#responseEnded = true;
      this.#deadline?.restart();
      client.end(this.#passing(trailers, order), () => this.#complete());
    });
    for (const event of ["error", "close"]) {
      response.on(event, () => {
        if (!response.complete) this.#failTarget("broken", undefined);
      });
    }
  }

  #clientDrained(): void {
    if (!this.#clientFull) return;
    this.#clientFull = false;
    this.#deadline?.restart();
    this.#response?.resume();
  }

  /** Who has to move next. */
  #waitsForClient(): boolean {
    if (this.#response !== undefined) return this.#clientFull || this.#responseEnded;
    return !this.#requestEnded && !this.#targetFull && this.#mayContinue;
  }

  #limitMs(): number {
    const { order, limits } = this.#parts;
    if (this.#response !== undefined) return order.target.idleTimeoutMs;
    return this.#waitsForClient() ? limits.bodyIdleTimeoutMs : order.target.answerTimeoutMs;
  }

  #expired(): void {
    const { client } = this.#parts;
    if (!this.#waitsForClient()) {
      this.#failTarget("answer-timeout", undefined);
    } else if (client.begun) {
      this.#failClient();
    } else {
      const detail = "the body made no progress";
      client.fail(new SchakelError("ERROR_CODE_REQUEST_TIMEOUT", { detail }));
    }
  }

  #failClient(): void {
    const { client } = this.#parts;
    this.#fail("client-aborted", client.problem, "client-aborted");
  }

  #failTarget(kind: ForwardFailure, cause: unknown): void {
    // What comes after the last byte of the response no longer concerns this exchange.
    if (this.#responseEnded || (this.#response?.complete === true && kind === "broken")) return;
    const parserRefused =
      cause instanceof Error && "code" in cause && String(cause.code).startsWith("HPE_");
    this.#passArrived();
    this.#fail(parserRefused ? "malformed" : kind, cause, "target-aborted");
  }

  /** Passes on what came before the target failed: the parser reports a bad chunk ahead of the good ones that came with it. */
  #passArrived(): void {
    const response = this.#response;
    const { client } = this.#parts;
    if (this.#settled || response === undefined || !client.begun) return;
    while (response.read() !== null);
    client.flush();
  }

  /** The order's signal has aborted. */
  #cut(): void {
    const { client, order } = this.#parts;
    if (client.begun) this.#fail("broken", undefined, "target-aborted");
    else this.#settle(() => this.#reject(order.signal?.reason));
  }

  #fail(kind: ForwardFailure, cause: unknown, result: "client-aborted" | "target-aborted"): void {
    const { client, accepted, connection } = this.#parts;
    this.#settle(() => {
      if (client.begun) {
        client.cut();
        this.#resolve(this.#outcome(result));
      } else {
        const nothingSent = !connection.written && !hasBody(accepted.framing);
        const { requestBytes } = client;
        this.#reject(new ForwardError(kind, { nothingSent, requestBytes, cause }));
      }
    });
  }

  #complete(): void {
    this.#settle(() => this.#resolve(this.#outcome("complete")));
  }

  #settle(how: () => void): void {
    if (this.#settled) return;
    this.#settled = true;
    const { client, connection, order } = this.#parts;
    this.#deadline?.stop();
    this.#stopDrain();
    client.signal.removeEventListener("abort", this.#clientFailed);
    order.signal?.removeEventListener("abort", this.#cutOff);
    how();
    // Whatever is not finished over this connection never will be.
    if (!this.#responseEnded || !this.#requestEnded) {
      this.#sending?.destroy();
      connection.socket.destroy();
    }
  }

  #outcome(result: Outcome["result"]): Outcome {
    const { client } = this.#parts;
    const now = performance.now();
    return {
      result,
      status: this.#status,
      requestBytes: client.requestBytes,
      responseBytes: client.responseBytes,
      durationUs: {
        total: Math.round((now - client.receivedAt) * 1000),
        target: Math.round((now - this.#startedAt) * 1000),
      },
      link: "http1",
    };
  }
}
