// One connection of a client: its requests strictly one after the other, refusals included, and an end
// that lets the client read the last answer.
import { STATUS_CODES } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { SchakelError } from "../core/errors.js";
import { octetsCame } from "../core/young-octets.js";
import { ClientMessage, type ClientWire } from "./client-message.js";
import type { Answer } from "./exchange.js";
import { HeadReader } from "./head-reader.js";
import { endToEnd } from "./hop-by-hop.js";
import type { RequestHead } from "./message.js";
import { BodyReader, MalformedBody } from "./scan-body.js";
import { RefusedHead, scanRequest, type FoundRequest } from "./scan-request.js";
import { refuse, serve, type Served } from "./serve.js";
import { responseBytes } from "./write-head.js";
import { Writer, writingAtOnce } from "./writer.js";

/** What no request could be made of. */
interface Unreadable {
  readonly problem: SchakelError;
  readonly head?: Partial<RequestHead> | undefined;
}

const EMPTY = Buffer.alloc(0);
/** So much is taken in of what waits for the exchange ahead of it; more is left to the system. */
const WAITING_MAX = 64 * 1024;
/** So much is read over of what comes after more requests than may wait. */
const IGNORED_MAX = 8 * 1024;

/** Owns the socket from its acceptance to its end. */
export class ClientConnection<C> {
  readonly #wire: ClientWire;
  readonly #heads: HeadReader<FoundRequest>;
  // In the order of arrival; at most one is unreadable, and then it is the last.
  #waiting: (ClientMessage | Unreadable)[] = [];
  #active: ClientMessage | undefined;
  /** The request whose body is being read, or is next. */
  #reading: { readonly message: ClientMessage; readonly body: BodyReader } | undefined;
  /** What has come and has not been looked at. */
  #rest: Buffer = EMPTY;
  /** Nothing that arrives from now on is looked at. */
  #deaf = false;
  /** More requests came than may wait. */
  #flooded = false;
  #ignored = 0;
  /** The last answer of this connection has begun. */
  #last = false;
  #lingering = false;
  #gone = false;
  #quietSince = performance.now();
  #headSince: number | undefined;

