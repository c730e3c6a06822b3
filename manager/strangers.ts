// Internal connections that have shown no certificate: they may enrol, and have a share of their own, so that
// whoever can reach the port cannot use up the connections of our components and people.
import type { Socket } from "node:net";
import type { Log } from "../core/log.js";

/** What strangers get. */
export interface StrangersLimits {
  /** How many of their connections may be open at once. */
  readonly connectionsMax: number;
  /** How long each may be open, in milliseconds. */
  readonly timeMs: number;
}

/** The connections without a certificate of one listener. */
export class Strangers {
  readonly #open = new Set<Socket>();

  constructor(
    private readonly limits: StrangersLimits,
    private readonly log: Pick<Log, "info">,
  ) {}

  /** How many are open. */
  get open(): number {
    return this.#open.size;
  }

  /**
   * Lets a connection in, for a time; again for one that is in already.
   *
   * @throws Error with the reason, safe to log, when too many are open
   */
  admit(socket: Socket): void {
    if (this.#open.has(socket)) return;
    const { connectionsMax, timeMs } = this.limits;
    if (this.#open.size >= connectionsMax) {
      throw new Error(
        `it showed no certificate, and ${String(connectionsMax)} such connections are open (--enrolment-connections-max)`,
      );
    }
    this.#open.add(socket);
    const timer = setTimeout(() => {
      this.log.info({ remote: socket.remoteAddress, timeMs }, "ended: no certificate in time");
      socket.destroy();
    }, timeMs).unref();
    socket.once("close", () => {
      clearTimeout(timer);
      this.#open.delete(socket);
    });
  }
}
