// One connection of a client: its requests strictly one after the other, refusals included, and an end
// that lets the client read the last answer.
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { SchakelError, toSchakelError } from "../core/errors.js";
import { parserProblem } from "../core/parser-problem.js";
import { ClientSide } from "./client-side.js";
import type { Answer, ExchangeHandler } from "./exchange.js";
import { endToEnd } from "./hop-by-hop.js";
import type { RequestHead } from "./message.js";
import { ServedExchange, type Shared } from "./served-exchange.js";
import {
  acceptRequest,
  checkTrailers,
  uncheckedHead,
  type AcceptedRequest,
} from "./strict-request.js";

/** What all connections of a relay share. */
export interface Served<C> extends Shared {
  readonly handler: ExchangeHandler<C>;
  /** Whether the relay takes no more exchanges. */
  readonly draining: () => boolean;
  readonly began: () => void;
  readonly ended: () => void;
}

/** What no request could be made of. */
interface Unreadable {
  readonly problem: SchakelError;
  readonly head?: Partial<RequestHead>;
}

// node:http keeps each of them, with its head, as long as the connection lives.
const IGNORED_MAX = 256;

/** Owns the socket from its acceptance to its end. */
export class ClientConnection<C> {
  // In the order of arrival; at most one is unreadable, and then it is the last.
  readonly #waiting: (ClientSide | Unreadable)[] = [];
  #active: ClientSide | undefined;
  #newest: ClientSide | undefined;
  #serving = false;
  /** Nothing that arrives from now on is looked at. */
  #deaf = false;
  /** The last answer of this connection has begun. */
  #last = false;
  #lingering = false;
  #gone = false;
  #ignored = 0;
  #quietSince = performance.now();
  #quietBytes: number;
  #headSince: number | undefined;

