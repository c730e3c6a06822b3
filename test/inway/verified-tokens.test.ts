// The memory of verified tokens: what it must not give, and that it stays small.
import { expect } from "chai";
import type { TokenKeys } from "../../contracts/token-check.js";
import type { AccessToken } from "../../contracts/token.js";
import { VerifiedTokens } from "../../inway/verified-tokens.js";

const KEYS: TokenKeys = new Map();
const tokenFor = (certificateThumbprint: string): AccessToken =>
  ({ certificateThumbprint }) as AccessToken;

describe("inway/verified-tokens", () => {
  it("gives a token to nobody but the certificate and the bytes that it was verified for", () => {
    const verified = new VerifiedTokens();
    const token = tokenFor("a");
    verified.add({ header: "t", token }, KEYS);
    expect(verified.get("t", "b", KEYS)).to.equal(undefined);
    expect(verified.get("u", "a", KEYS)).to.equal(undefined);
    expect(verified.get("", "a t", KEYS)).to.equal(undefined);
    expect(verified.get("t", "a", KEYS)).to.equal(token);
  });

  it("gives nothing that was verified with other keys, and keeps none of it", () => {
    const verified = new VerifiedTokens();
    verified.add({ header: "t", token: tokenFor("a") }, KEYS);
    expect(verified.get("t", "a", new Map())).to.equal(undefined);
    verified.add({ header: "u", token: tokenFor("a") }, new Map());
    expect(verified.get("t", "a", KEYS)).to.equal(undefined);
  });

  it("keeps what is used, and five to ten thousand of those that were verified last", () => {
    const verified = new VerifiedTokens();
    for (let n = 0; n <= 10_000; n++) {
      verified.add({ header: `t${String(n)}`, token: tokenFor("a") }, KEYS);
      verified.get("t0", "a", KEYS);
    }
    expect(verified.get("t0", "a", KEYS)).not.to.equal(undefined);
    expect(verified.get("t1", "a", KEYS)).to.equal(undefined);
    expect(verified.get("t4998", "a", KEYS)).to.equal(undefined);
    expect(verified.get("t5001", "a", KEYS)).not.to.equal(undefined);
  });

  it("keeps fewer when they are large", () => {
    const verified = new VerifiedTokens();
    const large = (n: number): string => String(n).padEnd(32 * 1024, "x");
    for (let n = 0; n < 1_100; n++) verified.add({ header: large(n), token: tokenFor("a") }, KEYS);
    expect(verified.get(large(0), "a", KEYS)).to.equal(undefined);
    expect(verified.get(large(1_099), "a", KEYS)).not.to.equal(undefined);
  });
});