  constructor(
    private readonly socket: Duplex,
    readonly context: C,
    private readonly served: Served<C>,
    closed: () => void,
  ) {
    const { limits } = served;
    this.#wire = {
      socket,
      writer: new Writer(socket),
      mayStayOpen: () => !this.served.draining() && !(this.#deaf && this.#waiting.length === 0),
      drained: undefined,
    };
    this.#heads = new HeadReader(
      (bytes, from) => scanRequest(bytes, from, limits),
      limits.headBytesMax,
    );
    if (socket instanceof Socket) socket.setNoDelay(true);
    socket.on("error", () => undefined);
    const arrived = (chunk: Buffer): void => this.#arrived(chunk);
    socket.on("data", (chunk: Buffer) => writingAtOnce(arrived, chunk));
    socket.on("drain", () => this.#wire.drained?.());
    socket.on("end", () => {
      this.#leave();
      if (!this.#lingering) socket.destroy();
    });
    socket.on("close", () => {
      this.#leave();
      closed();
    });
  }

  /** Looks at the clock: a head that is too slow in coming is refused, a connection that is idle for too long is ended. */
  sweep(now: number): void {
    if (this.#active !== undefined || this.#lingering || this.#deaf) return;
    const { headTimeoutMs, keepAliveTimeoutMs } = this.served.limits;
    if (this.#headSince === undefined) {
      if (now - this.#quietSince > keepAliveTimeoutMs) this.#linger();
    } else if (now - this.#headSince > headTimeoutMs) {
      const detail = "the head was not complete in time";
      this.#refuseNext({ problem: new SchakelError("ERROR_CODE_REQUEST_TIMEOUT", { detail }) });
      this.#next();
    }
  }

  /** Ends the connection, after the exchange that runs on it. */
  drain(): void {
    this.#deaf = true;
    if (this.#active === undefined) this.#linger();
  }

  /** Ends the connection now, and with it what runs or waits on it. */
  destroy(): void {
    this.#leave();
    this.socket.destroy();
  }

  #leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#active?.leave();
    for (const next of waiting) if (next instanceof ClientMessage) next.leave();
  }

  #arrived(chunk: Buffer): void {
    octetsCame(chunk.length);
    if (this.#lingering || this.#gone) return;
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#read();
    this.#next();
  }

  /** Looks at what has come, as far as the exchange that runs lets it. */
  #read(): void {
    const bytes = this.#rest;
    let at = 0;
    while (at < bytes.length && !this.#gone) {
      const reading = this.#reading;
      if (this.#deaf && reading === undefined) {
        this.#ignore(bytes.length - at);
        at = bytes.length;
      } else if (reading === undefined) at = this.#readHead(bytes, at);
      else if (reading.message === this.#active) at = this.#readBody(bytes, at, reading);
      else break;
    }
    this.#rest = at === bytes.length ? EMPTY : bytes.subarray(at);
    if (this.#rest.length > WAITING_MAX) this.socket.pause();
  }

  #ignore(octets: number): void {
    this.#ignored += octets;
    if (this.#flooded && this.#ignored > IGNORED_MAX) this.destroy();
  }

  #readHead(bytes: Buffer, from: number): number {
    const { served } = this;
    const ahead = this.#waiting.length + (this.#active === undefined ? 0 : 1);
    if (served.draining() || ahead > served.limits.pipelinedMax) {
      this.#flooded = !served.draining();
      this.#deaf = true;
      return from;
    }
    let found: FoundRequest | undefined;
    try {
      found = this.#heads.read(bytes, from);
    } catch (error) {
      if (!(error instanceof RefusedHead)) throw error;
      this.#refuseNext({ problem: error.problem, head: error.head });
      return bytes.length;
    }
    if (found === undefined) {
      this.#headSince ??= performance.now();
      return bytes.length;
    }
    this.#headSince = undefined;
    const message = new ClientMessage(found.head, this.#wire, served.limits.bodyBytesMax);
    this.#waiting.push(message);
    if (!message.complete) {
      const body = new BodyReader(found.head.framing, served.limits, message);
      this.#reading = { message, body };
    }
    return found.end;
  }

  #readBody(
    bytes: Buffer,
    from: number,
    { message, body }: { message: ClientMessage; body: BodyReader },
  ): number {
    try {
      const at = body.feed(bytes, from);
      if (body.ended) this.#reading = undefined;
      return at;
    } catch (error) {
      if (!(error instanceof MalformedBody)) throw error;
      this.#reading = undefined;
      this.#deaf = true;
      message.fail(new SchakelError(error.code, { detail: error.rule }));
      return bytes.length;
    }
  }

  #refuseNext(unreadable: Unreadable): void {
    if (this.#deaf || this.#last) return;
    this.#deaf = true;
    this.#waiting.push(unreadable);
  }

  /** Begins with the next request, when none is being answered. */
  #next(): void {
    if (this.#active !== undefined || this.#gone || this.#last) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    if (next instanceof ClientMessage) this.#serve(next);
    else this.#refuseRaw(next);
  }

  #serve(message: ClientMessage): void {
    this.#active = message;
    // A body may have come with its head, whole or malformed.
    if (this.#reading?.message === message) {
      this.socket.resume();
      this.#read();
    }
    if (this.#gone) return;
    const settled = (): void => this.#settled(message);
    const serving = { client: message, context: this.context, settled };
    if (message.problem !== undefined) {
      // What stands behind it may be part of it to another parser.
      this.#waiting = [];
      refuse(this.served, serving, message.problem);
    } else serve(this.served, serving);
  }

  /** The exchange is over: the next, or the end. */
  #settled(message: ClientMessage): void {
    message.readBody(undefined);
    this.#wire.drained = undefined;
    this.#active = undefined;
    this.#last ||= message.closes;
    if (this.#gone) return;
    if (this.#last || this.#reading?.message === message) {
      this.#linger();
      return;
    }
    this.socket.resume();
    const now = performance.now();
    this.#quietSince = now;
    if (this.#headSince !== undefined) this.#headSince = now;
    if (this.#rest.length > 0) this.#read();
    this.#next();
    if (!this.#isBusy() && (this.#deaf || this.served.draining())) this.#linger();
  }

  #isBusy(): boolean {
    return this.#active !== undefined || this.#waiting.length > 0;
  }

  #refuseRaw({ problem, head }: Unreadable): void {
    this.#last = true;
    try {
      const answer = this.served.handler.refused(problem, head, this.context);
      for (const piece of rawAnswer(answer, head?.method)) this.#wire.writer.push(piece);
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
    this.#rest = EMPTY;
    this.#wire.writer.flush();
    this.socket.end();
    this.socket.resume();
    const timer = setTimeout(() => this.socket.destroy(), this.served.limits.lingerMs);
    this.socket.once("close", () => clearTimeout(timer));
  }
}

/** An answer to what is not a request, as bytes. */
const rawAnswer = ({ status, headers, body }: Answer, method?: string): readonly Buffer[] => {
  const own = `Connection: close\r\nContent-Length: ${body.length}\r\n`;
  const reason = STATUS_CODES[status] ?? "";
  const head = responseBytes({ status, reason, headers: endToEnd(headers) }, own);
  return method === "HEAD" ? [head] : [head, body];
};
