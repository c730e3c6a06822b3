// Has the owner of the relay handle one exchange of a client, whatever carries it, and refuses what is left unanswered.
import { toSchakelError, type SchakelError } from "../core/errors.js";
import type { ClientSide } from "./client-side.js";
import type { ExchangeHandler } from "./exchange.js";
import { ServedExchange, type Shared } from "./served-exchange.js";

/** What all connections of a relay share. */
export interface Served<C> extends Shared {
  readonly handler: ExchangeHandler<C>;
  /** Whether the relay takes no more exchanges. */
  readonly draining: () => boolean;
  readonly began: () => void;
  readonly ended: () => void;
}

/** A connection of a client, whatever it speaks. */
export interface ServedConnection {
  /** Looks at the clock. */
  sweep(now: number): void;
  /** Ends the connection, after the exchanges that run on it. */
  drain(): void;
  /** Ends the connection now, and with it what runs on it. */
  destroy(): void;
}

/** A client's side of an exchange, with what the owner of its connection knows of the client. */
export interface Serving<C> {
  readonly client: ClientSide;
  readonly context: C;
  /** Called once, when the exchange is over. */
  readonly settled: () => void;
}

/** Answers with a refusal. */
export const refuse = <C>(
  { handler, limits }: Served<C>,
  { client, context, settled }: Serving<C>,
  problem: SchakelError,
): void => {
  let answering: Promise<unknown>;
  try {
    const answer = handler.refused(problem, client.request, context);
    answering = client.answer(answer, limits.bodyIdleTimeoutMs);
  } catch (error) {
    answering = Promise.reject(toSchakelError(error));
  }
  answering.then(settled, () => {
    client.cut();
    settled();
  });
};

/** Has the handler answer or forward an exchange. */
export const serve = <C>(served: Served<C>, serving: Serving<C>): void => {
  const { client, context, settled } = serving;
  served.began();
  const exchange = new ServedExchange(client, context, served);
  // With `undefined` the handler has ended and left the exchange unanswered, as far as it can be.
  const over = (failure: unknown): void => {
    if (exchange.running !== undefined) {
      void exchange.running.finally(() => over(failure)).catch(() => undefined);
      return;
    }
    served.ended();
    if (client.begun || client.gone) settled();
    else refuse(served, serving, client.problem ?? unanswered(failure));
  };
  served.handler.exchange(exchange).then(
    () => over(undefined),
    (error: unknown) => over(error),
  );
};

const unanswered = (failure: unknown): SchakelError =>
  toSchakelError(failure ?? new Error("the exchange was left unanswered"));
