// Log lines that strangers can cause at will: so many of a kind a minute, and then their number alone.
import type { Log } from "./log.js";

const LINES_PER_MINUTE = 60;
const MINUTE_MS = 60_000;

interface Kind {
  written: number;
  leftOut: number;
}

/** Warnings of a log, each kind (its sentence) at most 60 times a minute. Further ones are counted, and their number is logged when the minute is over. */
export class LimitedLines {
  readonly #kinds = new Map<string, Kind>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly log: Pick<Log, "warn">,
    private readonly periodMs = MINUTE_MS,
  ) {}

  /** Logs a line, or counts it. The sentence must be one of few. */
  warn(fields: object, sentence: string): void {
    this.#timer ??= setTimeout(() => this.#turn(), this.periodMs).unref();
    const kind = this.#kinds.get(sentence) ?? { written: 0, leftOut: 0 };
    this.#kinds.set(sentence, kind);
    if (kind.written < LINES_PER_MINUTE) {
      kind.written += 1;
      this.log.warn(fields, sentence);
    } else {
      kind.leftOut += 1;
    }
  }

  /** Says what was left out until now, and begins anew. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#turn();
  }

  #turn(): void {
    this.#timer = undefined;
    for (const [sentence, { leftOut }] of this.#kinds) {
      if (leftOut > 0) this.log.warn({ leftOut }, `${sentence} (lines left out)`);
    }
    this.#kinds.clear();
  }
}
