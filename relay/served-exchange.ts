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
import type { Pool, TargetConnection } from "./pool.js";
import type { AcceptedRequest } from "./strict-request.js";

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

/** One exchange of a client's connection, which makes it and waits for `ended`. */
export class ServedExchange<C> implements Exchange<C> {
  readonly request: RequestHead;
  #running: Promise<unknown> = Promise.resolve();
  #busy = false;

  constructor(
    readonly client: ClientSide,
    readonly context: C,
    private readonly accepted: AcceptedRequest,
    private readonly shared: Shared,
  ) {
    this.request = accepted.head;
  }

  get receivedAt(): number {
    return this.client.receivedAt;
  }

  get signal(): AbortSignal {
    return this.client.signal;
  }

  /** Resolves when nothing of the exchange runs any more. Never rejects. */
  async ended(): Promise<void> {
    await this.#running.catch(() => undefined);
  }

  answer(answer: Answer): Promise<Outcome> {
    return this.#run(async () => {
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
    });
  }

  forward(order: ForwardOrder): Promise<Outcome> {
    return this.#run(async () => {
      const { client } = this;
      if (client.signal.aborted) {
        throw new ForwardError("client-aborted", { nothingSent: true, cause: client.problem });
      }
      const connection = await this.#lease(order, false);
      try {
        return await this.#attempt(order, connection);
      } catch (error) {
        if (!this.#mayTryAgain(error, connection)) throw error;
      }
      return await this.#attempt(order, await this.#leaseAgain(order));
    });
  }

  /** A connection, unless the client goes or the order is cut first. */
  async #lease({ target, signal }: ForwardOrder, fresh: boolean): Promise<TargetConnection> {
    const { client, shared } = this;
    if (signal === undefined) return shared.pool.lease(target, client.signal, fresh);
    signal.throwIfAborted();
    // AbortSignal.any would leave something of itself with a signal that outlives the exchange.
    const either = new AbortController();
    const abort = (): void => either.abort();
    for (const one of [client.signal, signal]) one.addEventListener("abort", abort);
    try {
      return await shared.pool.lease(target, either.signal, fresh);
    } catch (error) {
      if (!client.signal.aborted) signal.throwIfAborted();
      throw error;
    } finally {
      for (const one of [client.signal, signal]) one.removeEventListener("abort", abort);
    }
  }

  async #leaseAgain(order: ForwardOrder): Promise<TargetConnection> {
    try {
      return await this.#lease(order, true);
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
  #mayTryAgain(error: unknown, connection: TargetConnection): boolean {
    return (
      error instanceof ForwardError &&
      error.kind === "broken" &&
      connection.reused &&
      !connection.answered &&
      this.accepted.framing.kind === "none" &&
      (error.nothingSent || IDEMPOTENT.has(this.request.method))
    );
  }

  #attempt(order: ForwardOrder, connection: TargetConnection): Promise<Outcome> {
    const { client, accepted, shared } = this;
    const release = (done: TargetConnection): void => shared.pool.release(done);
    const { limits } = shared;
    return new Attempt({ client, accepted, order, connection, limits, release }).run();
  }

  #run(work: () => Promise<Outcome>): Promise<Outcome> {
    if (this.#busy || this.client.begun) {
      return Promise.reject(new Error("an exchange is answered once"));
    }
    this.#busy = true;
    const running = work().finally(() => {
      this.#busy = false;
    });
    this.#running = running;
    return running;
  }
}
