// Tokens that were verified before, so that a signature is checked once and not on every exchange. Only successes
// are kept, and only what never changes: time and contract are asked at each use.
import type { TokenKeys } from "../contracts/token-check.js";
import type { AccessToken } from "../contracts/token.js";

/** How many tokens may be kept, and how long they may be together: a token is at most 32 KiB, and usually 1. */
const TOKENS_MAX = 10_000;
const CHARACTERS_MAX = 32 * 1024 ** 2;

/** Tokens by the header that they came in. */
class Half {
  readonly tokens = new Map<string, AccessToken>();
  #characters = 0;

  add(header: string, token: AccessToken): void {
    if (!this.tokens.has(header)) this.#characters += header.length;
    this.tokens.set(header, token);
  }

  get isFull(): boolean {
    return this.tokens.size >= TOKENS_MAX / 2 || this.#characters >= CHARACTERS_MAX / 2;
  }
}

/**
 * Verified tokens by the header that they came in, in two halves: the one that is filled, and the one before it, which
 * goes as a whole when that is full. What is used is in the first of them, so that a use changes nothing as a rule.
 */
export class VerifiedTokens {
  #keys: TokenKeys | undefined;
  #filling = new Half();
  #before = new Half();

  /**
   * The token, if it was verified before with these keys.
   *
   * @param header as it came: over a link it is one string, whose look-up costs next to nothing
   * @param certificate the thumbprint of the client's certificate
   */
  get(header: string, certificate: string, keys: TokenKeys): AccessToken | undefined {
    if (keys !== this.#keys) return undefined;
    const filled = this.#filling.tokens.get(header);
    const token = filled ?? this.#before.tokens.get(header);
    if (token?.certificateThumbprint !== certificate) return undefined;
    if (filled === undefined) this.#put(header, token);
    return token;
  }

  /** Keeps a token that has been verified. With other keys than before, all that was kept is dropped. */
  add(verified: { readonly header: string; readonly token: AccessToken }, keys: TokenKeys): void {
    if (keys !== this.#keys) {
      this.#filling = new Half();
      this.#before = new Half();
      this.#keys = keys;
    }
    this.#put(verified.header, verified.token);
  }

  #put(header: string, token: AccessToken): void {
    this.#filling.add(header, token);
    if (!this.#filling.isFull) return;
    this.#before = this.#filling;
    this.#filling = new Half();
  }
}
