// One exchange of a link: two halves that end on their own, each with a window. It holds no more of what comes
// than it has told the other side to send, and no more of what goes than one piece of its owner's.
import { LINK_CODE, LinkError, type LinkCode } from "./link-codes.js";
import type { LinkFlow, TakesTurns } from "./link-flow.js";
import {
  FRAME,
  HEAD_ENDS,
  HEAD_INTERIM,
  NUMBER_MAX,
  PLAIN_END,
  type LinkEnd,
} from "./link-frames.js";
import type { Told } from "./link-output.js";
import { ReceiveWindow } from "./link-window.js";

/** Whoever the exchange runs for. Called from within the reading of frames: it must not throw. */
export interface LinkExchangeOwner {
  /** A head has come; after an interim one another follows. Not called for the head that opened the exchange. */
  headCame(head: Buffer, interim: boolean): void;
  /** A piece of the body. It counts against the window until `taken` gives it back. */
  dataCame(piece: Buffer): void;
  /** The other side's message is complete. */
  endCame(end: LinkEnd): void;
  /**
   * The other side, or the loss of the connection, has ended the exchange; nothing more comes. The owner lets go
   * of it and then calls `reset`: until then the exchange counts as open.
   *
   * @param untouched the other side has certainly not looked at it
   */
  resetCame(code: LinkCode, untouched: boolean): void;
  /** After a `send` that said false: more can be taken. */
  writable(): void;
}

/** What an exchange has of its connection. */
export interface LinkLine {
  readonly flow: LinkFlow;
  /** Octets were taken, or will never be; the connection's window opens by as much. */
  taken(bytes: number): void;
  /** Both halves have ended. */
  over(exchange: LinkExchange): void;
}

/** Where a half stands. */
type Half = "open" | "ended" | "reset";

const EMPTY = Buffer.alloc(0);
const NO_HASH = Buffer.from([0]);
/** A piece smaller than this is copied while others wait, so that it holds nothing larger than itself in memory. */
const COPIED_BELOW = 4_096;

const NOBODY: LinkExchangeOwner = {
  headCame: () => undefined,
  dataCame: () => undefined,
  endCame: () => undefined,
  resetCame: () => undefined,
  writable: () => undefined,
};

/** How wide the windows are at first, how wide ours may become, and what else the other side takes. */
export interface LinkWindows {
  readonly theirs: number;
  readonly ours: number;
  readonly oursMax: number;
  /** Octets of a head or of trailers that the other side takes. */
  readonly headBytesMax: number;
}

/** Made by the connection. */
export class LinkExchange implements TakesTurns {
  /** Set before anything can come for it. */
  owner: LinkExchangeOwner = NOBODY;
  #sent: Half = "open";
  #got: Half = "open";
  /** Whether the last head has been sent, and has come. */
  #headSent = false;
  #headCame = false;
  #sendWindow: number;
  #waiting: Buffer[] = [];
  #endWaits: LinkEnd | undefined;
  #endTold: Told | undefined;
  #inLine = false;
  #ownerWaits = false;
  readonly #window: ReceiveWindow;
  /** Octets that the owner has and has not taken. */
  #held = 0;

  constructor(
    readonly number: number,
    private readonly line: LinkLine,
    private readonly windows: LinkWindows,
  ) {
    this.#sendWindow = windows.theirs;
    this.#window = new ReceiveWindow(windows.ours, windows.oursMax);
  }

  /** Whether both halves have ended. */
  get isOver(): boolean {
    return this.#sent !== "open" && this.#got !== "open";
  }

  /** Octets of a body that wait to be sent. */
  get waitingBytes(): number {
    return this.#waiting.reduce((sum, { length }) => sum + length, 0);
  }

