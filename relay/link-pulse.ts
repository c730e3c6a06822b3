// Whether the other side of a link is there: what was too long in coming, and the questions that ask for it.
// Nothing here is called for a frame; the clock is looked at about once a second.
import { LINK_CODE, LinkError } from "./link-codes.js";
import type { LinkDecoder } from "./link-decoder.js";
import { FRAME } from "./link-frames.js";
import type { LinkLimits } from "./link-limits.js";
import type { LinkOutput } from "./link-output.js";

const PING_BYTES = 8;

/** The clock of one connection. */
export class LinkPulse {
  readonly #startedAt = performance.now();
  #lastBeat = performance.now();
  #heard = false;
  #heardAt = performance.now();
  #asked: Buffer | undefined;
  #questions = 0;
  #frames = 0;
  #frameSince: number | undefined;
  #writes = 0;
  #writingSince: number | undefined;
  #endedAt: number | undefined;
  #exchanges = 0;
  #idleSince = performance.now();

  constructor(
    private readonly limits: LinkLimits,
    private readonly output: LinkOutput,
    private readonly decoder: LinkDecoder,
  ) {}

  /** Something has come. */
  heard(): void {
    this.#heard = true;
  }

  /** Takes PONG. @throws LinkError protocol */
  pong(payload: Buffer): void {
    if (this.#asked === undefined || !this.#asked.equals(payload)) {
      throw new LinkError(LINK_CODE.protocol, "a PONG that nobody asked for");
    }
    this.#asked = undefined;
  }

  /** Whether a connection that we have ended has had its time. */
  isOverdue(now: number, ended: boolean): boolean {
    if (!ended) return false;
    // What was sent before the end is still on its way while some of it leaves.
    if (this.#endedAt === undefined || this.output.writes !== this.#writes) this.#endedAt = now;
    this.#writes = this.output.writes;
    return now - this.#endedAt > this.limits.lingerMs;
  }

  /**
   * Whether there has been no exchange for as long as the connection is kept without one.
   *
   * @param opened how many exchanges were opened so far
   */
  isIdle(now: number, opened: number, running: number): boolean {
    if (running > 0 || opened !== this.#exchanges) {
      this.#exchanges = opened;
      this.#idleSince = now;
    }
    return now - this.#idleSince > this.limits.idleMs;
  }

  /**
   * Looks at everything that has a deadline, and asks after a silence.
   *
   * @returns how long the last look was ago, in milliseconds
   * @throws LinkError timeout
   */
  beat(now: number, greeted: boolean): number {
    const passed = Math.max(0, now - this.#lastBeat);
    this.#lastBeat = now;
    const { frameTimeoutMs, pingAfterMs, pongWithinMs } = this.limits;
    if (!greeted && now - this.#startedAt > frameTimeoutMs) throw late("HELLO");
    this.#watchFrame(now, frameTimeoutMs);
    this.#watchWriting(now, pingAfterMs + pongWithinMs);
    if (this.#heard) {
      this.#heard = false;
      this.#heardAt = now;
    }
    const silence = now - this.#heardAt;
    if (silence > pingAfterMs + pongWithinMs) throw late("a sign of life");
    if (greeted && silence > pingAfterMs && this.#asked === undefined) this.#ask();
    return passed;
  }

  #watchFrame(now: number, limitMs: number): void {
    const { begun, midFrame } = this.decoder;
    if (!midFrame || begun !== this.#frames) {
      this.#frames = begun;
      this.#frameSince = midFrame ? now : undefined;
    } else {
      this.#frameSince ??= now;
    }
    if (this.#frameSince !== undefined && now - this.#frameSince > limitMs) throw late("a frame");
  }

  #watchWriting(now: number, limitMs: number): void {
    const { writes, backlog } = this.output;
    if (backlog === 0 || writes !== this.#writes) {
      this.#writes = writes;
      this.#writingSince = now;
    }
    if (this.#writingSince !== undefined && now - this.#writingSince > limitMs) {
      throw late("room for what we send");
    }
  }

  #ask(): void {
    this.#questions += 1;
    const question = Buffer.alloc(PING_BYTES);
    question.writeUInt32BE(this.#questions, 4);
    this.#asked = question;
    this.output.frame(FRAME.ping, 0, question);
  }
}

const late = (what: string): LinkError =>
  new LinkError(LINK_CODE.timeout, `${what} was too long in coming`);
