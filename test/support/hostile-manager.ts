// A TLS server of the group that answers every request with bytes that a test says.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Bundle } from "../../certs/bundle.js";
import type { Group } from "../../certs/group.js";
import { serverTls } from "../../certs/tls.js";
import type { PeerId } from "../../core/names.js";
import type { ManagerEndpoint } from "../../fsc/manager-interface.js";

/** What is done with a request: bytes that are sent and then the end, or anything else. */
export type Answering = string | Buffer | ((socket: TLSSocket, request: string) => void);

/** At inway.test, with any peer's certificate. Whoever starts it closes it. */
export class HostileManager {
  /** The requests so far, each as its head and what came with it. */
  readonly requests: string[] = [];
  answering: Answering = "";
  readonly #sockets = new Set<TLSSocket>();
  readonly #server: Server;

  private constructor(bundle: Bundle, group: Group) {
    this.#server = createServer(serverTls(bundle, group, ["http/1.1"]), (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => this.#sockets.delete(socket));
      let request = "";
      socket.on("data", (chunk: Buffer) => {
        const isFirst = !request.includes("\r\n\r\n");
        request += chunk.toString("latin1");
        if (!isFirst || !request.includes("\r\n\r\n")) return;
        this.requests.push(request);
        const { answering } = this;
        if (typeof answering === "function") answering(socket, request);
        else socket.end(answering);
      });
    });
    this.#server.on("tlsClientError", () => undefined);
  }

  static async start(bundle: Bundle, group: Group): Promise<HostileManager> {
    const manager = new HostileManager(bundle, group);
    manager.#server.listen(0, "127.0.0.1");
    await once(manager.#server, "listening");
    return manager;
  }

  /** Where it is, said to be a peer's. */
  endpoint(peerId: PeerId): ManagerEndpoint {
    const { port } = this.#server.address() as AddressInfo;
    return { peerId, address: { host: "inway.test", port } };
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#sockets.size;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** An HTTP answer as bytes. */
export const answer = (
  status: number,
  body: string | Buffer = "",
  headers: Readonly<Record<string, string>> = {},
): Buffer => {
  const all = {
    "Content-Type": "application/json",
    "Content-Length": String(Buffer.byteLength(body)),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([
    Buffer.from(`HTTP/1.1 ${String(status)} X\r\n${lines.join("")}\r\n`, "latin1"),
    Buffer.from(body),
  ]);
};