  /**
   * Sends a head: any number of interim ones, then the one that a body may follow.
   *
   * @param token the number of a token that the head goes with; 0 for none
   * @throws TypeError when the other side does not take a head of that size; nothing of it was sent then
   */
  sendHead(
    head: Buffer,
    options: { interim?: boolean; ends?: boolean; token?: number } = {},
  ): void {
    if (this.#sent !== "open" || this.#got === "reset") return;
    const { interim = false, ends = false, token = 0 } = options;
    if (this.#headSent) throw new Error("a head was sent already");
    if (head.length > this.windows.headBytesMax) {
      throw new TypeError("the head is larger than the other side takes");
    }
    this.#headSent = !interim;
    const flags = (interim ? HEAD_INTERIM : 0) + (ends ? HEAD_ENDS : 0);
    this.line.flow.output.head(this.number, flags * 0x1_000000 + token, head);
    if (ends) this.#endSending("ended");
  }

  /** Sends a piece of the body, which is ours to read until it is sent. False: wait for `writable` before the next. */
  send(piece: Buffer): boolean {
    if (this.#sent !== "open" || this.#got === "reset" || piece.length === 0) return true;
    if (!this.#headSent) throw new Error("a body goes after its head");
    const { flow } = this.line;
    const at = this.#waiting.length === 0 && flow.isFree ? this.#sendFrom(piece, piece.length) : 0;
    if (at === piece.length) return true;
    this.#waiting.push(at === 0 ? piece : piece.subarray(at));
    this.#ownerWaits = true;
    this.#waitForTurn();
    return false;
  }

  /**
   * Sends the end of our message, after everything before it.
   *
   * @param told whether all of it has been handed to the system; not called when the exchange is reset before
   * @throws TypeError when the other side does not take trailers of that size
   */
  end(end: LinkEnd = PLAIN_END, told?: Told): void {
    if (this.#sent !== "open" || this.#got === "reset" || this.#endWaits !== undefined) return;
    if ((end.trailers?.length ?? 0) > this.windows.headBytesMax) {
      throw new TypeError("the trailers are larger than the other side takes");
    }
    this.#endTold = told;
    if (this.#waiting.length > 0) this.#endWaits = end;
    else this.#sendEnd(end);
  }

  /** Tells when everything that was sent so far has been handed to the system, or never will be. */
  whenWritten(told: Told): void {
    this.line.flow.output.whenWritten(told);
  }

  /** Ends both halves: what is left of ours is not sent, and nothing that still comes is looked at. */
  reset(code: LinkCode): void {
    this.#letGo();
    if (this.isOver || this.#sent === "reset") return;
    this.line.flow.output.number(FRAME.reset, this.number, code);
    this.#endSending("reset");
  }

  /** The owner has passed on, or thrown away, so much of what `data` gave it. */
  taken(bytes: number): void {
    const counted = Math.min(bytes, this.#held);
    this.#held -= counted;
    this.line.taken(counted);
    if (this.#got !== "open" || this.#sent === "reset") return;
    const more = this.#window.taken(counted);
    if (more > 0) this.line.flow.output.number(FRAME.window, this.number, more);
  }

  sendWaiting(bytesMax: number): boolean {
    this.#inLine = false;
    let left = bytesMax;
    for (let piece = this.#waiting[0]; piece !== undefined; piece = this.#waiting[0]) {
      const at = this.#sendFrom(piece, left);
      left -= at;
      if (at < piece.length) {
        this.#waiting[0] = piece.subarray(at);
        return (this.#inLine = this.#sendWindow > 0);
      }
      this.#waiting.shift();
    }
    if (this.#endWaits !== undefined && this.#sent === "open") this.#sendEnd(this.#endWaits);
    else this.#tellWritable();
    return false;
  }

  /** Takes HEAD. @throws LinkError protocol */
  cameHead(head: Buffer, flags: number): void {
    this.#requireOpen("HEAD");
    if (this.#headCame) throw new LinkError(LINK_CODE.protocol, "a second head");
    const interim = (flags & HEAD_INTERIM) !== 0;
    const ends = (flags & HEAD_ENDS) !== 0;
    if (interim && ends) throw new LinkError(LINK_CODE.frame, "an interim head that ends");
    this.#headCame = !interim;
    if (this.#sent !== "reset") this.owner.headCame(head, interim);
    if (ends) this.#cameLast(PLAIN_END);
  }

  /** Notes that the request's head has come, which opened the exchange; its owner has it. */
  opened(ends: boolean): void {
    this.#headCame = true;
    if (ends) this.#cameLast(PLAIN_END);
  }

  /** Takes the header of DATA. @throws LinkError protocol, window */
  dataBegins(length: number): void {
    this.#requireOpen("DATA");
    if (!this.#headCame) throw new LinkError(LINK_CODE.protocol, "data before its head");
    this.#window.spend(length);
  }

  /** Takes a piece of DATA. */
  dataComes(piece: Buffer): void {
    if (this.#sent === "reset") {
      this.line.taken(piece.length);
      return;
    }
    const small = this.#held > 0 && piece.length < COPIED_BELOW;
    this.#held += piece.length;
    this.owner.dataCame(small ? Buffer.from(piece) : piece);
  }

  /** Takes END. @throws LinkError protocol */
  cameEnd(end: LinkEnd): void {
    this.#requireOpen("END");
    if (!this.#headCame) throw new LinkError(LINK_CODE.protocol, "an end before its head");
    this.#cameLast(end);
  }

  /** Takes RESET, or the loss of the connection. @throws LinkError protocol when it comes twice */
  cameReset(code: LinkCode, untouched: boolean): void {
    if (this.#got === "reset") throw new LinkError(LINK_CODE.protocol, "a second RESET");
    this.#got = "reset";
    this.#waiting = [];
    this.#endWaits = undefined;
    if (this.#sent !== "reset") this.owner.resetCame(code, untouched);
    if (this.isOver) this.#over();
  }

  /** Takes WINDOW. @throws LinkError window */
  widen(more: number): void {
    if (this.#sendWindow + more > NUMBER_MAX) {
      throw new LinkError(LINK_CODE.window, "a window beyond its limit");
    }
    this.#sendWindow += more;
    if (this.#waiting.length > 0) this.#waitForTurn();
  }

  /** The connection is gone: nothing can be sent. */
  lost(code: LinkCode, untouched: boolean): void {
    const told = this.#sent !== "reset" && this.#got !== "reset";
    this.#letGo();
    this.#sent = "reset";
    this.#got = "reset";
    const { owner } = this;
    this.owner = NOBODY;
    if (told) owner.resetCame(code, untouched);
  }

  #requireOpen(type: string): void {
    if (this.#got !== "open") throw new LinkError(LINK_CODE.protocol, `${type} after the end`);
  }

  #cameLast(end: LinkEnd): void {
    this.#got = "ended";
    if (this.#sent !== "reset") this.owner.endCame(end);
    if (this.isOver) this.#over();
  }

  /** Sends from the beginning of a piece as far as the windows let it; gives how far. */
  #sendFrom(piece: Buffer, bytesMax: number): number {
    const { flow } = this.line;
    const end = Math.min(piece.length, bytesMax);
    let at = 0;
    while (at < end && flow.output.hasRoom) {
      const bytes = Math.min(end - at, this.#sendWindow, flow.credit, flow.dataBytesMax);
      if (bytes === 0) break;
      flow.output.data(this.number, piece, at, at + bytes);
      this.#sendWindow -= bytes;
      flow.spend(bytes);
      at += bytes;
    }
    return at;
  }

  #waitForTurn(): void {
    if (this.#inLine || this.#sendWindow === 0) return;
    this.#inLine = true;
    this.line.flow.wait(this);
  }

  #tellWritable(): void {
    if (!this.#ownerWaits || this.#sent !== "open" || this.#got === "reset") return;
    this.#ownerWaits = false;
    this.owner.writable();
  }

  #sendEnd({ trailers = EMPTY, hash }: LinkEnd): void {
    const { output } = this.line.flow;
    if (hash === undefined && trailers.length === 0) output.number(FRAME.end, this.number, 0);
    else if (hash === undefined) output.frame(FRAME.end, this.number, NO_HASH, trailers);
    else output.frame(FRAME.end, this.number, Buffer.from([hash.length]), hash, trailers);
    if (this.#endTold !== undefined) output.whenWritten(this.#endTold);
    this.#endSending("ended");
  }

  #endSending(how: Half): void {
    this.#sent = how;
    if (this.#got !== "open") this.#over();
  }

  /** Lets go of its owner too: the table of exchanges may live on, outgrown, with all that it held. */
  #over(): void {
    this.owner = NOBODY;
    this.#endTold = undefined;
    this.line.over(this);
  }

  #letGo(): void {
    this.#waiting = [];
    this.#endWaits = undefined;
    this.line.taken(this.#held);
    this.#held = 0;
  }
}
