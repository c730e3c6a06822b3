// What the other side may still send of bodies: over a connection, or for one exchange.
import { LINK_CODE, LinkError } from "./link-codes.js";

/** A window of ours. It grows up to `sizeMax` while what comes is taken at once: then the way limits it, not the reader. */
export class ReceiveWindow {
  #left: number;
  #owed = 0;

  constructor(
    private size: number,
    private readonly sizeMax = size,
  ) {
    this.#left = size;
  }

  /** Whether less than a quarter of it is left. */
  get isNarrow(): boolean {
    return this.#left + this.#owed < this.size / 4;
  }

  /** So much is about to come. @throws LinkError window when that is more than was allowed */
  spend(bytes: number): void {
    if (bytes > this.#left) throw new LinkError(LINK_CODE.window, "more data than the window");
    this.#left -= bytes;
  }

  /** So much of what came is in memory no longer. Gives how much wider the other side is to be told the window is; 0: nothing yet. */
  taken(bytes: number): number {
    this.#owed += bytes;
    if (this.#owed < this.size / 2) return 0;
    let more = this.#owed;
    const held = this.size - this.#left - this.#owed;
    if (held < this.size / 4 && this.size < this.sizeMax) {
      const wider = Math.min(this.size * 2, this.sizeMax);
      more += wider - this.size;
      this.size = wider;
    }
    this.#owed = 0;
    this.#left += more;
    return more;
  }
}
