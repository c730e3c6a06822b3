// Link connections over streams in memory: two of ours, or one of ours and a raw side that writes what it likes.
import { duplexPair, type Duplex } from "node:stream";
import { LinkConnection } from "../../relay/link-connection.js";
import type { LinkError } from "../../relay/link-codes.js";
import type { LinkExchange, LinkExchangeOwner } from "../../relay/link-exchange.js";
import { FRAME, type LinkEnd } from "../../relay/link-frames.js";
import { writeHello, type LinkOffer } from "../../relay/link-hello.js";
import { LINK_LIMITS, type LinkLimits } from "../../relay/link-limits.js";
import { until } from "../support/until.js";

/** A request of each kind. */
export const GET = Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
export const POST = Buffer.from("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
export const OK = Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");

/** A stream with two ends in memory. What is read is a copy of what was written, as with sockets. */
export const memoryPair = (): readonly [Duplex, Duplex] => {
  const ends = duplexPair();
  for (const end of ends) {
    const push = end.push.bind(end);
    end.push = (chunk: Buffer | null) => push(chunk === null ? null : Buffer.from(chunk));
  }
  return ends;
};

/** Written apart from relay/, so that both are not wrong in the same way. */
export const frame = (type: number, exchange: number, payload: Buffer = Buffer.alloc(0)): Buffer =>
  Buffer.concat([
    Buffer.from([type, payload.length >> 16, (payload.length >> 8) & 255, payload.length & 255]),
    Buffer.from([exchange >>> 24, (exchange >> 16) & 255, (exchange >> 8) & 255, exchange & 255]),
    payload,
  ]);

export const headFrame = (exchange: number, head: Buffer, flags = 0, token = 0): Buffer =>
  frame(
    FRAME.head,
    exchange,
    Buffer.concat([Buffer.from([flags, 0, token >> 8, token & 255]), head]),
  );

export const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

export const hello = (more: Partial<LinkOffer> = {}): Buffer =>
  frame(FRAME.hello, 0, writeHello({ ...LINK_LIMITS, ...more }));

/** A frame as a raw side has read it. */
export interface Read {
  readonly type: number;
  readonly exchange: number;
  readonly payload: Buffer;
}

/** The raw side: writes octets, and reads frames. */
export class RawSide {
  readonly frames: Read[] = [];
  ended = false;
  #rest = Buffer.alloc(0);

  constructor(readonly stream: Duplex) {
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
    stream.on("end", () => (this.ended = true));
    stream.on("error", () => undefined);
  }

  send(...frames: readonly Buffer[]): void {
    if (!this.stream.destroyed) this.stream.write(Buffer.concat(frames));
  }

  of(type: number): readonly Read[] {
    return this.frames.filter((read) => read.type === type);
  }

  /** Waits for a frame of a type and gives the first. */
  async has(type: number, count = 1): Promise<Read> {
    return until(
      `${String(count)} frames of type ${String(type)}`,
      () => this.of(type)[count - 1],
      20_000,
    );
  }

  /** Waits for GOAWAY and gives its code. */
  async goaway(): Promise<number> {
    return (await this.has(FRAME.goaway)).payload.readUInt16BE(4);
  }

  #read(chunk: Buffer): void {
    let rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const length = rest.length < 8 ? Infinity : rest.readUIntBE(1, 3);
      if (rest.length < 8 + length) break;
      const payload = Buffer.from(rest.subarray(8, 8 + length));
      this.frames.push({ type: rest.readUInt8(0), exchange: rest.readUInt32BE(4), payload });
      rest = rest.subarray(8 + length);
    }
    this.#rest = rest;
  }
}

/** What has come for one exchange. */
export class Came implements LinkExchangeOwner {
  readonly events: string[] = [];
  exchange: LinkExchange | undefined;
  bytes = 0;
  /** Whether the body is kept. */
  keeps = true;
  ended: LinkEnd | undefined;
  resetWith: number | undefined;
  untouched: boolean | undefined;
  /** What is done with each piece; taken at once unless told otherwise. */
  onData: (piece: Buffer) => void = (piece) => this.exchange?.taken(piece.length);
  onWritable: () => void = () => undefined;
  onEnd: () => void = () => undefined;
  /** What is done with a reset; let go of at once unless told otherwise. */
  onReset: () => void = () => this.exchange?.reset(0);
  #body: Buffer[] = [];

  get body(): Buffer {
    return Buffer.concat(this.#body);
  }

  headCame(head: Buffer, interim: boolean): void {
    this.events.push(`${interim ? "interim" : "head"} ${head.toString("latin1")}`);
  }

  dataCame(piece: Buffer): void {
    this.bytes += piece.length;
    if (this.keeps) this.#body.push(Buffer.from(piece));
    this.onData(piece);
  }

  endCame(end: LinkEnd): void {
    this.ended = end;
    this.onEnd();
  }

  resetCame(code: number, untouched: boolean): void {
    this.resetWith = code;
    this.untouched = untouched;
    this.onReset();
  }

  writable(): void {
    this.onWritable();
  }
}

/** What has come for an exchange that the other side opened. */
export type Opened = Came & { readonly requestHead: Buffer; readonly token: string | undefined };

/** One of our connections, and what it told. */
export class Told {
  readonly connection: LinkConnection;
  /** What came for the exchanges that the other side has opened, in order. */
  readonly opened: Opened[] = [];
  /** What is done with an exchange that the other side opens, before anything else of it comes. */
  onOpened: (came: Opened) => void = () => undefined;
  isReady = false;
  isDraining = false;
  isClosed = false;
  reason: LinkError | undefined;

  constructor(stream: Duplex, opens: boolean, limits: Partial<LinkLimits> = {}) {
    this.connection = new LinkConnection(
      stream,
      opens,
      { ...LINK_LIMITS, ...limits },
      {
        ready: () => (this.isReady = true),
        opened: (exchange, head, token) => {
          const came = Object.assign(new Came(), { requestHead: Buffer.from(head), token });
          came.exchange = exchange;
          this.opened.push(came);
          this.onOpened(came);
          return came;
        },
        draining: () => (this.isDraining = true),
        closed: (reason) => {
          this.isClosed = true;
          this.reason = reason;
        },
      },
    );
  }

  /** Opens an exchange. */
  open(head: Buffer, options: { ends?: boolean; token?: string } = {}): Came {
    const came = new Came();
    const { ends = true, token } = options;
    if (this.connection.room <= 0) throw new Error("there is no room");
    this.connection.keepPlace();
    came.exchange = this.connection.open({ head, ends, token, owner: came });
    if (came.exchange === undefined) throw new Error("the connection takes none any more");
    return came;
  }
}

/** Two of ours, over a stream in memory. */
export const linkPair = async (
  limits: { opening?: Partial<LinkLimits>; answering?: Partial<LinkLimits> } = {},
): Promise<{ opening: Told; answering: Told }> => {
  const [one, other] = memoryPair();
  const opening = new Told(one, true, limits.opening);
  const answering = new Told(other, false, limits.answering);
  await until("HELLO both ways", () => opening.isReady && answering.isReady);
  return { opening, answering };
};

/** One of ours and a raw side, which has sent nothing yet. */
export const linkAndRaw = (
  opens: boolean,
  limits: Partial<LinkLimits> = {},
): { ours: Told; raw: RawSide } => {
  const [one, other] = memoryPair();
  return { ours: new Told(one, opens, limits), raw: new RawSide(other) };
};
