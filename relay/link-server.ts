// A link connection of a client: each exchange that it opens is served like a request on a connection of its
// own, through the same scanner and to the same handler.
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { SchakelError } from "../core/errors.js";
import { HEADER } from "../core/exchange-headers.js";
import { endToEnd } from "./hop-by-hop.js";
import { LinkClient } from "./link-client.js";
import { LINK_CODE } from "./link-codes.js";
import { LinkConnection } from "./link-connection.js";
import type { LinkExchange, LinkExchangeOwner } from "./link-exchange.js";
import { linkLimits } from "./link-limits.js";
import type { RequestHead } from "./message.js";
import { RefusedHead, scanRequestHead, type ScannedRequest } from "./scan-request.js";
import { refuse, serve, type Served } from "./serve.js";
import { responseBytes } from "./write-head.js";

/** Owns the socket from its acceptance to its end. */
export class LinkServer<C> {
  readonly #link: LinkConnection;

  constructor(
    socket: Duplex,
    readonly context: C,
    private readonly served: Served<C>,
    closed: () => void,
  ) {
    this.#link = new LinkConnection(socket, false, linkLimits(served.limits), {
      ready: () => undefined,
      opened: (exchange, head, token) => this.#opened(exchange, head, token),
      draining: () => undefined,
      closed,
    });
  }

  /** Looks at the clock. */
  sweep(now: number): void {
    this.#link.sweep(now);
  }

  /** Ends the connection, after the exchanges that run on it. */
  drain(): void {
    this.#link.drain();
  }

  /** Ends the connection now, and with it what runs on it. */
  destroy(): void {
    this.#link.destroy();
  }

  #opened(exchange: LinkExchange, head: Buffer, token: string | undefined): LinkExchangeOwner {
    try {
      const client = new LinkClient(this.#scan(head, token), exchange, this.served.limits);
      // What came with the head is there when the handler begins.
      process.nextTick(() => this.#serve(client, exchange));
      return client;
    } catch (error) {
      if (!(error instanceof RefusedHead)) throw error;
      return this.#refuseHead(exchange, error);
    }
  }

  #scan(head: Buffer, token: string | undefined): ScannedRequest {
    const request = scanRequestHead(head, this.served.limits);
    if (request.version !== "1.1") {
      throw new RefusedHead(new SchakelError("ERROR_CODE_HTTP_VERSION_UNSUPPORTED"), request);
    }
    return token === undefined ? request : request.with([HEADER.authorization, token]);
  }

  #serve(client: LinkClient, exchange: LinkExchange): void {
    const { served } = this;
    const settled = (): void => {
      client.readBody(undefined);
      exchange.reset(LINK_CODE.none);
    };
    const serving = { client, context: this.context, settled };
    if (client.gone) {
      settled();
      return;
    }
    if (client.problem !== undefined) {
      refuse(served, serving, client.problem);
      return;
    }
    serve(served, serving);
  }

  /** Answers what is not a request. */
  #refuseHead(
    exchange: LinkExchange,
    refused: { readonly problem: SchakelError; readonly head?: Partial<RequestHead> | undefined },
  ): LinkExchangeOwner {
    const over = (): void => exchange.reset(LINK_CODE.none);
    try {
      const { handler } = this.served;
      const answer = handler.refused(refused.problem, refused.head, this.context);
      const { status, headers, body } = answer;
      const own = `Content-Length: ${body.length}\r\n`;
      const reason = STATUS_CODES[status] ?? "";
      const ends = refused.head?.method === "HEAD" || body.length === 0;
      const head = responseBytes({ status, reason, headers: endToEnd(headers) }, own);
      exchange.sendHead(head, { ends });
      exchange.send(body);
      if (ends) exchange.whenWritten(over);
      else exchange.end(undefined, over);
    } catch {
      exchange.reset(LINK_CODE.internal);
    }
    return {
      headCame: () => undefined,
      dataCame: (piece) => exchange.taken(piece.length),
      endCame: () => undefined,
      resetCame: over,
      writable: () => undefined,
    };
  }
}
