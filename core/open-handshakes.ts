// The connections of a TLS listener whose handshake is under way: nobody is known yet, so they get a share of
// their own, and the one that has taken longest makes room. A real client is done in milliseconds.
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

const SHARE = 4;
const LEAST = 16;

const keyOf = ({ remoteAddress = "", remotePort = 0 }: Socket): string =>
  `${remoteAddress} ${String(remotePort)}`;

/** Handshakes under way. */
export class OpenHandshakes {
  readonly #open = new Map<string, Socket>();
  readonly #max: number;

  /** @param connectionsMax how many connections the listener takes: a quarter of them, and at least 16, may be in a handshake */
  constructor(connectionsMax: number) {
    this.#max = Math.max(LEAST, Math.floor(connectionsMax / SHARE));
  }

  /** Takes in a connection that has just come; the oldest is ended when there are too many. */
  add(socket: Socket): void {
    const key = keyOf(socket);
    this.#open.set(key, socket);
    socket.once("close", () => {
      if (this.#open.get(key) === socket) this.#open.delete(key);
    });
    const [oldest] = this.#open.values();
    if (this.#open.size > this.#max) oldest?.destroy();
  }

  /** Notes that a connection's handshake is done. */
  done(socket: TLSSocket): void {
    this.#open.delete(keyOf(socket));
  }
}
