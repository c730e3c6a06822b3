// One connection of the link (docs/link.md): many exchanges over one stream. The side that made the connection
// opens exchanges, the other answers them. No promise, no timer and no object is made for a frame.
import type { Duplex } from "node:stream";
import { octetsCame } from "../core/young-octets.js";
import { LINK_CODE, LinkError, type LinkCode } from "./link-codes.js";
import { LinkDecoder, type FrameSink } from "./link-decoder.js";
import type { LinkExchange, LinkExchangeOwner, LinkLine } from "./link-exchange.js";
import { LinkFlow } from "./link-flow.js";
import { FRAME, HEAD_ENDS, HEAD_INTERIM, NUMBER_MAX, readEnd, readHead } from "./link-frames.js";
import { LinkGuard } from "./link-guard.js";
import { readHello, writeHello, type LinkOffer } from "./link-hello.js";
import type { LinkLimits } from "./link-limits.js";
import { LinkOutput } from "./link-output.js";
import { LinkPulse } from "./link-pulse.js";
import { LinkTable } from "./link-table.js";
import { ReceivedTokens, SentTokens } from "./link-tokens.js";
import { ReceiveWindow } from "./link-window.js";

/** Whoever a connection runs for. Called from within the reading of frames: it must not throw. */
export interface LinkOwner {
  /** The other side has said what it takes; exchanges may be opened. */
  ready(): void;
  /** The other side has opened an exchange. Gives who it runs for. Never called on the side that opens. */
  opened(exchange: LinkExchange, head: Buffer, token: string | undefined): LinkExchangeOwner;
  /** No exchange can be opened any more; those that run go on. */
  draining(): void;
  /** The connection is closed, after every exchange was told; with the rule that was broken, if one was. */
  closed(reason: LinkError | undefined): void;
}

/** How an exchange begins. */
export interface LinkOpening {
  readonly head: Buffer;
  /** The value of the header line that crosses a connection once. */
  readonly token?: string | undefined;
  /** The message has no body. */
  readonly ends: boolean;
  readonly owner: LinkExchangeOwner;
}

/**
 * Owns the stream from now to its end. The stream must have no use for what was written to it once it has called
 * back, as sockets do: the octets are then written over.
 */
export class LinkConnection implements FrameSink, LinkLine {
  readonly flow: LinkFlow;
  readonly #output: LinkOutput;
  readonly #decoder: LinkDecoder;
  readonly #guard = new LinkGuard();
  readonly #pulse: LinkPulse;
  readonly #table: LinkTable;
  readonly #sentTokens: SentTokens;
  readonly #tokens: ReceivedTokens;
  #offer: LinkOffer | undefined;
  #draining = false;
  #ended = false;
  #reason: LinkError | undefined;
  readonly #window: ReceiveWindow;
  #receiving: LinkExchange | undefined;

