// Tokens that were verified before, so that a signature is checked once and not on every exchange. Only successes
// are kept, and only what never changes: time and contract are asked at each use.
import type { TokenKeys } from "../contracts/token-check.js";
import type { AccessToken } from "../contracts/token.js";

const TOKENS_MAX = 10_000;
/** Together: a token is at most 32 KiB, and usually 1. */
const CHARACTERS_MAX = 32 * 1024 ** 2;

/** Verified tokens by their bytes and the certificate that showed them. The least recently used goes first. */
export class VerifiedTokens {
  #keys: TokenKeys | undefined;
  readonly #tokens = new Map<string, AccessToken>();
  #characters = 0;

  /**
   * The token, if it was verified before with these keys.
   *
   * @param certificate the thumbprint of the client's certificate
   */
  get(text: string, certificate: string, keys: TokenKeys): AccessToken | undefined {
    if (keys !== this.#keys) return undefined;
    const name = nameOf(text, certificate);
    const token = this.#tokens.get(name);
    if (token === undefined) return undefined;
    this.#tokens.delete(name);
    this.#tokens.set(name, token);
    return token;
  }

  /** Keeps a token that has been verified. With other keys than before, all that was kept is dropped. */
  add(verified: { readonly text: string; readonly token: AccessToken }, keys: TokenKeys): void {
    if (keys !== this.#keys) {
      this.#tokens.clear();
      this.#characters = 0;
      this.#keys = keys;
    }
    const name = nameOf(verified.text, verified.token.certificateThumbprint);
    if (!this.#tokens.has(name)) this.#characters += name.length;
    this.#tokens.set(name, verified.token);
    for (const oldest of this.#tokens.keys()) {
      if (this.#tokens.size <= TOKENS_MAX && this.#characters <= CHARACTERS_MAX) break;
      this.#tokens.delete(oldest);
      this.#characters -= oldest.length;
    }
  }
}

// No token has a space.
const nameOf = (text: string, certificate: string): string => `${certificate} ${text}`;
