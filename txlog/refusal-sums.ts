// Refusals beyond a rate become one number a minute, so that a stranger cannot fill the log with them.
import type { ExchangeEntry, Refused } from "./entry.js";
import type { LogLimits } from "./limits.js";
import type { RefusalSumRecord, RecordHead } from "./record.js";

const MINUTE_MS = 60_000;

/** What a sum's record says. */
export type RefusalSum = Omit<RefusalSumRecord, keyof RecordHead>;

/** Counts refusals per peer, code and minute. Bounded: beyond `refusalSums` the peer is left out. */
export class RefusalSums {
  #minute = -1;
  /** Refusals in the running minute that got records of their own, per peer. */
  #recorded = new Map<string, number>();
  readonly #sums = new Map<string, RefusalSum>();

  constructor(
    private readonly limits: LogLimits,
    private readonly now: () => number,
  ) {}

  /** How many sums wait to be written. */
  get size(): number {
    return this.#sums.size;
  }

  /** Milliseconds until the running minute is over. */
  get restMs(): number {
    return MINUTE_MS - (this.now() % MINUTE_MS);
  }

  /** Whether this peer's next refusal still gets a record of its own; counts it if so. */
  admit(peerId: string): boolean {
    const minute = this.#currentMinute();
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#recorded = new Map();
    }
    const recorded = this.#recorded.get(peerId) ?? 0;
    const full = recorded === 0 && this.#recorded.size >= this.limits.refusalSums;
    if (full || recorded >= this.limits.refusalsPerMinute) return false;
    this.#recorded.set(peerId, recorded + 1);
    return true;
  }

  /** Adds one to the sum of the exchange's source, the code, and the running minute. */
  add({ direction, source }: ExchangeEntry, { status, code }: Refused): void {
    const minuteUs = this.#currentMinute() * MINUTE_MS * 1000;
    const { peerId } = source;
    this.restore({ kind: "refusal-sum", direction, peerId, status, code, minuteUs, count: 1 });
  }

  /** Adds a whole sum, such as one whose batch was lost. */
  restore(sum: RefusalSum): void {
    const { direction, code, minuteUs } = sum;
    const keyOf = (peer: string): string => JSON.stringify([direction, peer, code, minuteUs]);
    const full = this.#sums.size >= this.limits.refusalSums && !this.#sums.has(keyOf(sum.peerId));
    const peerId = full ? "" : sum.peerId.slice(0, this.limits.nameBytes / 3);
    const count = (this.#sums.get(keyOf(peerId))?.count ?? 0) + sum.count;
    this.#sums.set(keyOf(peerId), { ...sum, peerId, count });
  }

  /** Takes out the sums of minutes that are over, or all of them. */
  take(which: "over" | "all"): RefusalSum[] {
    const minuteUs = this.#currentMinute() * MINUTE_MS * 1000;
    const taken: RefusalSum[] = [];
    for (const [key, sum] of this.#sums) {
      if (which === "over" && sum.minuteUs >= minuteUs) continue;
      taken.push(sum);
      this.#sums.delete(key);
    }
    return taken;
  }

  #currentMinute(): number {
    return Math.floor(this.now() / MINUTE_MS);
  }
}
