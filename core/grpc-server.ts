// A gRPC server behind a TLS listener of our own. grpc-js's own listener knows no revocation, cannot
// require TLS 1.3 and says nothing of the clients it refuses; here certs/ decides and each refusal is logged.
import {
  Server,
  ServerCredentials,
  status,
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Metadata,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
} from "@grpc/grpc-js";
import type { TLSSocket } from "node:tls";
import type { Address } from "./address.js";
import { grpcError } from "./error-answer.js";
import { toSchakelError, type Domain } from "./errors.js";
import type { Log } from "./log.js";
import { serveTls, type TlsListener, type TlsServing } from "./tls-server.js";

const STREAMS_PER_CONNECTION_MAX = 100;
const METADATA_BYTES_MAX = 16 * 1024;
const SESSION_MEMORY_MB_MAX = 32;
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
const SLOW_READER_MS = 5_000;

/** How a gRPC server is made. `Identity` is what `admit` finds out about a caller. */
export interface GrpcServing<Identity> {
  readonly address: Address;
  /** TLS options from certs/, for ALPN "h2"; called at the start and on each `reload`. */
  readonly tls: () => TlsServing;
  /** Who the other side is. Throws with the reason when it may not stay. */
  readonly admit: (socket: TLSSocket) => Identity;
  readonly connectionsMax: number;
  /** How large a message of a caller may be, in bytes. */
  readonly messageBytesMax: number;
  /** How long running calls may go on after `stop`, in milliseconds. */
  readonly stopMs: number;
  /** Who answers, for error answers. */
  readonly domain: Domain;
  /** Told of each connection that was admitted, once. Must not throw. Nobody unless given. */
  readonly admitted?: (socket: TLSSocket) => void;
  /**
   * Takes over admitted connections that speak another protocol, by its ALPN name, which `tls` offers too; by ""
   * those whose client named none.
   */
  readonly others?: ReadonlyMap<string, (socket: TLSSocket, identity: Identity) => void>;
  readonly log: Log;
}

/** A call that the caller's connection was admitted for. */
type AnyCall<Req, Res> =
  | ServerUnaryCall<Req, Res>
  | ServerReadableStream<Req, Res>
  | ServerWritableStream<Req, Res>
  | ServerDuplexStream<Req, Res>;

interface Admitted<Identity> {
  readonly identity: Identity;
  readonly sockets: Set<TLSSocket>;
}

// The type says there is one, but a caller without a certificate has none: all of those are one identity.
const present = (fingerprint: string | undefined): string => fingerprint ?? "";

const fingerprintOf = (socket: TLSSocket): string =>
  present(socket.getPeerCertificate().fingerprint256);

const protocolOf = ({ alpnProtocol }: TLSSocket): string =>
  typeof alpnProtocol === "string" ? alpnProtocol : "";

const fingerprintOfCall = <Req, Res>(call: AnyCall<Req, Res>): string =>
  call.getAuthContext().sslPeerCertificate?.fingerprint256 ?? "";

/**
 * A gRPC server. Services are added to `grpc` with handlers made by `unary`, `serverStream` and `bidiStream`, then it listens.
 */
export class GrpcServer<Identity> {
  readonly grpc: Server;
  readonly #serving: GrpcServing<Identity>;
  /**
   * Who was admitted, by the fingerprint of the certificate, which is what grpc-js tells of a call's
   * connection. A certificate has one identity, so calls of different connections are never mixed up.
   */
  readonly #admitted = new Map<string, Admitted<Identity>>();
  #listener: TlsListener | undefined;

  constructor(serving: GrpcServing<Identity>) {
    this.#serving = serving;
    this.grpc = new Server({
      "grpc.max_receive_message_length": serving.messageBytesMax,
      "grpc.max_concurrent_streams": STREAMS_PER_CONNECTION_MAX,
      "grpc.max_metadata_size": METADATA_BYTES_MAX,
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
      "grpc.enable_channelz": 0,
      "grpc-node.max_session_memory": SESSION_MEMORY_MB_MAX,
    });
  }

