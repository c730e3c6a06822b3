// A timeout on progress. Noting progress costs one clock read; a timer is set anew only when it fires, and one
// that is stopped waits for the next deadline, so that an exchange sets none.

/** A timer of the system, with the deadline that it serves at the moment. Fires too early at times, never too late. */
class Alarm {
  owner: Deadline | undefined;
  #timer: NodeJS.Timeout | undefined;
  #firesAt = 0;
  readonly #fired = (): void => {
    this.#timer = undefined;
    this.owner?.look();
  };

  /** Has it fire at a time at the latest. */
  by(due: number, now: number): void {
    if (this.#timer !== undefined && this.#firesAt <= due) return;
    clearTimeout(this.#timer);
    this.#firesAt = due;
    // What it watches keeps the process alive, not the watching.
    this.#timer = setTimeout(this.#fired, Math.max(1, Math.ceil(due - now))).unref();
  }

  /** Whether it still runs: worth keeping. */
  get runs(): boolean {
    return this.#timer !== undefined;
  }
}

/** So many alarms are kept for the deadlines to come. */
const SPARE_MAX = 1024;
const spare: Alarm[] = [];

/** Whoever a deadline is for. */
export interface Watched {
  /** How long no progress may be made, at this moment. */
  limitMs(): number;
  /** None was made for so long. Called once at most. */
  expired(): void;
}

/** Tells its owner once when no progress was noted for too long. */
export class Deadline {
  #last = performance.now();
  #alarm: Alarm | undefined;

  constructor(private readonly watched: Watched) {
    this.#alarm = spare.pop() ?? new Alarm();
    this.#alarm.owner = this;
    this.#alarm.by(this.#last + watched.limitMs(), this.#last);
  }

  /** Something moved. */
  progress(): void {
    this.#last = performance.now();
  }

  /** Something moved, and from now on another limit may hold. */
  restart(): void {
    this.#last = performance.now();
    this.#alarm?.by(this.#last + this.watched.limitMs(), this.#last);
  }

  /** No longer expires. */
  stop(): void {
    const alarm = this.#alarm;
    if (alarm === undefined) return;
    this.#alarm = undefined;
    alarm.owner = undefined;
    if (alarm.runs && spare.length < SPARE_MAX) spare.push(alarm);
  }

  /** Its alarm has fired: expires, or waits for what is left. */
  look(): void {
    const now = performance.now();
    const due = this.#last + this.watched.limitMs();
    if (due > now) {
      this.#alarm?.by(due, now);
    } else {
      this.stop();
      this.watched.expired();
    }
  }
}