  /** @param opens whether this side opens exchanges: the one that made the connection does */
  constructor(
    private readonly socket: Duplex,
    private readonly opens: boolean,
    private readonly limits: LinkLimits,
    private readonly owner: LinkOwner,
  ) {
    this.#window = new ReceiveWindow(limits.connectionWindow);
    this.#table = new LinkTable(this, limits);
    this.#tokens = new ReceivedTokens(opens ? 0 : limits.tokensMax);
    this.#decoder = new LinkDecoder(limits, this);
    this.#output = new LinkOutput(
      socket,
      () => this.#flushing(),
      () => this.flow.turns(),
    );
    this.flow = new LinkFlow(this.#output);
    this.#sentTokens = new SentTokens(this.#output);
    this.#pulse = new LinkPulse(limits, this.#output, this.#decoder);
    const exchangesMax = opens ? 0 : limits.exchangesMax;
    this.#output.frame(FRAME.hello, 0, writeHello({ ...limits, exchangesMax }));
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => socket.destroy());
    socket.on("end", () => this.#otherEnded());
    socket.on("close", () => {
      this.#output.close();
      this.#table.lose(LINK_CODE.broken);
      this.owner.closed(this.#reason);
    });
  }

  /** Exchanges that are not over. */
  get exchanges(): number {
    return this.#table.size;
  }

  /** How large a head the other side takes; 0 until it has said so. */
  get headBytesMax(): number {
    return this.#offer?.headBytesMax ?? 0;
  }

  /** How many exchanges were opened so far. */
  get opened(): number {
    return this.#table.last;
  }

  /** How many more exchanges can be opened now, beside those that have a place. */
  get room(): number {
    if (this.#offer === undefined || this.#draining || this.#ended) return 0;
    return this.#table.roomOf(this.#offer.exchangesMax);
  }

  /** Whether bodies that are not taken fill most of the connection's window, either way. */
  get isCrowded(): boolean {
    return this.#window.isNarrow || this.flow.isNarrow;
  }

  /** Keeps a place for an exchange, which `open` or `giveUp` takes. There must be room. */
  keepPlace(): void {
    this.#table.places += 1;
  }

  /** Gives up a place that was kept. */
  giveUp(): void {
    this.#table.places -= 1;
  }

  /**
   * Opens an exchange, for which a place was kept, and sends its head, of at most `headBytesMax`. A token must be one
   * that `takesToken`. Undefined: the connection takes none any more.
   */
  open({ head, token, ends, owner }: LinkOpening): LinkExchange | undefined {
    this.giveUp();
    const offer = this.#offer;
    if (this.room <= 0 || offer === undefined || head.length > offer.headBytesMax) {
      return undefined;
    }
    const number = token === undefined ? 0 : this.#sentTokens.numberOf(token, offer);
    const exchange = this.#table.add(offer);
    exchange.owner = owner;
    exchange.sendHead(head, { ends, token: number });
    return exchange;
  }

  /** Whether a token can be named by number over this connection; one that cannot goes in the head itself. */
  takesToken(token: string): boolean {
    return this.#offer !== undefined && this.#sentTokens.numberOf(token, this.#offer) !== 0;
  }

  /** Lets the exchanges that run come to their end and then ends the connection. The answering side takes no more. */
  drain(): void {
    if (this.#draining || this.#ended) return;
    this.#draining = true;
    if (!this.opens) this.#output.goaway(this.#table.last, LINK_CODE.none);
    this.owner.draining();
    this.#endWhenDrained();
  }

  /** Looks at the clock. To be called about every second. */
  sweep(now: number): void {
    if (this.#pulse.isOverdue(now, this.#ended)) this.socket.destroy();
    if (this.#ended) return;
    try {
      this.#guard.passed(this.#pulse.beat(now, this.#offer !== undefined));
    } catch (error) {
      this.#fail(error);
    }
    if (this.#pulse.isIdle(now, this.#table.last, this.#table.size)) this.drain();
  }

  /** Ends the connection now; its exchanges are lost. */
  destroy(): void {
    this.#table.lose(LINK_CODE.broken);
    this.socket.destroy();
  }

  /** Part of LinkLine. */
  taken(bytes: number): void {
    const more = this.#window.taken(bytes);
    if (more > 0 && !this.#ended) this.#output.number(FRAME.window, 0, more);
  }

  /** Part of LinkLine. */
  over({ number }: LinkExchange): void {
    this.#table.remove(number);
    this.#endWhenDrained();
  }

  /** Part of FrameSink. */
  frame(type: number, exchange: number, payload: Buffer): void {
    if (type === FRAME.hello) {
      this.#hello(payload);
      return;
    }
    this.#requireHello();
    switch (type) {
      case FRAME.head:
        this.#head(exchange, payload);
        return;
      case FRAME.end:
        this.#named(exchange, true)?.cameEnd(readEnd(payload));
        return;
      case FRAME.reset:
        this.#named(exchange, false)?.cameReset(payload.readUInt16BE(0), false);
        return;
      case FRAME.window:
        this.#widen(exchange, payload.readUInt32BE(0));
        return;
      case FRAME.ping:
        this.#guard.idle();
        this.#output.frame(FRAME.pong, 0, payload);
        return;
      case FRAME.pong:
        this.#pulse.pong(payload);
        return;
      case FRAME.goaway:
        this.#goaway(payload.readUInt32BE(0), payload.readUInt16BE(4));
        return;
      default:
        this.#guard.idle();
        this.#tokens.take(payload);
    }
  }

  /** Part of FrameSink. */
  dataBegins(number: number, length: number): void {
    this.#requireHello();
    this.#window.spend(length);
    this.#receiving = this.#named(number, true);
    this.#receiving?.dataBegins(length);
  }

  /** Part of FrameSink. */
  dataComes(_number: number, piece: Buffer): void {
    if (this.#receiving === undefined) this.taken(piece.length);
    else this.#receiving.dataComes(piece);
  }

  #read(chunk: Buffer): void {
    octetsCame(chunk.length);
    if (this.#ended) return;
    this.#pulse.heard();
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      this.#fail(error);
    }
  }

  #hello(payload: Buffer): void {
    if (this.#offer !== undefined) throw new LinkError(LINK_CODE.protocol, "a second HELLO");
    const offer = readHello(payload);
    this.#offer = offer;
    this.flow.credit = offer.connectionWindow;
    this.flow.dataBytesMax = Math.min(offer.dataBytesMax, this.limits.dataBytesMax);
    this.owner.ready();
  }

  #requireHello(): LinkOffer {
    if (this.#offer !== undefined) return this.#offer;
    throw new LinkError(LINK_CODE.protocol, "a frame before HELLO");
  }

  #head(number: number, payload: Buffer): void {
    const offer = this.#requireHello();
    const { flags, token, head } = readHead(payload);
    if (this.opens) {
      if (token !== 0) throw new LinkError(LINK_CODE.token, "an answer that names a token");
      this.#table.require(number).cameHead(head, flags);
    } else if (this.#draining && number > this.#table.last) {
      this.#guard.idle();
    } else {
      this.#request(number, head, { flags, token, offer });
    }
  }

  #request(
    number: number,
    head: Buffer,
    { flags, token, offer }: { flags: number; token: number; offer: LinkOffer },
  ): void {
    if ((flags & HEAD_INTERIM) !== 0) {
      throw new LinkError(LINK_CODE.frame, "a request that is interim");
    }
    const { last } = this.#table;
    if (number !== last + 1) {
      throw new LinkError(LINK_CODE.exchanges, `exchange ${number} after ${last}`);
    }
    if (this.#table.size >= this.limits.exchangesMax) {
      throw new LinkError(LINK_CODE.exchanges, "too many exchanges at once");
    }
    const named = this.#tokens.named(token);
    this.#guard.opened();
    const opened = this.#table.add(offer);
    opened.owner = this.owner.opened(opened, head, named);
    opened.opened((flags & HEAD_ENDS) !== 0);
  }

  /**
   * The exchange that a frame names. Undefined when the frame means nothing any more: its exchange is over, or
   * was opened after we said that we take no more.
   *
   * @param moves whether the frame would be wrong after the end of its sender's half
   */
  #named(number: number, moves: boolean): LinkExchange | undefined {
    const exchange = this.#table.get(number);
    if (exchange !== undefined) return exchange;
    const { last } = this.#table;
    const ignored = !this.opens && this.#draining && number > last;
    if (!ignored && (moves || number > last)) this.#table.require(number);
    this.#guard.idle();
    return undefined;
  }

  #widen(number: number, more: number): void {
    if (more === 0 || more > NUMBER_MAX) {
      throw new LinkError(LINK_CODE.frame, `a window of ${more} more`);
    }
    const exchange = number === 0 ? this.flow : this.#named(number, false);
    if (exchange === undefined) return;
    this.#guard.idle();
    exchange.widen(more);
    this.flow.turns();
  }

  #goaway(last: number, code: LinkCode): void {
    const before = this.#draining;
    this.#draining = true;
    if (this.opens) this.#table.lose(LINK_CODE.refused, last);
    if (code !== LINK_CODE.none) {
      this.#reason ??= new LinkError(code, "the other side ended it");
      this.#table.lose(code);
      this.#end();
    }
    if (!before) this.owner.draining();
    this.#endWhenDrained();
  }

  #flushing(): void {
    this.flow.turns();
    this.#table.written();
    this.#guard.sent(this.flow.takeSent());
  }

  #otherEnded(): void {
    this.#table.lose(LINK_CODE.broken);
    if (this.#ended) this.socket.destroy();
    else this.#end();
    if (this.socket.writableFinished) this.socket.destroy();
    else this.socket.once("finish", () => this.socket.destroy());
  }

  #fail(error: unknown): void {
    if (this.#ended) return;
    const failure =
      error instanceof LinkError ? error : new LinkError(LINK_CODE.internal, String(error));
    this.#reason = failure;
    this.#output.goaway(this.opens ? 0 : this.#table.last, failure.code);
    this.#table.written();
    this.#end();
    this.#table.lose(failure.code);
  }

  /** Ends our half; what still comes is read and thrown away. */
  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#decoder.stop();
    this.#output.end();
  }

  #endWhenDrained(): void {
    if (this.#draining && this.#table.size === 0) this.#end();
  }
}
