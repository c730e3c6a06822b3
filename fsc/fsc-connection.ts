// One connection of a peer: the time its heads may take, and an end that lets the peer read our last answer.
import { STATUS_CODES } from "node:http";
import type { TLSSocket } from "node:tls";
import type { PeerIdentity } from "../certs/identity.js";
import { errorAnswer } from "../core/error-answer.js";
import { SchakelError } from "../core/errors.js";
import { parserProblem } from "../core/parser-problem.js";
import type { Reply } from "./endpoint.js";
import type { FscLimits } from "./fsc-limits.js";
import type { Incoming } from "./incoming.js";

/** An answer to what is not a request, as bytes. */
const rawAnswer = ({ status, headers, body }: Reply): Buffer => {
  const head = [
    `HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ""}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    "Connection: close",
    "\r\n",
  ].join("\r\n");
  return Buffer.concat([Buffer.from(head, "latin1"), body]);
};

/** Owns a socket from its acceptance to its end. */
export class FscConnection {
  readonly #requests = new Set<Incoming>();
  #newest: Incoming | undefined;
  #isLast = false;
  #isLingering = false;
  #timer: NodeJS.Timeout | undefined;
  #quietBytes = 0;
  readonly #openedAt = performance.now();

  constructor(
    readonly socket: TLSSocket,
    /** Who connected. */
    readonly caller: PeerIdentity,
    private readonly limits: FscLimits,
  ) {
    // node:http ends a connection by destroying it, which resets it when the peer is still sending.
    Object.defineProperty(socket, "destroySoon", { value: () => this.#linger() });
    socket.setNoDelay(true);
    socket.once("close", () => {
      clearTimeout(this.#timer);
      for (const incoming of this.#requests) incoming.end();
    });
    this.#awaitHead();
  }

  /** Whether the answer that is sent next is the last of the connection. */
  get isLast(): boolean {
    return this.#isLast || performance.now() - this.#openedAt > this.limits.connectionAgeMs;
  }

  /** Whether nothing is being answered, and the connection is not at its end. */
  get isIdle(): boolean {
    return this.#requests.size === 0 && !this.#isLast && !this.#isLingering;
  }

  /** A request's head has come. */
  began(incoming: Incoming): void {
    clearTimeout(this.#timer);
    this.#requests.add(incoming);
    this.#newest = incoming;
  }

  /** A request has been answered, or its connection has gone. */
  ended(incoming: Incoming): void {
    this.#requests.delete(incoming);
    incoming.end();
    if (this.#requests.size > 0 || this.#isLingering) return;
    if (this.#isLast) this.#linger();
    else this.#awaitHead();
  }

  /** node:http could not read on. */
  broken(error: Error): void {
    const problem = parserProblem(error);
    if (problem === undefined) {
      this.socket.destroy();
    } else if (this.#newest?.request.complete === false && this.#requests.has(this.#newest)) {
      this.#isLast = true;
      this.#newest.fail(problem);
    } else {
      this.refuse(problem);
    }
  }

  /** Answers without a request, and ends the connection; after what is being answered, if anything is. */
  refuse(problem: SchakelError): void {
    this.#isLast = true;
    if (this.#requests.size > 0 || this.#isLingering || !this.socket.writable) return;
    this.socket.write(rawAnswer(errorAnswer(problem, "manager")));
    this.#linger();
  }

  /** Ends the connection, after what is being answered. */
  drain(): void {
    this.#isLast = true;
    if (this.#requests.size === 0) this.#linger();
  }

  #awaitHead(): void {
    clearTimeout(this.#timer);
    this.#quietBytes = this.socket.bytesRead;
    this.#timer = setTimeout(() => this.#headIsLate(), this.limits.headTimeoutMs);
  }

  #headIsLate(): void {
    if (this.socket.bytesRead === this.#quietBytes) {
      this.#linger();
      return;
    }
    const detail = "the head was not complete in time";
    this.refuse(new SchakelError("ERROR_CODE_REQUEST_TIMEOUT", { detail }));
  }

  /** Sends our end of the connection and reads on for a while (RFC 9112, section 9.6). */
  #linger(): void {
    if (this.#isLingering || this.socket.destroyed) return;
    this.#isLingering = true;
    this.#isLast = true;
    clearTimeout(this.#timer);
    this.socket.end();
    this.socket.resume();
    this.#timer = setTimeout(() => this.socket.destroy(), this.limits.lingerMs);
  }
}
