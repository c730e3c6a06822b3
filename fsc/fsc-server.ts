// FSC's interface between managers, the server's side (FSC Core 2.0.0, Manager). Stands on one node:http
// server that never listens: a TLS listener of whoever owns this hands it the connections of admitted peers.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Group } from "../certs/group.js";
import type { PeerIdentity } from "../certs/identity.js";
import type { Clock } from "../core/clock.js";
import { errorAnswer } from "../core/error-answer.js";
import { SchakelError, toSchakelError } from "../core/errors.js";
import type { Log } from "../core/log.js";
import type { PeerId } from "../core/names.js";
import { shareFor } from "./connection-shares.js";
import type { Call, Reply } from "./endpoint.js";
import { FscConnection } from "./fsc-connection.js";
import { FSC_LIMITS, type FscLimits } from "./fsc-limits.js";
import { acceptHead, hasBody, Incoming } from "./incoming.js";
import { MANAGER_ADDRESS_HEADER, readManagerAddress } from "./manager-address.js";
import type { LogHandlers, WitnessHandlers } from "./log-interface.js";
import type { ManagerHandlers } from "./manager-interface.js";
import { invalid, Parameters } from "./queries.js";
import { matchRoute } from "./router.js";

/** What the server is made of. */
export interface FscServing {
  readonly handlers: ManagerHandlers;
  /** What answers for the transaction log. Its paths are not there unless given. */
  readonly logs?: LogHandlers | undefined;
  /** What co-signs checkpoints of others. Its path is not there unless given. */
  readonly witness?: WitnessHandlers | undefined;
  /** The group in use, asked at each request. */
  readonly groups: { readonly current: Group };
  readonly log: Log;
  readonly clock: Clock;
  /** FSC_LIMITS unless given. */
  readonly limits?: Partial<FscLimits> | undefined;
  /** Told what a peer sent and was refused. Must not throw. Nobody unless given. */
  readonly refused?: ((caller: PeerIdentity, error: SchakelError) => void) | undefined;
  /** Whether managers of others may be at any port, and not only at those of the group; false unless given. */
  readonly allowAnyPort?: boolean | undefined;
}

/** After these a connection is not read on: what follows may not be what it seems, or should not come. */
const LAST_CODES: ReadonlySet<string> = new Set([
  "ERROR_CODE_REQUEST_MALFORMED",
  "ERROR_CODE_REQUEST_HEAD_TOO_LARGE",
  "ERROR_CODE_HTTP_VERSION_UNSUPPORTED",
  "ERROR_CODE_REQUEST_TIMEOUT",
  "ERROR_CODE_BODY_TOO_LARGE",
  "ERROR_CODE_LIMIT_EXCEEDED",
]);

const send = (response: ServerResponse, reply: Reply, isLast: boolean): void => {
  const request = response.req;
  const closes = isLast || !request.complete;
  const headers = closes ? [...reply.headers, ["Connection", "close"]] : reply.headers;
  if (response.destroyed || request.socket.destroyed) return;
  // What is left of a body is read and thrown away, for as long as the connection lingers.
  if (!request.complete) request.resume();
  response.writeHead(reply.status, headers.flat());
  response.end(reply.body);
};

/** Answers the requests of other managers and outways on the connections that it is given. */
export class FscServer {
  readonly #serving: FscServing;
  readonly #limits: FscLimits;
  readonly #server: Server;
  readonly #connections = new Map<Duplex, FscConnection>();
  readonly #running = new Map<PeerId, number>();
  #isClosed = false;
  #emptied: () => void = () => undefined;

  constructor(serving: FscServing) {
    this.#serving = serving;
    this.#limits = { ...FSC_LIMITS, ...serving.limits };
    this.#server = this.#createServer();
  }

