// The exchanges of a link connection by number, those that are over forgotten.
import { LINK_CODE, LinkError, type LinkCode } from "./link-codes.js";
import { LinkExchange, type LinkLine } from "./link-exchange.js";
import { NUMBER_MAX } from "./link-frames.js";
import type { LinkOffer } from "./link-hello.js";
import type { LinkLimits } from "./link-limits.js";

/** The table of one connection. */
export class LinkTable {
  readonly #open = new Map<number, LinkExchange>();
  /** The number of the exchange that was opened last, and of the last whose head was given to the stream. */
  last = 0;
  /** Places that are kept for exchanges to be opened. */
  places = 0;
  #lastWritten = 0;

  constructor(
    private readonly line: LinkLine,
    private readonly limits: LinkLimits,
  ) {}

  /** Exchanges that are not over. */
  get size(): number {
    return this.#open.size;
  }

  /** How many more there may be when so many are taken at once, as long as there are numbers. */
  roomOf(exchangesMax: number): number {
    return Math.min(exchangesMax - this.#open.size, NUMBER_MAX - this.last) - this.places;
  }

  /** Everything that was sent so far has been given to the stream. */
  written(): void {
    this.#lastWritten = this.last;
  }

  /** Opens the next exchange. */
  add({ exchangeWindow: theirs, headBytesMax }: LinkOffer): LinkExchange {
    const { exchangeWindow: ours, exchangeWindowMax: oursMax } = this.limits;
    this.last += 1;
    const exchange = new LinkExchange(this.last, this.line, {
      theirs,
      ours,
      oursMax,
      headBytesMax,
    });
    this.#open.set(this.last, exchange);
    return exchange;
  }

  /** The exchange that is open under a number. */
  get(number: number): LinkExchange | undefined {
    return this.#open.get(number);
  }

  /** @throws LinkError protocol when no exchange is open under the number */
  require(number: number): LinkExchange {
    const exchange = this.#open.get(number);
    if (exchange !== undefined) return exchange;
    throw new LinkError(LINK_CODE.protocol, `exchange ${number} is not open`);
  }

  /** An exchange is over. */
  remove(number: number): void {
    this.#open.delete(number);
  }

  /** Tells the exchanges with a number above that they are lost. With `refused` none of them was looked at. */
  lose(code: LinkCode, above = 0): void {
    for (const [number, exchange] of this.#open) {
      if (number <= above) continue;
      this.#open.delete(number);
      exchange.lost(code, code === LINK_CODE.refused || number > this.#lastWritten);
    }
  }
}
