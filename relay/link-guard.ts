// Against frames that move nothing: each costs from a budget that only time, new exchanges and data of ours fill.
import { LINK_CODE, LinkError } from "./link-codes.js";

/** What the budget is at first and at most. */
const BUDGET = 4_096;
const PER_SECOND = 200;
const PER_EXCHANGE = 4;
/** So many octets of data sent bring one. */
const DATA_BYTES = 4_096;

/** The budget of one connection. */
export class LinkGuard {
  #left = BUDGET;

  /** An exchange was opened. */
  opened(): void {
    this.#add(PER_EXCHANGE);
  }

  /** Data was sent. */
  sent(bytes: number): void {
    this.#add(bytes / DATA_BYTES);
  }

  /** Time has passed. */
  passed(ms: number): void {
    this.#add((ms * PER_SECOND) / 1_000);
  }

  /** A frame that moves nothing has come. @throws LinkError flood */
  idle(): void {
    this.#left -= 1;
    if (this.#left < 0) throw new LinkError(LINK_CODE.flood, "too many frames that move nothing");
  }

  #add(more: number): void {
    this.#left = Math.min(BUDGET, this.#left + more);
  }
}
