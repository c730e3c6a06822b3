// How much data a connection may send, and whose turn it is: exchanges with data waiting come round one after
// the other, so that a large body delays a small one by one turn of each.
import { LINK_CODE, LinkError } from "./link-codes.js";
import { NUMBER_MAX } from "./link-frames.js";
import type { LinkOutput } from "./link-output.js";

/** Octets that an exchange may send before the next one's turn. */
const TURN_BYTES = 16 * 1024;

/** A window with less than this left is narrow. */
const NARROW_BYTES = 256 * 1024;

/** An exchange as far as taking turns is concerned. */
export interface TakesTurns {
  /** Sends at most so many octets of what waits. True: more waits and its own window lets it pass. */
  sendWaiting(bytesMax: number): boolean;
}

interface Place {
  readonly exchange: TakesTurns;
  next: Place | undefined;
}

/** The turns of one connection. */
export class LinkFlow {
  /** Octets of bodies that the other side still takes over this connection. */
  credit = 0;
  /** The largest DATA that the other side takes. */
  dataBytesMax = 0;
  #sent = 0;
  #first: Place | undefined;
  #last: Place | undefined;

  constructor(readonly output: LinkOutput) {}

  /** Whether little may still be sent. */
  get isNarrow(): boolean {
    return this.credit < NARROW_BYTES;
  }

  /** Whether data may be sent without waiting for a turn. */
  get isFree(): boolean {
    return this.#first === undefined && this.credit > 0 && this.output.hasRoom;
  }

  /** Notes that so many octets were sent. */
  spend(bytes: number): void {
    this.credit -= bytes;
    this.#sent += bytes;
  }

  /** The connection's window is so much wider. @throws LinkError window */
  widen(more: number): void {
    if (this.credit + more > NUMBER_MAX) {
      throw new LinkError(LINK_CODE.window, "a connection's window beyond its limit");
    }
    this.credit += more;
  }

  /** How many octets were sent since the last call. */
  takeSent(): number {
    const sent = this.#sent;
    this.#sent = 0;
    return sent;
  }

  /** Puts an exchange at the end of the line. It must not stand in it yet. */
  wait(exchange: TakesTurns): void {
    const place: Place = { exchange, next: undefined };
    if (this.#last === undefined) this.#first = place;
    else this.#last.next = place;
    this.#last = place;
  }

  /** Lets those in line send as far as there is room. */
  turns(): void {
    while (this.credit > 0 && this.output.hasRoom) {
      const place = this.#first;
      if (place === undefined) return;
      this.#first = place.next;
      if (this.#first === undefined) this.#last = undefined;
      if (place.exchange.sendWaiting(TURN_BYTES)) this.wait(place.exchange);
    }
  }
}
