// Tokens that were verified before, so that a signature is checked once and not on every exchange. Only successes
// are kept, and only what never changes: time and contract are asked at each use.
import type { TokenKeys } from "../contracts/token-check.js";
import type { AccessToken } from "../contracts/token.js";

const TOKENS_MAX = 10_000;
/** Together: a token is at most 32 KiB, and usually 1. */
const CHARACTERS_MAX = 32 * 1024 ** 2;

/** Verified tokens by the header that they came in. The least recently used goes first. */
export class VerifiedTokens {
  #keys: TokenKeys | undefined;
  readonly #tokens = new Map<string, AccessToken>();
  #characters = 0;

  /**
   * The token, if it was verified before with these keys.
   *
   * @param header as it came: over a link it is one string, whose look-up costs next to nothing
   * @param certificate the thumbprint of the client's certificate
   */
  get(header: string, certificate: string, keys: TokenKeys): AccessToken | undefined {
    const token = keys === this.#keys ? this.#tokens.get(header) : undefined;
    if (token?.certificateThumbprint !== certificate) return undefined;
    this.#tokens.delete(header);
    this.#tokens.set(header, token);
    return token;
  }

  /** Keeps a token that has been verified. With other keys than before, all that was kept is dropped. */
  add(verified: { readonly header: string; readonly token: AccessToken }, keys: TokenKeys): void {
    if (keys !== this.#keys) {
      this.#tokens.clear();
      this.#characters = 0;
      this.#keys = keys;
    }
    const { header, token } = verified;
    if (!this.#tokens.has(header)) this.#characters += header.length;
    this.#tokens.set(header, token);
    for (const oldest of this.#tokens.keys()) {
      if (this.#tokens.size <= TOKENS_MAX && this.#characters <= CHARACTERS_MAX) break;
      this.#tokens.delete(oldest);
      this.#characters -= oldest.length;
    }
  }
}
