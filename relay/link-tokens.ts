// Tokens cross a connection once and are then named by number: the table of whoever sends them, and that of
// whoever gets them.
import { LINK_CODE, LinkError } from "./link-codes.js";
import { FRAME } from "./link-frames.js";
import type { LinkOffer } from "./link-hello.js";
import type { LinkOutput } from "./link-output.js";

/** The numbers that we have given. A token beyond the number that the other side keeps takes the oldest one's place. */
export class SentTokens {
  readonly #numbers = new Map<string, number>();
  #next = 0;

  constructor(private readonly output: LinkOutput) {}

  /** The number of a token, which the other side is told first when it is new; 0 when it cannot have one. */
  numberOf(token: string, most: Pick<LinkOffer, "tokensMax" | "tokenBytesMax">): number {
    const known = this.#numbers.get(token);
    if (known !== undefined) return known;
    if (most.tokensMax === 0 || token.length > most.tokenBytesMax) return 0;
    const bytes = Buffer.from(token, "latin1");
    if (!isHeaderValue(bytes)) return 0;
    let number = this.#next + 1;
    if (this.#numbers.size >= most.tokensMax) {
      const [oldest] = this.#numbers;
      if (oldest !== undefined) {
        this.#numbers.delete(oldest[0]);
        number = oldest[1];
      }
    } else {
      this.#next = number;
    }
    this.#numbers.set(token, number);
    const numbered = Buffer.alloc(4);
    numbered.writeUInt32BE(number);
    this.output.frame(FRAME.token, 0, numbered, bytes);
    return number;
  }
}

const SPACE = 0x20;
const TILDE = 0x7e;

/** Whether the octets can be a header's value: visible ASCII and spaces, none of them at either end. */
const isHeaderValue = (bytes: Buffer): boolean => {
  for (const byte of bytes) if (byte < SPACE || byte > TILDE) return false;
  return bytes.length > 0 && bytes[0] !== SPACE && bytes.at(-1) !== SPACE;
};

/** The tokens that the other side has given numbers. */
export class ReceivedTokens {
  readonly #tokens = new Map<number, string>();

  constructor(private readonly tokensMax: number) {}

  /** Takes TOKEN. @throws LinkError token */
  take(payload: Buffer): void {
    const number = payload.readUInt32BE(0);
    const token = payload.subarray(4);
    if (number < 1 || number > this.tokensMax) {
      throw new LinkError(LINK_CODE.token, `a token with number ${number}`);
    }
    if (!isHeaderValue(token)) {
      throw new LinkError(LINK_CODE.token, "a token that no header's value could be");
    }
    this.#tokens.set(number, token.toString("latin1"));
  }

  /** The token that a head names; undefined for 0. @throws LinkError token */
  named(number: number): string | undefined {
    if (number === 0) return undefined;
    const token = this.#tokens.get(number);
    if (token === undefined) throw new LinkError(LINK_CODE.token, `token ${number} is not there`);
    return token;
  }
}
