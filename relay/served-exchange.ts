// The exchange as its handler sees it: answered or forwarded once, and at most one second attempt.
import { Attempt } from "./attempt.js";
import type { ClientSide } from "./client-side.js";
import {
  ForwardError,
  type Answer,
  type Exchange,
  type ForwardOrder,
  type Outcome,
} from "./exchange.js";
import type { RelayLimits } from "./limits.js";
import type { RequestHead } from "./message.js";
import type { Pool } from "./pool.js";
import type { TargetSide } from "./target-connection.js";

/** What the exchanges of one relay share. */
export interface Shared {
  readonly limits: RelayLimits;
  readonly pool: Pool;
}

// RFC 9110, section 9.2.2.
const IDEMPOTENT: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "OPTIONS",
  "TRACE",
  "PUT",
  "DELETE",
]);

/** One exchange of a client, whatever carries it. Whoever makes it waits until nothing of it is `running`. */
export class ServedExchange<C> implements Exchange<C> {
  #running: Promise<unknown> | undefined;

  constructor(
    readonly client: ClientSide,
    readonly context: C,
    private readonly shared: Shared,
  ) {}

  get request(): RequestHead {
    return this.client.request;
  }

  get receivedAt(): number {
    return this.client.receivedAt;
  }

  get signal(): AbortSignal {
    return this.client.signal;
  }

  /** An answer or a forwarding that has not ended yet. */
  get running(): Promise<unknown> | undefined {
    return this.#running;
  }

  answer(answer: Answer): Promise<Outcome> {
    if (this.#running !== undefined || this.client.begun) return refusedTwice();
    return this.#note(this.#answer(answer));
  }

  async #answer(answer: Answer): Promise<Outcome> {
    const { client, shared } = this;
    const result = await client.answer(answer, shared.limits.bodyIdleTimeoutMs);
    return {
      result,
      status: answer.status,
      requestBytes: client.requestBytes,
      responseBytes: client.responseBytes,
      durationUs: {
        total: Math.round((performance.now() - client.receivedAt) * 1000),
        target: 0,
      },
      link: "http1",
    };
  }

  forward(order: ForwardOrder): Promise<Outcome> {
    if (this.#running !== undefined || this.client.begun) return refusedTwice();
    const { client, shared } = this;
    if (client.broken) {
      const { problem: cause } = client;
      return Promise.reject(new ForwardError("client-aborted", { nothingSent: true, cause }));
    }
    // Of the usual exchange nothing waits but for its answer.
    const idle = order.signal?.aborted === true ? undefined : shared.pool.idle(order.target);
    return this.#note(
      idle === undefined ? this.#forwardAnew(order) : this.#forwardOver(order, idle),
    );
  }

  async #forwardAnew(order: ForwardOrder): Promise<Outcome> {
    order.signal?.throwIfAborted();
    return this.#attempt(order, await this.#connect(order));
  }

  /** Over a connection that was kept. */
  #forwardOver(order: ForwardOrder, connection: TargetSide): Promise<Outcome> {
    return this.#attempt(order, connection).catch(async (error: unknown) => {
      if (!this.#mayTryAgain(error, connection)) throw error;
      return this.#attempt(order, await this.#connectAgain(order));
    });
  }

  /** A new connection, unless the client goes or the order is cut first. */
  async #connect({ target, signal }: ForwardOrder): Promise<TargetSide> {
    const { client, shared } = this;
    if (signal === undefined) return shared.pool.connect(target, client.signal);
    signal.throwIfAborted();
    // AbortSignal.any would leave something of itself with a signal that outlives the exchange.
    const either = new AbortController();
    const abort = (): void => either.abort();
    for (const one of [client.signal, signal]) one.addEventListener("abort", abort);
    try {
      return await shared.pool.connect(target, either.signal);
    } catch (error) {
      if (!client.signal.aborted) signal.throwIfAborted();
      throw error;
    } finally {
      for (const one of [client.signal, signal]) one.removeEventListener("abort", abort);
    }
  }

  async #connectAgain(order: ForwardOrder): Promise<TargetSide> {
    try {
      return await this.#connect(order);
    } catch (error) {
      if (!(error instanceof ForwardError)) throw error;
      // The first connection may have taken the request.
      throw new ForwardError(error.kind, { nothingSent: false, cause: error.cause });
    }
  }

  /**
   * A kept connection may have been closed by the target just as the request left. Only a request that
   * does the same when done twice, and has no body, is then sent once more, over a new connection.
   */
  #mayTryAgain(error: unknown, connection: TargetSide): boolean {
    return (
      error instanceof ForwardError &&
      error.kind === "broken" &&
      connection.reused &&
      !connection.answered &&
      this.client.request.framing.kind === "none" &&
      (error.nothingSent || IDEMPOTENT.has(this.request.method))
    );
  }

  #attempt(order: ForwardOrder, connection: TargetSide): Promise<Outcome> {
    const { client, shared } = this;
    return new Attempt({ client, order, connection, limits: shared.limits }).run();
  }

  /** Has `running` be the work until it is over. */
  #note(work: Promise<Outcome>): Promise<Outcome> {
    const over = (): void => {
      this.#running = undefined;
    };
    this.#running = work;
    work.then(over, over);
    return work;
  }
}

const refusedTwice = (): Promise<never> =>
  Promise.reject(new Error("an exchange is answered once"));