  /** Open connections. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Takes over a connection, the handshake done and the peer admitted. Nobody else may read or write it.
   *
   * @param caller who connected, as `admit` said
   */
  accept(socket: TLSSocket, caller: PeerIdentity): void {
    socket.on("error", () => undefined);
    if (this.#isClosed || socket.destroyed) {
      socket.destroy();
      return;
    }
    const connection = new FscConnection(socket, caller, this.#limits);
    const share = shareFor(caller.peerId, [...this.#connections.values()], this.#limits);
    if (!share.isTaken) {
      connection.refuse(this.#overLimit(caller, share.limit));
      return;
    }
    if (share.ended !== undefined) this.#makeRoom(share.ended);
    this.#connections.set(socket, connection);
    socket.once("close", () => {
      this.#connections.delete(socket);
      if (this.#connections.size === 0) this.#emptied();
    });
    this.#server.emit("connection", socket);
  }

  /** Takes no more requests, lets the running ones finish within `drainMs`, then cuts what is left. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#connections.size === 0) return;
    const emptied = new Promise<void>((resolve) => (this.#emptied = resolve));
    const timer = setTimeout(() => {
      for (const { socket } of this.#connections.values()) socket.destroy();
    }, this.#limits.drainMs);
    for (const connection of this.#connections.values()) connection.drain();
    await emptied;
    clearTimeout(timer);
  }

  #createServer(): Server {
    const server = createServer({
      maxHeaderSize: this.#limits.headBytesMax,
      insecureHTTPParser: false,
      // Checked with the rest of the head, so that the refusal has our form.
      requireHostHeader: false,
      // Time is kept by the connections themselves: a server that does not listen keeps none.
      keepAliveTimeout: 0,
      requestTimeout: 0,
      headersTimeout: 0,
    });
    server.setTimeout(this.#limits.idleTimeoutMs);
    // Header lines beyond a number would be dropped in silence; they are counted and refused instead.
    server.maxHeadersCount = 0;
    const request = (incoming: IncomingMessage, response: ServerResponse): void =>
      this.#began(incoming, response, () => undefined);
    server.on("request", request);
    server.on("checkExpectation", request);
    server.on("checkContinue", (incoming: IncomingMessage, response: ServerResponse) =>
      this.#began(incoming, response, () => response.writeContinue()),
    );
    server.on("connect", (_incoming, socket) => {
      this.#connections.get(socket)?.refuse(new SchakelError("ERROR_CODE_METHOD_UNSUPPORTED"));
    });
    server.on("clientError", (error, socket) => this.#connections.get(socket)?.broken(error));
    return server;
  }

  #began(request: IncomingMessage, response: ServerResponse, goOn: () => void): void {
    const connection = this.#connections.get(request.socket);
    if (connection === undefined) {
      request.socket.destroy();
      return;
    }
    const incoming = new Incoming(request, goOn);
    connection.began(incoming);
    response.once("close", () => connection.ended(incoming));
    void this.#serve(connection, incoming, response);
  }

  async #serve(
    connection: FscConnection,
    incoming: Incoming,
    response: ServerResponse,
  ): Promise<void> {
    const { clock, log } = this.#serving;
    const { peerId } = connection.caller;
    const { method, url } = incoming.request;
    const from = clock.monotonic();
    const running = this.#running.get(peerId) ?? 0;
    this.#running.set(peerId, running + 1);
    let reply: Reply;
    try {
      reply = await this.#answer(connection, incoming, running);
      const ms = Math.round(clock.monotonic() - from);
      log.debug({ peerId, method, url, status: reply.status, ms }, "FSC request answered");
    } catch (thrown) {
      reply = this.#failed(connection, incoming, thrown);
    }
    send(response, reply, connection.isLast || this.#isClosed);
    // An answer is held in memory until it has been read.
    const timer = setTimeout(() => connection.socket.destroy(), this.#limits.sendTimeoutMs);
    await incoming.ended;
    clearTimeout(timer);
    const left = (this.#running.get(peerId) ?? 1) - 1;
    if (left === 0) this.#running.delete(peerId);
    else this.#running.set(peerId, left);
  }

  #failed(connection: FscConnection, { request }: Incoming, thrown: unknown): Reply {
    const { log } = this.#serving;
    const { peerId } = connection.caller;
    const { method, url } = request;
    const error = toSchakelError(thrown);
    if (LAST_CODES.has(error.code)) connection.drain();
    const about = { peerId, method, url, code: error.code };
    if (connection.socket.destroyed) log.debug(about, "FSC request left before its answer");
    else if (error.code === "ERROR_CODE_INTERNAL")
      log.error({ ...about, err: thrown }, "FSC request failed");
    else log.info({ ...about, reason: error.message }, "FSC request refused");
    this.#serving.refused?.(connection.caller, error);
    return errorAnswer(error, "manager");
  }

  #makeRoom(connection: FscConnection): void {
    const { peerId } = connection.caller;
    this.#serving.log.info({ peerId, open: this.connections }, "idle connection ended for another");
    connection.drain();
  }

  #overLimit(caller: PeerIdentity, limit: string): SchakelError {
    this.#serving.log.warn({ peerId: caller.peerId, limit }, "peer is over a limit");
    const detail = `a peer may have ${limit}`;
    return new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", { detail });
  }

  async #answer(connection: FscConnection, incoming: Incoming, running: number): Promise<Reply> {
    const { handlers, groups, logs, witness, allowAnyPort = false } = this.#serving;
    const { caller } = connection;
    const { request } = incoming;
    const limits = this.#limits;
    const target = acceptHead(request, limits);
    if (running >= limits.requestsPerPeerMax) {
      throw this.#overLimit(caller, `${String(limits.requestsPerPeerMax)} requests at once`);
    }
    const served = { logs, witness };
    const { endpoint, segment, takesBody } = matchRoute(request.method ?? "", target.path, served);
    if (!takesBody && hasBody(request)) throw invalid("the body", "is not allowed here");
    const group = groups.current;
    const call: Call = {
      ...{ caller, segment, parameters: new Parameters(target.query) },
      body: (rule) => incoming.body(rule, limits.bodyTimeoutMs),
      managerAddress: () =>
        readManagerAddress(
          request.headersDistinct[MANAGER_ADDRESS_HEADER] ?? [],
          caller,
          allowAnyPort ? undefined : group.ports,
        ),
    };
    return endpoint(call, { handlers, group, limits, ...served });
  }
}