  constructor(
    private readonly socket: Duplex,
    readonly context: C,
    private readonly served: Served<C>,
    closed: () => void,
  ) {
    this.#quietBytes = this.#bytesRead();
    // node:http writes some heads without naming an encoding; the octets of a head are latin1.
    socket.setDefaultEncoding("latin1");
    // node:http ends a connection by destroying it, which resets it when the client is still sending.
    Object.defineProperty(socket, "destroySoon", { value: () => this.#linger() });
    if (socket instanceof Socket) socket.setNoDelay(true);
    // After a CONNECT node:http listens no more, and a reset would end the process.
    socket.on("error", () => undefined);
    socket.on("end", () => {
      this.#leave();
      if (!this.#lingering) socket.destroy();
    });
    socket.on("close", () => {
      this.#leave();
      closed();
    });
  }

  /** node:http has read the head of a request. */
  request(request: IncomingMessage, response: ServerResponse): void {
    const client = new ClientSide(request, response, this.socket, () => this.#mayStayOpen());
    if (this.#deaf || this.#last || this.served.draining()) {
      client.discardBody();
      this.#ignored += 1;
      if (this.#ignored > IGNORED_MAX) this.destroy();
      return;
    }
    this.#newest = client;
    this.#waiting.push(client);
    if (this.#waiting.length > this.served.limits.pipelinedMax) this.#deaf = true;
    void this.#serve();
  }

  /** node:http has read a CONNECT and has let go of the connection. */
  tunnel(request: IncomingMessage): void {
    this.socket.resume();
    const problem = new SchakelError("ERROR_CODE_METHOD_UNSUPPORTED");
    this.#refuseNext({ problem, head: uncheckedHead(request) });
  }

  /** node:http could not read on. */
  broken(error: Error): void {
    const problem = parserProblem(error);
    if (problem === undefined) {
      this.#leave();
      this.socket.destroy();
    } else if (this.#newest !== undefined && !this.#newest.request.complete) {
      this.#deaf = true;
      this.#newest.fail(problem);
    } else {
      this.#refuseNext({ problem });
    }
  }

  /** Looks at the clock: a head that is too slow in coming is refused, a connection that is idle for too long is ended. */
  sweep(now: number): void {
    if (this.#serving || this.#lingering || this.#deaf) return;
    const { headTimeoutMs, keepAliveTimeoutMs } = this.served.limits;
    if (this.#bytesRead() === this.#quietBytes) {
      if (now - this.#quietSince > keepAliveTimeoutMs) this.#linger();
      return;
    }
    this.#headSince ??= now;
    if (now - this.#headSince > headTimeoutMs) {
      const detail = "the head was not complete in time";
      const problem = new SchakelError("ERROR_CODE_REQUEST_TIMEOUT", { detail });
      this.#refuseNext({ problem });
    }
  }

  /** Ends the connection, after the exchange that runs on it. */
  drain(): void {
    this.#deaf = true;
    if (!this.#serving) this.#linger();
  }

  /** Ends the connection now, and with it what runs or waits on it. */
  destroy(): void {
    this.#leave();
    this.socket.destroy();
  }

  #isOver(): boolean {
    return this.#gone || this.#last;
  }

  #bytesRead(): number {
    return this.socket instanceof Socket ? this.socket.bytesRead : 0;
  }

  #mayStayOpen(): boolean {
    return !this.served.draining() && !(this.#deaf && this.#waiting.length === 0);
  }

  #leave(): void {
    this.#gone = true;
    this.#active?.leave();
    for (const waiting of this.#waiting.splice(0)) {
      if (waiting instanceof ClientSide) waiting.leave();
    }
  }

  #refuseNext(unreadable: Unreadable): void {
    if (this.#deaf || this.#last) return;
    this.#deaf = true;
    this.#waiting.push(unreadable);
    void this.#serve();
  }

  async #serve(): Promise<void> {
    if (this.#serving) return;
    this.#serving = true;
    // Lets the parser come to the end of the request whose head it has just reported.
    await Promise.resolve();
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (this.#isOver()) break;
      if (next instanceof ClientSide) {
        this.#active = next;
        await this.#serveRequest(next);
        this.#active = undefined;
      } else {
        this.#refuseRaw(next);
      }
    }
    this.#serving = false;
    this.#quietSince = performance.now();
    this.#quietBytes = this.#bytesRead();
    this.#headSince = undefined;
    if (this.#deaf || this.served.draining()) this.#linger();
  }

  async #serveRequest(client: ClientSide): Promise<void> {
    // A body may have come with its head, whole or malformed; the parser tells in this turn of the loop.
    if (!client.request.complete) await setImmediate();
    if (client.gone) return;
    let accepted: AcceptedRequest;
    try {
      accepted = this.#accept(client);
    } catch (error) {
      this.#deaf = true;
      // What stands behind it may be part of it to another parser.
      this.#waiting.length = 0;
      await this.#refuse(client, toSchakelError(error));
      return;
    }
    this.served.began();
    const exchange = new ServedExchange(client, this.context, accepted, this.served);
    let failure: unknown = new Error("the exchange was left unanswered");
    try {
      await this.served.handler.exchange(exchange);
    } catch (error) {
      failure = error;
    }
    await exchange.ended();
    await this.#refuseUnanswered(client, failure);
    this.served.ended();
    this.#settled(client);
  }

  #accept({ request, problem }: ClientSide): AcceptedRequest {
    const { limits } = this.served;
    const accepted = acceptRequest(request, limits);
    if (problem !== undefined) throw problem;
    checkTrailers(request, limits);
    return accepted;
  }

  async #refuseUnanswered(client: ClientSide, failure: unknown): Promise<void> {
    if (client.begun || client.gone) return;
    await this.#refuse(client, client.problem ?? toSchakelError(failure));
  }

  async #refuse(client: ClientSide, problem: SchakelError): Promise<void> {
    const { handler, limits } = this.served;
    try {
      const answer = handler.refused(problem, uncheckedHead(client.request), this.context);
      await client.answer(answer, limits.bodyIdleTimeoutMs);
    } catch {
      client.cut();
    }
    this.#settled(client);
  }

  #settled(client: ClientSide): void {
    this.#last ||= client.closes;
    if (!client.request.complete) client.discardBody();
  }

  #refuseRaw({ problem, head }: Unreadable): void {
    this.#last = true;
    try {
      this.socket.write(rawAnswer(this.served.handler.refused(problem, head, this.context)));
      this.#linger();
    } catch {
      this.socket.destroy();
    }
  }

  /** Sends our end of the connection and reads on for a while (RFC 9112, section 9.6). */
  #linger(): void {
    if (this.#lingering || this.socket.destroyed) return;
    this.#lingering = true;
    this.#deaf = true;
    this.socket.end();
    this.socket.resume();
    const timer = setTimeout(() => this.socket.destroy(), this.served.limits.lingerMs);
    this.socket.once("close", () => clearTimeout(timer));
  }
}

/** An answer to what is not a request, as bytes. */
const rawAnswer = ({ status, headers, body }: Answer): Buffer => {
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    ...endToEnd(headers).map(([name, value]) => `${name}: ${value}`),
    "Connection: close",
    `Content-Length: ${body.length}`,
    "\r\n",
  ].join("\r\n");
  return Buffer.concat([Buffer.from(head, "latin1"), body]);
};
