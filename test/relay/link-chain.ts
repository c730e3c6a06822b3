// Two relays in a row, as outway and inway are: client, relay, link or HTTP/1.1, relay, target.
import type { Wire } from "./bench.js";
import { Bench, type BenchOptions, type RawTarget } from "./bench.js";

/** What stands between the two relays. */
export type Between = "schakel" | "http1";

/** A chain; `near` is the relay of the client, `far` that of the target. */
export class Chain {
  private constructor(
    readonly near: Bench,
    readonly far: Bench,
  ) {}

  static async start(
    between: Between,
    target: RawTarget,
    options: { readonly near?: BenchOptions; readonly far?: BenchOptions } = {},
  ): Promise<Chain> {
    const link = between === "schakel";
    const far = await Bench.start(target, { ...options.far, link });
    const near = await Bench.start(far.port, {
      ...options.near,
      target: { ...(link ? { isLink: () => true } : {}), ...options.near?.target },
    });
    return new Chain(near, far);
  }

  client(text = ""): Promise<Wire> {
    return this.near.client(text);
  }

  async close(): Promise<void> {
    await this.near.close();
    await this.far.close();
  }
}
