// A relay between raw sockets: what stands on the wire at either end is written and read byte for byte.
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { SchakelError } from "../../core/errors.js";
import { errorAnswer } from "../../core/error-answer.js";
import {
  ForwardError,
  type Exchange,
  type ExchangeHandler,
  type ForwardOrder,
  type Outcome,
  type Target,
} from "../../relay/exchange.js";
import { endToEnd } from "../../relay/hop-by-hop.js";
import type { RequestHead } from "../../relay/message.js";
import { RELAY_LIMITS, Relay, type RelayLimits } from "../../relay/relay.js";
import { until } from "../support/until.js";

/** How long the bench waits for anything; a machine may be busy. */
const WAIT_MS = 15_000;

/** One end of a raw connection. Text is latin1: one character an octet. */
export class Wire {
  received = "";
  ended = false;
  closed = false;
  error: string | undefined;

  constructor(readonly socket: Socket) {
    socket.on("data", (chunk: Buffer) => (this.received += chunk.toString("latin1")));
    socket.on("end", () => (this.ended = true));
    socket.on("close", () => (this.closed = true));
    socket.on("error", (error: NodeJS.ErrnoException) => (this.error = error.code));
  }

  send(text: string): void {
    this.socket.write(text, "latin1");
  }

  /** Waits until what was received contains a text. */
  async has(text: string): Promise<string> {
    await until(
      `"${text}" in "${this.received.slice(0, 2000)}"`,
      () => this.received.includes(text) || undefined,
      WAIT_MS,
    );
    return this.received;
  }

  /** Waits for the end of the connection. */
  async finished(): Promise<string> {
    await until("the end of a connection", () => this.ended || this.closed || undefined, WAIT_MS);
    return this.received;
  }
}

/** A target of raw sockets. */
export class RawTarget {
  readonly wires: Wire[] = [];
  readonly #server: Server;

  constructor(arrived: (wire: Wire, index: number) => void) {
    this.#server = createServer((socket) => {
      const wire = new Wire(socket);
      arrived(wire, this.wires.push(wire) - 1);
    });
  }

  async listen(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The n-th connection, once it is there. */
  async wire(index = 0): Promise<Wire> {
    return until(`connection ${index} to the target`, () => this.wires[index], WAIT_MS);
  }

  /** All that every connection received. */
  get received(): string {
    return this.wires.map((wire) => wire.received).join("");
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const { socket } of this.wires) socket.destroy();
    await closed;
  }
}

/** A target that answers each request head with the same bytes, without reading bodies. */
export const answering = (answer: string): Promise<RawTarget> =>
  new RawTarget((wire) => {
    let answered = 0;
    wire.socket.on("data", () => {
      const heads = wire.received.split("\r\n\r\n").length - 1;
      for (; answered < heads; answered++) wire.send(answer);
    });
  }).listen();

/** Where to, as a relay is told. */
export const targetAt = (port: number, times: Partial<Target> = {}): Target => ({
  key: String(port),
  connect: async (signal) => {
    const socket = connect(port, "127.0.0.1");
    // Giving up means the socket as well: nobody else knows of it.
    const give = (): void => void socket.destroy();
    signal.addEventListener("abort", give);
    try {
      await once(socket, "connect", { signal });
      return socket;
    } finally {
      signal.removeEventListener("abort", give);
    }
  },
  // Longer than the bench waits, so that no timeout does what the relay should do by itself.
  connectTimeoutMs: 30_000,
  answerTimeoutMs: 30_000,
  idleTimeoutMs: 30_000,
  ...times,
});

const STATUS: Readonly<Record<ForwardError["kind"], SchakelError["code"]>> = {
  connect: "ERROR_CODE_SERVICE_UNREACHABLE",
  "connect-timeout": "ERROR_CODE_SERVICE_TIMEOUT",
  "answer-timeout": "ERROR_CODE_SERVICE_TIMEOUT",
  broken: "ERROR_CODE_SERVICE_UNREACHABLE",
  malformed: "ERROR_CODE_SERVICE_ANSWER_INVALID",
  "client-aborted": "ERROR_CODE_INTERNAL",
};

/** How a bench differs from the plain one. */
export interface BenchOptions {
  readonly limits?: Partial<RelayLimits>;
  readonly target?: Partial<Target>;
  readonly order?: Partial<ForwardOrder>;
  /** What the relay knows of the n-th client; "client" unless given. */
  readonly context?: (index: number) => string;
  readonly exchange?: (exchange: Exchange<string>, order: ForwardOrder) => Promise<void>;
  /** Whether what connects to it speaks the link. */
  readonly link?: boolean;
}

/** A relay that listens, forwards everything to one target, and remembers how it went. */
export class Bench implements ExchangeHandler<string> {
  readonly outcomes: Outcome[] = [];
  readonly failures: unknown[] = [];
  readonly refusals: SchakelError[] = [];
  readonly refusedHeads: (Partial<RequestHead> | undefined)[] = [];
  readonly seen: RequestHead[] = [];
  readonly relay: Relay<string>;
  readonly #server: Server;
  readonly #clients: Wire[] = [];

  constructor(
    private readonly targetPort: number,
    private readonly options: BenchOptions = {},
  ) {
    this.relay = new Relay(this, { ...RELAY_LIMITS, lingerMs: 500, ...options.limits });
    let accepted = 0;
    this.#server = createServer((socket) => {
      const context = options.context?.(accepted) ?? "client";
      accepted += 1;
      if (options.link === true) this.relay.acceptLink(socket, context);
      else this.relay.accept(socket, context);
    });
  }

  static async start(target: RawTarget | number, options: BenchOptions = {}): Promise<Bench> {
    const bench = new Bench(typeof target === "number" ? target : target.port, options);
    bench.#server.listen(0, "127.0.0.1");
    await once(bench.#server, "listening");
    return bench;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  order(head: RequestHead): ForwardOrder {
    return {
      target: targetAt(this.targetPort, this.options.target),
      head: { method: head.method, target: head.target, headers: endToEnd(head.headers) },
      rewriteResponse: (response) => response,
      keepTrailer: () => true,
      ...this.options.order,
    };
  }

  async exchange(exchange: Exchange<string>): Promise<void> {
    this.seen.push(exchange.request);
    const order = this.order(exchange.request);
    if (this.options.exchange !== undefined) return this.options.exchange(exchange, order);
    try {
      this.outcomes.push(await exchange.forward(order));
    } catch (error) {
      this.failures.push(error);
      if (!(error instanceof ForwardError)) throw error;
      if (error.kind === "client-aborted") return;
      await exchange.answer(errorAnswer(new SchakelError(STATUS[error.kind]), "inway"));
    }
  }

  refused(
    problem: SchakelError,
    head: Partial<RequestHead> | undefined,
  ): ReturnType<typeof errorAnswer> {
    this.refusals.push(problem);
    this.refusedHeads.push(head);
    return errorAnswer(problem, "inway");
  }

  /** A raw client, connected; sends a text at once when one is given. */
  async client(text = ""): Promise<Wire> {
    const socket = connect({ port: this.port, host: "127.0.0.1", allowHalfOpen: true });
    const wire = new Wire(socket);
    this.#clients.push(wire);
    await once(socket, "connect");
    if (text !== "") wire.send(text);
    return wire;
  }

  async close(): Promise<void> {
    for (const { socket } of this.#clients) socket.destroy();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    await this.relay.close(1000);
    await until("the exchanges to end", () => this.relay.exchanges === 0);
    await closed;
  }
}
