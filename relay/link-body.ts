// A body that comes over the link, held to what its head says: without chunks, ended by a frame.
import type { HeaderLines } from "./message.js";
import { MalformedBody } from "./scan-body.js";
import { LINES, REFUSED, type Framing, type LineLimits } from "./scan-lines.js";

const NOTHING: HeaderLines = [];
const CRLF = Buffer.from("\r\n", "latin1");

/** Use once, for one body. */
export class LinkBody {
  #left: number;
  readonly #counted: boolean;

  /** With `none` there may be no octet; `until-close` is not for the link and counts as `none`. */
  constructor(
    framing: Framing,
    private readonly limits: LineLimits,
  ) {
    this.#counted = framing.kind !== "chunked";
    this.#left = framing.kind === "length" ? framing.bytes : 0;
  }

  /** So many octets have come. @throws MalformedBody when they are more than the head says */
  piece(bytes: number): void {
    if (!this.#counted) return;
    if (bytes > this.#left) throw new MalformedBody("there is more of it than its head says");
    this.#left -= bytes;
  }

  /**
   * The end has come.
   *
   * @returns the trailers
   * @throws MalformedBody when something is missing, or the trailers break a rule
   */
  end(trailers: Buffer | undefined): HeaderLines {
    if (this.#left > 0) throw new MalformedBody("there is less of it than its head says");
    if (trailers === undefined) return NOTHING;
    if (this.#counted) throw new MalformedBody("trailers come with a body that is not chunked");
    const { headersMax, headBytesMax } = this.limits;
    if (trailers.length > headBytesMax) {
      throw new MalformedBody("the trailer section is too large");
    }
    const bytes = Buffer.concat([trailers, CRLF]);
    const end = LINES.scan(bytes, { from: 0, to: bytes.length, headersMax });
    if (end === REFUSED) throw new MalformedBody(LINES.problem);
    if (end !== bytes.length) throw new MalformedBody("the trailer section ends early or late");
    if (LINES.forbiddenInTrailer) {
      throw new MalformedBody("a trailer frames or routes the message");
    }
    return LINES.take(bytes).pairs;
  }
}
