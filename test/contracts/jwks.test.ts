// Checks contracts/jwks.ts: which keys of a JWK set are left out, and why, then what is read and written.
import { expect } from "chai";
import { createHash, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  JWK_THUMBPRINTS,
  JWKS_KEYS_MAX,
  jwksOf,
  parseJwks,
  type Jwks,
} from "../../contracts/jwks.js";
import { certificateThumbprintOf } from "../../contracts/jws.js";
import { ContractRefusal } from "../../contracts/refusal.js";
import { peer, type Wire } from "../support/contract-content.js";
import { oddSigner, signerOf, type Signer } from "../support/contract-signers.js";
import type { KeyKind } from "../support/openssl.js";
import { TestGroup } from "../support/pki.js";

const read = (keys: readonly unknown[]): Jwks => parseJwks(Buffer.from(JSON.stringify({ keys })));

describe("a JWK set", () => {
  let group: TestGroup;
  let rsa: Signer;
  let ec: Signer;
  let root: string;
  const jwk = (signer: Signer, changes: Wire = {}): Wire => {
    const { keys } = jwksOf([signer.chain]) as { readonly keys: readonly Wire[] };
    return { ...keys[0], ...changes };
  };

  before(async () => {
    group = await TestGroup.create();
    rsa = await signerOf(await group.peer({ peerId: peer(1), name: "One", names: ["one.test"] }));
    ec = await oddSigner(group, peer(2), "P-521");
    const pem = await readFile(join(group.caDir, "root.pem"));
    root = new X509Certificate(pem).raw.toString("base64");
  });
  after(() => group.remove());

  const without = (signer: Signer, name: string): Wire =>
    Object.fromEntries(Object.entries(jwk(signer)).filter(([each]) => each !== name));
  const der = (signer: Signer): Buffer => signer.certificate.raw;

  const LEFT_OUT: readonly (readonly [what: string, make: () => unknown, reason: string])[] = [
    ["a text", () => "key", "keys[0] is of type string"],
    ["null", () => null, "keys[0] is null"],
    ["no kty", () => without(rsa, "kty"), "keys[0].kty is absent"],
    ["a secret key", () => ({ kty: "oct", k: "AAAA" }), "it must be RSA or EC"],
    ["an Ed25519 key", () => jwk(ec, { kty: "OKP" }), "it must be RSA or EC"],
    ["a private RSA key", () => jwk(rsa, { d: "AAAA" }), "keys[0].d is part of a private key"],
    ["a private prime", () => jwk(rsa, { p: "AAAA" }), "keys[0].p is part of a private key"],
    ["a private EC key", () => jwk(ec, { d: "" }), "keys[0].d is part of a private key"],
    ["no chain", () => without(rsa, "x5c"), "keys[0].x5c is absent, it must be an array"],
    ["an empty chain", () => jwk(rsa, { x5c: [] }), "keys[0].x5c has no certificate"],
    [
      "a chain that is a text",
      () => jwk(rsa, { x5c: der(rsa).toString("base64") }),
      "of type string",
    ],
    ["a certificate that is no text", () => jwk(rsa, { x5c: [1] }), "base64 with padding"],
    ["an empty certificate", () => jwk(rsa, { x5c: [""] }), "base64 with padding"],
    [
      "a certificate in base64url",
      () => jwk(rsa, { x5c: [der(rsa).toString("base64url")] }),
      "base64 with padding",
    ],
    [
      "a certificate in PEM",
      () => jwk(rsa, { x5c: [rsa.certificate.toString()] }),
      "base64 with padding",
    ],
    [
      "a certificate in lines",
      () => jwk(rsa, { x5c: [der(rsa).toString("base64").replace(/.{64}/g, "$&\n")] }),
      "base64 with padding",
    ],
    [
      "a certificate with something after it",
      () => jwk(rsa, { x5c: [Buffer.concat([der(rsa), Buffer.of(0)]).toString("base64")] }),
      "keys[0].x5c: a certificate that is not DER",
    ],
    [
      "a certificate in BER, its length with a zero before it",
      () => {
        const ber = Buffer.concat([Buffer.of(0x30, 0x83, 0), der(rsa).subarray(2)]);
        return jwk(rsa, { x5c: [ber.toString("base64")] });
      },
      "keys[0].x5c: a certificate that is not DER",
    ],
    [
      "half a certificate",
      () => jwk(rsa, { x5c: [der(rsa).subarray(0, 400).toString("base64")] }),
      "keys[0].x5c: a certificate that cannot be read",
    ],
    [
      "a certificate over its size",
      () => jwk(rsa, { x5c: [Buffer.alloc(16 * 1024 + 1, 0x30).toString("base64")] }),
      "has a certificate of 16385 bytes",
    ],
    [
      "a chain of seven",
      () => jwk(rsa, { x5c: Array.from({ length: 7 }, () => der(rsa).toString("base64")) }),
      "has 7 certificates",
    ],
    [
      "another modulus than the certificate's",
      () => jwk(rsa, { n: "AQAB" }),
      "keys[0].n is not that",
    ],
    ["another exponent", () => jwk(rsa, { e: "AQAC" }), "keys[0].e is not that"],
    ["no modulus", () => without(rsa, "n"), "keys[0].n is absent"],
    [
      "another kty than the certificate's",
      () => jwk(rsa, { kty: "EC" }),
      "keys[0].kty is not that",
    ],
    ["another curve", () => jwk(ec, { crv: "P-256" }), "keys[0].crv is not that"],
    ["another point", () => jwk(ec, { y: "A".repeat(88) }), "keys[0].y is not that"],
    [
      "the certificate of somebody else before its own",
      () => jwk(rsa, { x5c: [der(ec).toString("base64")] }),
      "is not that",
    ],
    [
      "another thumbprint",
      () => jwk(rsa, { "x5t#S256": "A".repeat(43) }),
      "is not the certificate's",
    ],
    [
      "another misspelt one",
      () => jwk(rsa, { "x5t#s256": "A".repeat(43) }),
      "is not the certificate's",
    ],
    ["a thumbprint of null", () => jwk(rsa, { "x5t#S256": null }), "is not the certificate's"],
    ["a key for encryption", () => jwk(rsa, { use: "enc" }), "it must be sig"],
    ["a key that may not verify", () => jwk(rsa, { key_ops: ["sign"] }), "does not have verify"],
    ["key_ops as a text", () => jwk(rsa, { key_ops: "verify" }), "it must be an array"],
    ["an algorithm of another key", () => jwk(rsa, { alg: "ES256" }), "RS256 or RS384 or RS512"],
    ["an algorithm of another curve", () => jwk(ec, { alg: "ES256" }), "it must be ES512"],
    ["an algorithm that FSC does not have", () => jwk(rsa, { alg: "PS256" }), "it must be RS256"],
  ];

  for (const [what, make, reason] of LEFT_OUT) {
    it(`leaves out, and says so, ${what}`, () => {
      const { keys, ignored } = read([make(), jwk(ec)]);
      expect([...keys.keys()]).to.deep.equal([ec.certificate].map(certificateThumbprintOf));
      expect(ignored).to.have.length(1);
      expect(ignored[0]).to.include(reason);
    });
  }

  for (const kind of ["rsa:1024", "secp256k1", "ed25519"] satisfies KeyKind[]) {
    it(`leaves out a key of ${kind}`, async () => {
      const { chain } = await oddSigner(group, peer(3), kind);
      const x5c = chain.map(({ raw }) => raw.toString("base64"));
      const { keys, ignored } = read([{ kty: kind === "rsa:1024" ? "RSA" : "EC", x5c }]);
      expect(keys.size).to.equal(0);
      expect(ignored).to.deep.equal(["keys[0].x5c has a certificate whose key FSC does not allow"]);
    });
  }

  for (const [what, text, code] of [
    ["no JSON", "keys", "ERROR_CODE_REQUEST_INVALID"],
    ["no keys", "{}", "ERROR_CODE_REQUEST_INVALID"],
    ["keys in an object", '{"keys":{}}', "ERROR_CODE_REQUEST_INVALID"],
    ["a list", "[]", "ERROR_CODE_REQUEST_INVALID"],
    [
      "too many keys",
      JSON.stringify({ keys: Array.from({ length: JWKS_KEYS_MAX + 1 }, () => 1) }),
      "ERROR_CODE_REQUEST_INVALID",
    ],
    ["too many bytes", " ".repeat(1024 * 1024 + 1), "ERROR_CODE_BODY_TOO_LARGE"],
  ] as const) {
    it(`is refused with ${code} for ${what}`, () => {
      let thrown: unknown;
      try {
        parseJwks(Buffer.from(text));
      } catch (error) {
        thrown = error;
      }
      expect(thrown).to.be.instanceOf(ContractRefusal).that.has.property("code", code);
    });
  }

  it("is read as it is written: thumbprint, chain without the root, and key", () => {
    const text = JSON.stringify(jwksOf([rsa.chain, ec.chain]));
    const { keys, ignored } = parseJwks(Buffer.from(text));
    expect(ignored).to.deep.equal([]);
    for (const signer of [rsa, ec]) {
      const key = keys.get(certificateThumbprintOf(signer.certificate));
      expect(key?.key.equals(signer.certificate.publicKey)).to.equal(true);
      expect(key?.chain.map(({ raw }) => raw.toString("hex"))).to.deep.equal(
        signer.chain.map(({ raw }) => raw.toString("hex")),
      );
    }
  });

  it("is written with RFC 7517's members alone, and nothing of a private key", () => {
    const [first, second] = [jwk(rsa), jwk(ec)];
    expect(first).to.have.all.keys("kty", "n", "e", "use", "kid", "x5c", "x5t#S256");
    expect(second).to.have.all.keys("kty", "crv", "x", "y", "use", "kid", "x5c", "x5t#S256");
    expect(JWK_THUMBPRINTS).to.deep.equal(["x5t#S256", "x5t#s256"]);
    const thumbprint = createHash("sha256").update(rsa.certificate.raw).digest("base64url");
    expect(first["x5t#S256"]).to.equal(thumbprint);
    // RFC 7518, 6.2.1.2: the whole size of the curve, also when a coordinate begins with zeros.
    expect(Buffer.from(String(second["x"]), "base64url")).to.have.length(66);
  });

  it("is written and read without the root, though others list it", () => {
    const chain = [...rsa.chain.map(({ raw }) => raw.toString("base64")), root];
    const { keys } = read([jwk(rsa, { x5c: chain })]);
    const key = keys.get(certificateThumbprintOf(rsa.certificate));
    expect(key?.chain).to.have.length(rsa.chain.length);
    const whole = [...rsa.chain, new X509Certificate(Buffer.from(root, "base64"))];
    const { keys: written } = jwksOf([whole]) as { readonly keys: readonly Wire[] };
    expect(written[0]?.["x5c"]).to.have.length(rsa.chain.length);
  });

  it("takes the thumbprint under either name, and ignores members that it does not know", () => {
    const thumbprint = certificateThumbprintOf(rsa.certificate);
    const odd = {
      ...without(rsa, "x5t#S256"),
      "x5t#s256": thumbprint,
      x5u: "https://a.test",
      a: {},
    };
    expect([...read([odd]).keys.keys()]).to.deep.equal([thumbprint]);
    const none = { ...without(rsa, "x5t#S256"), key_ops: ["verify"], alg: "RS512" };
    expect([...read([none]).keys.keys()]).to.deep.equal([thumbprint]);
  });

  it("has a certificate that is listed twice once", () => {
    expect(read([jwk(rsa), jwk(rsa)]).keys.size).to.equal(1);
  });
});