  /**
   * Starts to listen.
   *
   * @returns the address in use
   * @throws ListenError when the address cannot be listened on
   */
  async listen(): Promise<Address> {
    const { address, tls, admit, admitted, connectionsMax, others, log } = this.#serving;
    const injector = this.grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#listener = await serveTls({
      address,
      tls,
      connectionsMax,
      log,
      admit: (socket) => {
        const identity = admit(socket);
        const protocol = protocolOf(socket);
        if (protocol !== "h2" && others?.has(protocol) !== true)
          throw new Error("the client does not speak HTTP/2 (ALPN)");
        return identity;
      },
      connected: (socket, identity) => {
        admitted?.(socket);
        const other = others?.get(protocolOf(socket));
        if (other !== undefined) {
          other(socket, identity);
          return;
        }
        this.#remember(socket, identity);
        injector.injectConnection(socket);
      },
    });
    return this.#listener.address;
  }

  #remember(socket: TLSSocket, identity: Identity): void {
    const fingerprint = fingerprintOf(socket);
    const sockets = this.#admitted.get(fingerprint)?.sockets ?? new Set();
    this.#admitted.set(fingerprint, { identity, sockets: sockets.add(socket) });
    socket.once("close", () => {
      sockets.delete(socket);
      if (sockets.size === 0) this.#admitted.delete(fingerprint);
    });
  }

  /** Takes new TLS options into use, and ends the open connections that `admit` lets in no longer. */
  reload(): void {
    this.#listener?.reload();
  }

  /** Stops listening, lets running calls finish until the deadline, then ends them with their connections. */
  async stop(): Promise<void> {
    await this.#listener?.close();
    // Refuses new calls and lets each connection close after its last one. Its callback does not wait
    // for them (Node.js has them closing by then), and forceShutdown knows them only with channelz.
    this.grpc.tryShutdown(() => undefined);
    const open = [...this.#admitted.values()].flatMap(({ sockets }) => [...sockets]);
    const timer = setTimeout(() => {
      for (const socket of open) socket.destroy();
    }, this.#serving.stopMs);
    await Promise.all(
      open.map((socket) => new Promise((resolve) => socket.once("close", resolve))),
    );
    clearTimeout(timer);
  }

  /** Who made a call. */
  caller<Req, Res>(call: AnyCall<Req, Res>): Identity {
    const admitted = this.#admitted.get(fingerprintOfCall(call));
    if (admitted === undefined) throw new Error("the call's connection is gone");
    return admitted.identity;
  }

  /** The gRPC error for whatever a handler threw; what is not a SchakelError is logged, its cause is not sent. */
  fail(thrown: unknown, path: string): ReturnType<typeof grpcError> {
    const error = toSchakelError(thrown);
    if (error.code === "ERROR_CODE_INTERNAL") {
      this.#serving.log.error({ err: thrown, path }, "a call failed");
    }
    return grpcError(error, this.#serving.domain);
  }

  /** Makes a unary method of a function. What the function throws becomes the answer. */
  unary<Req, Res>(
    work: (request: Req, caller: Identity, metadata: Metadata) => Promise<Res> | Res,
  ): handleUnaryCall<Req, Res> {
    return (call, callback) => {
      const answer = async (): Promise<Res> =>
        await work(call.request, this.caller(call), call.metadata);
      answer().then(
        (response) => callback(null, response),
        (error: unknown) => callback(this.fail(error, call.getPath())),
      );
    };
  }

  /** Makes a server-streaming method of a function, which owns the call from then on. What it throws at once becomes the answer. */
  serverStream<Req, Res>(
    work: (call: ServerWritableStream<Req, Res>, caller: Identity) => void,
  ): handleServerStreamingCall<Req, Res> {
    return (call) => {
      try {
        work(call, this.caller(call));
      } catch (error) {
        call.emit("error", this.fail(error, call.getPath()));
      }
    };
  }

  /** Makes a method that streams both ways of a function, which owns the call from then on. What it throws at once becomes the answer. */
  bidiStream<Req, Res>(
    work: (call: ServerDuplexStream<Req, Res>, caller: Identity) => void,
  ): handleBidiStreamingCall<Req, Res> {
    return (call) => {
      try {
        work(call, this.caller(call));
      } catch (error) {
        call.emit("error", this.fail(error, call.getPath()));
      }
    };
  }

  /**
   * Ends a stream whose reader is too slow, with RESOURCE_EXHAUSTED. The status waits behind what the
   * reader has not taken yet; when it takes nothing for `SLOW_READER_MS` more, its connection is cut.
   */
  endSlowReader<Req, Res>(call: ServerWritableStream<Req, Res>): void {
    const fingerprint = fingerprintOfCall(call);
    const peer = call.getPeer();
    const sockets = this.#admitted.get(fingerprint)?.sockets ?? new Set<TLSSocket>();
    const timer = setTimeout(() => {
      for (const socket of sockets) {
        // The same form as in getPeer().
        if (`${socket.remoteAddress}:${socket.remotePort}` === peer) socket.destroy();
      }
    }, SLOW_READER_MS).unref();
    call.once("finish", () => clearTimeout(timer));
    call.emit("error", {
      code: status.RESOURCE_EXHAUSTED,
      details: "the stream is read too slowly; start again",
    });
  }
}
