// Stands between two managers and treats each connection as a test says. TLS lets it neither read nor change anything:
// it can refuse, delay and cut, and swallow the answer to a request that has arrived.
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** What becomes of one connection. */
export type Treatment =
  | { readonly kind: "pass" | "refuse" }
  /** Held up for a time before anything goes on. */
  | { readonly kind: "delay"; readonly ms: number }
  /** Cut when the caller has sent so many bytes. */
  | { readonly kind: "cut"; readonly afterBytes: number }
  /** The request arrives and is answered, and the caller never hears of it: it will send the same again. */
  | { readonly kind: "unanswered" };

/** Passes everything. */
export const PASS: Treatment = { kind: "pass" };

const APPLICATION_DATA = 0x17;
const RECORD_HEADER = 5;

/** Follows the TLS records of a caller, to know when its handshake is over. */
class Records {
  #rest = Buffer.alloc(0);
  /** Whether a record has begun that only a caller who has read the other's certificate can send. */
  encrypted = false;

  push(chunk: Buffer): void {
    if (this.encrypted) return;
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= RECORD_HEADER) {
      if (this.#rest[0] === APPLICATION_DATA) this.encrypted = true;
      const length = RECORD_HEADER + this.#rest.readUInt16BE(3);
      if (this.encrypted || this.#rest.length < length) return;
      this.#rest = this.#rest.subarray(length);
    }
  }
}

/** One proxy in front of one port of this machine. Whoever starts it closes it. */
export class CuttingProxy {
  /** Asked for each connection. */
  treatment: () => Treatment = () => PASS;
  /** How many connections ended with a request that had arrived and was not answered. */
  unanswered = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(private readonly to: number) {
    this.#server = createServer((caller) => this.#accept(caller));
  }

  static async start(to: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(to);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#sockets.delete(socket));
  }

  #accept(caller: Socket): void {
    this.#track(caller);
    const treatment = this.treatment();
    if (treatment.kind === "refuse") caller.destroy();
    else if (treatment.kind === "delay")
      setTimeout(() => this.#join(caller, treatment), treatment.ms);
    else this.#join(caller, treatment);
  }

  #join(caller: Socket, treatment: Treatment): void {
    const called = connect(this.to, "127.0.0.1");
    this.#track(called);
    const both = [caller, called] as const;
    for (const socket of both) socket.on("close", () => both.forEach((each) => each.destroy()));
    const records = new Records();
    let sent = 0;
    caller.on("data", (chunk: Buffer) => {
      records.push(chunk);
      sent += chunk.length;
      if (treatment.kind === "cut" && sent > treatment.afterBytes) caller.destroy();
      else called.write(chunk);
    });
    const swallows = (): boolean => treatment.kind === "unanswered" && records.encrypted;
    called.on("data", (chunk: Buffer) => {
      if (!swallows()) caller.write(chunk);
    });
    called.on("end", () => {
      if (!swallows()) return void caller.end();
      this.unanswered += 1;
      caller.destroy();
    });
    caller.on("end", () => called.end());
  }
}
