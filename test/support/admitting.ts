// A TLS server of a group that admits clients as ours do and keeps what it decided, and a client that
// does what a test tells it.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import {
  connect,
  createServer,
  type ConnectionOptions,
  type Server,
  type TLSSocket,
} from "node:tls";
import type { Bundle } from "../../certs/bundle.js";
import type { Group } from "../../certs/group.js";
import { CertificateError, type PeerIdentity } from "../../certs/identity.js";
import { keepPeerChain } from "../../certs/peer-chain.js";
import { admit, serverTls } from "../../certs/tls.js";
import { onHandshake } from "../../core/tls-server.js";

/** What a server decided about one connection. */
export type Verdict = { readonly admitted: PeerIdentity } | { readonly refused: string };

/** A server of the group that admits as ours do, and keeps what it decided. */
export class Admitting {
  /** In the order of the handshakes. */
  readonly verdicts: Verdict[] = [];
  readonly sockets: TLSSocket[] = [];
  /** Of each connection, its version and whether a session was resumed. */
  readonly handshakes: { readonly protocol: string | null; readonly resumed: boolean }[] = [];
  readonly #server: Server;
  readonly #alpn: readonly string[];

  /** The only protocol it offers is `alpn`. */
  constructor(bundle: Bundle, group: Group, alpn: readonly string[]) {
    this.#alpn = alpn;
    this.#server = createServer(serverTls(bundle, group, alpn), (socket) => {
      this.sockets.push(socket);
      this.handshakes.push({ protocol: socket.getProtocol(), resumed: socket.isSessionReused() });
      socket.on("error", () => undefined);
      try {
        this.verdicts.push({ admitted: admit(socket, group) });
        socket.end("admitted");
      } catch (error) {
        if (!(error instanceof CertificateError)) throw error;
        this.verdicts.push({ refused: error.message });
        socket.destroy();
      }
    });
    onHandshake(this.#server, keepPeerChain);
    this.#server.on("tlsClientError", () => undefined);
  }

  /** Takes another bundle while it runs, as a service does after a change. */
  renew(bundle: Bundle, group: Group): void {
    this.#server.setSecureContext(serverTls(bundle, group, this.#alpn));
  }

  /** Listens on a free port of loopback and returns it. */
  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  /** Closes the server and every connection. */
  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
  }
}

/** Connects to a port of this machine and reads to the end. Rejects when the handshake fails. */
export const read = (options: ConnectionOptions): Promise<{ text: string; socket: TLSSocket }> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", servername: "server.test", ...options });
    let text = "";
    let secure = false;
    socket.on("secureConnect", () => (secure = true));
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    // In TLS 1.3 a client is done before the server has judged it: a reset then is the refusal.
    socket.on("error", (error) => (secure ? resolve({ text, socket }) : reject(error as Error)));
    socket.on("close", () => resolve({ text, socket }));
  });
