// One HTTP connection to an outway that stays open all the time, as a client library's pool keeps it.
import { Agent, request as httpRequest } from "node:http";
import type { Socket } from "node:net";

/** An answer on the connection. */
export interface KeptAnswer {
  readonly status: number;
  readonly code: string | undefined;
  /** Whether it came on the same connection as the first. */
  readonly same: boolean;
}

/** Makes one call after the other on one connection. Whoever makes it closes it. */
export class KeptConnection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #socket: Socket | undefined;

  constructor(private readonly url: string) {}

  call(path = ""): Promise<KeptAnswer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(`${this.url}${path}`, { agent: this.#agent }, (response) => {
        const { socket } = response;
        this.#socket ??= socket;
        const same = this.#socket === socket;
        response.resume();
        response.once("error", reject);
        response.once("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            code: response.headers["fsc-error-code"]?.toString(),
            same,
          }),
        );
      });
      request.once("error", reject);
      request.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
