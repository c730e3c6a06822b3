// One exchange that goes out over a link to its target: sends the request as it is told to, and reads the
// response with the scanner that reads those of HTTP/1.1.
import { SchakelError } from "../core/errors.js";
import { LinkBody } from "./link-body.js";
import { LINK_CODE, LinkError, type LinkCode } from "./link-codes.js";
import type { LinkConnection } from "./link-connection.js";
import type { LinkExchange, LinkExchangeOwner } from "./link-exchange.js";
import type { LinkEnd } from "./link-frames.js";
import type { HeaderLines } from "./message.js";
import { MalformedBody } from "./scan-body.js";
import type { LineLimits } from "./scan-lines.js";
import {
  bodyOf,
  MalformedResponse,
  scanResponseHead,
  type ScannedResponse,
} from "./scan-response.js";
import type { ResponseSink, SentRequest, TargetSide } from "./target-connection.js";
import { trailerBytes } from "./write-head.js";

/** Use once, for one exchange: `send` or `destroy` must be called, since it has a place on the link. */
export class LinkTarget implements TargetSide, LinkExchangeOwner {
  readonly link = "schakel";
  readonly reused: boolean;
  answered = false;
  written = false;
  #exchange: LinkExchange | undefined;
  #sink: ResponseSink | undefined;
  #sent = false;
  #method = "";
  #body: LinkBody | undefined;
  #paused = false;
  #untaken = 0;

  constructor(
    private readonly connection: LinkConnection,
    private readonly limits: LineLimits,
  ) {
    this.reused = connection.opened > 0;
    connection.keepPlace();
  }

  takesToken(token: string): boolean {
    return this.connection.takesToken(token);
  }

  send({ method, head, token, ends }: SentRequest, sink: ResponseSink): void {
    this.#sink = sink;
    this.#method = method;
    if (head.length > this.connection.headBytesMax) {
      throw new SchakelError("ERROR_CODE_REQUEST_HEAD_TOO_LARGE", {
        detail: "the head is larger than the other side of the link takes",
      });
    }
    this.#sent = true;
    this.#exchange = this.connection.open({ head, token, ends, owner: this });
    this.written = this.#exchange !== undefined;
    if (this.#exchange === undefined) {
      // It was full or drained between being chosen and now.
      process.nextTick(() => this.#fail("broken", undefined));
    }
  }

  write(piece: Buffer): boolean {
    return this.#exchange?.send(piece) ?? true;
  }

  end(trailers: HeaderLines): void {
    this.#exchange?.end({ trailers: trailerBytes(trailers), hash: undefined });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    const untaken = this.#untaken;
    this.#untaken = 0;
    if (untaken > 0) this.#exchange?.taken(untaken);
  }

  release(): void {
    this.#sink = undefined;
    this.resume();
  }

  destroy(): void {
    this.#sink = undefined;
    if (!this.#sent) this.connection.giveUp();
    this.#sent = true;
    this.#exchange?.reset(LINK_CODE.cancelled);
  }

  headCame(head: Buffer, interim: boolean): void {
    this.answered = true;
    this.#read(() => {
      const response = scanResponseHead(head, this.#method, this.limits);
      if (response.status < 200 !== interim) {
        throw new MalformedResponse("the link says whether a response is interim, and it is not");
      }
      if (interim) this.#sink?.interim(response);
      else this.#begin(response);
    });
  }

  dataCame(piece: Buffer): void {
    this.#untaken += piece.length;
    this.#read(() => {
      this.#body?.piece(piece.length);
      this.#sink?.bodyPiece(piece);
    });
    if (!this.#paused) this.resume();
  }

  endCame({ trailers }: LinkEnd): void {
    this.#read(() => {
      const lines = this.#body?.end(trailers) ?? [];
      this.#sink?.bodyEnd(lines);
    });
  }

  resetCame(code: LinkCode, untouched: boolean): void {
    if (untouched) this.written = false;
    const cause = new LinkError(code, "the other side has ended the exchange");
    this.#fail(code === LINK_CODE.malformed ? "malformed" : "broken", cause);
    this.#exchange?.reset(LINK_CODE.none);
  }

  writable(): void {
    this.#sink?.drained();
  }

  #begin(response: ScannedResponse): void {
    if (response.framing.kind === "until-close") {
      throw new MalformedResponse("an answer on the link does not say how its body is framed");
    }
    this.#body = new LinkBody(bodyOf(response, this.#method), this.limits);
    this.#sink?.begin(response);
  }

  #read(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof MalformedResponse) && !(error instanceof MalformedBody)) throw error;
      this.#fail("malformed", error);
      this.#exchange?.reset(LINK_CODE.malformed);
    }
  }

  #fail(kind: "broken" | "malformed", cause: unknown): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.failed(kind, cause);
  }
}
