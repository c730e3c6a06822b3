// Checks contracts/jws.ts: what is no JWS here, which keys count, and openssl as the other side.
import { expect } from "chai";
import { execFileSync } from "node:child_process";
import { createHmac, createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  ALGORITHMS,
  algorithmsOf,
  certificateThumbprintOf,
  JwsError,
  parseCertificateThumbprint,
  readJws,
  signingAlgorithm,
  signJws,
  THUMBPRINT_HEADER,
  verifyJws,
  type Algorithm,
} from "../../contracts/jws.js";
import { peer } from "../support/contract-content.js";
import { compact, oddSigner, signerOf, type Signer } from "../support/contract-signers.js";
import type { KeyKind } from "../support/openssl.js";
import { TestGroup } from "../support/pki.js";

const RULES = { bytesMax: 4096, types: ["JOSE", "JWT"] };
const THUMBPRINT = "A".repeat(43);
const HEADER = { alg: "RS256", [THUMBPRINT_HEADER]: THUMBPRINT };
const SIGNATURE = "AAAA";

const read = (text: string) => readJws(text, RULES);

const refusal = (text: string): JwsError => {
  try {
    read(text);
  } catch (error) {
    if (error instanceof JwsError) return error;
    throw error;
  }
  throw new Error("it was read");
};

const FORMS: readonly (readonly [what: string, text: string, reason: string])[] = [
  ["nothing", "", "three parts"],
  ["two parts", "AAAA.AAAA", "three parts"],
  ["no signature", compact(HEADER, {}, ""), "three parts"],
  ["four parts", `${compact(HEADER, {}, SIGNATURE)}.AAAA`, "three parts"],
  ["five parts, as an encrypted one has", "AAAA.AAAA.AAAA.AAAA.AAAA", "three parts"],
  ["a JWS in JSON", '{"payload":"e30","signatures":[]}', "three parts"],
  ["more bytes than allowed", "A".repeat(4097), "4097 bytes"],
  ["no header", `.e30.${SIGNATURE}`, "header is not base64url"],
  ["no payload", compact(HEADER, "", SIGNATURE), "payload is not base64url"],
  [
    "a header in standard base64",
    compact(HEADER, {}, SIGNATURE).replace(".", "=."),
    "header is not",
  ],
  [
    "a payload with padding",
    compact(HEADER, {}, SIGNATURE).replace("e30.", "e30=."),
    "payload is not",
  ],
  [
    "a payload with bits beyond it",
    compact(HEADER, {}, SIGNATURE).replace("e30.", "e31."),
    "payload is not",
  ],
  ["a signature of base64's other letters", compact(HEADER, {}, "ab+/"), "signature is not"],
  ["a signature with a line break", compact(HEADER, {}, "AAAA\n"), "signature is not"],
  ["a signature of one letter", compact(HEADER, {}, "A"), "signature is not"],
  ["a header that is no JSON", compact("{", {}, SIGNATURE), "its header has"],
  ["a header that is a list", compact([], {}, SIGNATURE), "its header is not a JSON object"],
  [
    "an algorithm twice",
    compact(`{"alg":"RS256","alg":"none","x5t#S256":"${THUMBPRINT}"}`, {}, SIGNATURE),
    "the same name twice",
  ],
  ["a payload that is no JSON", compact(HEADER, "no", SIGNATURE), "its payload has"],
  ["a payload that is a text", compact(HEADER, '"a"', SIGNATURE), "payload is not a JSON object"],
  ["a payload with a name twice", compact(HEADER, '{"a":1,"\\u0061":2}', SIGNATURE), "name twice"],
  [
    "a header over its size",
    compact({ ...HEADER, kid: "k".repeat(1024) }, {}, SIGNATURE),
    "larger",
  ],
  ["no thumbprint", compact({ alg: "RS256" }, {}, SIGNATURE), "no x5t#S256"],
  [
    "a thumbprint under FSC's misspelt name",
    compact({ alg: "RS256", "x5t#s256": THUMBPRINT }, {}, SIGNATURE),
    "no x5t#S256",
  ],
  [
    "SHA-1's thumbprint",
    compact({ alg: "RS256", x5t: "A".repeat(27) }, {}, SIGNATURE),
    "no x5t#S256",
  ],
  [
    "a padded thumbprint, as FSC's example has it",
    compact({ ...HEADER, [THUMBPRINT_HEADER]: `${THUMBPRINT}=` }, {}, SIGNATURE),
    "43 characters",
  ],
  [
    "a thumbprint in hexadecimal",
    compact({ ...HEADER, [THUMBPRINT_HEADER]: "a".repeat(64) }, {}, SIGNATURE),
    "43 characters",
  ],
  [
    "a thumbprint that is no text",
    compact({ ...HEADER, [THUMBPRINT_HEADER]: [THUMBPRINT] }, {}, SIGNATURE),
    "43 characters",
  ],
  ["crit", compact({ ...HEADER, crit: ["b64"], b64: false }, {}, SIGNATURE), "crit"],
  ["an empty crit", compact({ ...HEADER, crit: [] }, {}, SIGNATURE), "crit"],
  ["another typ", compact({ ...HEADER, typ: "JOSE+JSON" }, {}, SIGNATURE), "typ is"],
  ["a typ that is no text", compact({ ...HEADER, typ: 1 }, {}, SIGNATURE), "typ is no text"],
];

const UNKNOWN = [
  ...["none", "None", "", "HS256", "HS384", "HS512", "PS256", "PS384", "PS512", "EdDSA", "Ed25519"],
  ...["ES256K", "rs256", "RS256 ", "RSA-OAEP", "dir", "__proto__"],
];

describe("a compact JWS", () => {
  for (const [what, text, reason] of FORMS) {
    it(`is refused with ${what}`, () => {
      const error = refusal(text);
      expect(error.message).to.include(reason);
      expect(error.kind).to.equal("invalid");
    });
  }

  for (const alg of UNKNOWN) {
    it(`is refused as one of an unknown algorithm with ${JSON.stringify(alg)}`, () => {
      expect(refusal(compact({ ...HEADER, alg }, {}, SIGNATURE)).kind).to.equal("algorithm");
    });
  }

  for (const alg of [undefined, null, 1, ["RS256"], { alg: "RS256" }]) {
    it(`is refused with the algorithm ${alg === undefined ? "absent" : JSON.stringify(alg)}`, () => {
      const error = refusal(compact({ ...HEADER, alg }, {}, SIGNATURE));
      expect(error.message).to.include("names no algorithm");
      expect(error.kind).to.equal("algorithm");
    });
  }

  it("may have other headers, which are ignored (RFC 7515, 4), and typ in any case", () => {
    const more = { kid: "k", jku: "https://evil.test", jwk: {}, x5c: [], b64: false, typ: "jwt" };
    const jws = read(compact({ ...HEADER, ...more }, { a: 1 }, SIGNATURE));
    expect(jws).to.deep.include({ algorithm: "RS256", thumbprint: THUMBPRINT, signatureBytes: 3 });
    expect(jws.payload["a"]).to.equal(1);
  });
});

describe("a certificate's thumbprint", () => {
  it("has 43 characters of base64url, in one form", () => {
    for (const text of [
      "",
      "A".repeat(42),
      `${THUMBPRINT}=`,
      `${"A".repeat(42)}B`,
      `${THUMBPRINT}\n`,
    ]) {
      expect(parseCertificateThumbprint(text), text).to.equal(undefined);
    }
    expect(parseCertificateThumbprint(THUMBPRINT)).to.equal(THUMBPRINT);
  });
});

// openssl has ECDSA signatures in DER, JWS has the two numbers side by side.
const der = (raw: Buffer): Buffer => {
  const number = (bytes: Buffer): Buffer => {
    let at = 0;
    while (at < bytes.length - 1 && bytes[at] === 0) at += 1;
    const short = bytes.subarray(at);
    const value = (short[0] ?? 0) < 128 ? short : Buffer.concat([Buffer.of(0), short]);
    return Buffer.concat([Buffer.of(2, value.length), value]);
  };
  const half = raw.length / 2;
  const body = Buffer.concat([number(raw.subarray(0, half)), number(raw.subarray(half))]);
  const length = body.length < 128 ? Buffer.of(body.length) : Buffer.of(0x81, body.length);
  return Buffer.concat([Buffer.of(0x30), length, body]);
};

/** The inverse, for signatures on a curve whose numbers have some size. */
const undo = (bytes: Buffer, size: number): Buffer => {
  let at = bytes[1] === 0x81 ? 3 : 2;
  const numbers = [0, 1].map(() => {
    const length = bytes[at + 1] ?? 0;
    const number = bytes.subarray(at + 2, at + 2 + length);
    at += 2 + length;
    return Buffer.concat([Buffer.alloc(size), number]).subarray(-size);
  });
  return Buffer.concat(numbers);
};

interface Kind {
  readonly kind: KeyKind;
  readonly algorithms: readonly Algorithm[];
}

const KINDS: readonly Kind[] = [
  { kind: "rsa:2048", algorithms: ["RS256", "RS384", "RS512"] },
  { kind: "P-256", algorithms: ["ES256"] },
  { kind: "P-384", algorithms: ["ES384"] },
  { kind: "P-521", algorithms: ["ES512"] },
];

const digestOf = (algorithm: Algorithm): string => `sha${algorithm.slice(2)}`;

describe("a JWS and its key", () => {
  let group: TestGroup;
  const signers = new Map<KeyKind, Signer>();
  const of = (kind: KeyKind): Signer => {
    const signer = signers.get(kind);
    if (signer === undefined) throw new Error(`there is no ${kind}`);
    return signer;
  };
  const publicOf = (kind: KeyKind): KeyObject => of(kind).certificate.publicKey;

  before(async () => {
    group = await TestGroup.create();
    const kinds = [...KINDS.map(({ kind }) => kind), "rsa:1024", "secp256k1", "ed25519"] as const;
    for (const [at, kind] of kinds.entries()) {
      signers.set(kind, await oddSigner(group, peer(at), kind));
    }
    signers.set(
      "rsa:2048",
      await signerOf(await group.peer({ peerId: peer(1), name: "One", names: ["one.test"] })),
    );
  });
  after(() => group.remove());

  const header = (algorithm: string, { certificate }: Signer) => ({
    alg: algorithm,
    [THUMBPRINT_HEADER]: certificateThumbprintOf(certificate),
  });

  /** A JWS whose signature Node makes, in whatever encoding. */
  const signed = (
    algorithm: Algorithm,
    signer: Signer,
    dsaEncoding: "der" | "ieee-p1363",
  ): string => {
    const text = compact(header(algorithm, signer), { a: 1 }, "");
    const key = { key: signer.key, dsaEncoding };
    return (
      text + sign(digestOf(algorithm), Buffer.from(text.slice(0, -1)), key).toString("base64url")
    );
  };

  const refused = async (text: string, key: KeyObject): Promise<JwsError> => {
    try {
      await verifyJws(read(text), key);
    } catch (error) {
      if (error instanceof JwsError) return error;
      throw error;
    }
    throw new Error("it counts");
  };

  for (const { kind, algorithms } of KINDS) {
    for (const algorithm of algorithms) {
      it(`are verified by openssl too when we sign with ${algorithm}`, async () => {
        const signer = of(kind);
        const text = await signJws({ b: 2, a: "é" }, signer, { algorithm });
        const [head = "", payload = "", signature = ""] = text.split(".");
        expect(Buffer.from(payload, "base64url").toString()).to.equal('{"a":"é","b":2}');
        expect(JSON.parse(Buffer.from(head, "base64url").toString())).to.deep.equal(
          header(algorithm, signer),
        );
        const raw = Buffer.from(signature, "base64url");
        const at = (name: string): string => join(group.dir, name);
        await writeFile(at("signature"), kind === "rsa:2048" ? raw : der(raw));
        await writeFile(at("public.pem"), publicOf(kind).export({ type: "spki", format: "pem" }));
        const answer = execFileSync(
          "openssl",
          [
            "dgst",
            `-${digestOf(algorithm)}`,
            "-verify",
            at("public.pem"),
            "-signature",
            at("signature"),
          ],
          { input: `${head}.${payload}` },
        );
        expect(answer.toString()).to.equal("Verified OK\n");
        await verifyJws(read(text), publicOf(kind));
      });

      it(`count when openssl signs with ${algorithm}`, async () => {
        const signer = of(kind);
        const text = compact(header(algorithm, signer), { a: 1 }, "");
        const signature = execFileSync(
          "openssl",
          ["dgst", `-${digestOf(algorithm)}`, "-sign", signer.keyFile],
          { input: text.slice(0, -1) },
        );
        const sizes: Partial<Record<Algorithm, number>> = { ES256: 32, ES384: 48, ES512: 66 };
        const size = sizes[algorithm];
        const last = size === undefined ? signature : undo(signature, size);
        await verifyJws(read(text + last.toString("base64url")), publicOf(kind));
      });
    }

    it(`count with the algorithms of ${kind} alone`, async () => {
      expect(algorithmsOf(publicOf(kind))).to.deep.equal(algorithms);
      for (const algorithm of ALGORITHMS.filter((each) => !algorithms.includes(each))) {
        const text = compact(header(algorithm, of(kind)), { a: 1 }, Buffer.alloc(256, 1));
        expect((await refused(text, publicOf(kind))).message).to.include(
          `it says ${algorithm}, its certificate has a key for ${algorithms.join(", ")}`,
        );
      }
    });

    it(`do not count with a ${kind} when a bit of header, payload or signature is another`, async () => {
      const text = await signJws({ a: 1 }, of(kind));
      const [head = "", payload = "", signature = ""] = text.split(".");
      const flipped = Buffer.from(signature, "base64url");
      flipped[10] = (flipped[10] ?? 0) ^ 1;
      const other = { ...header(signingAlgorithm(publicOf(kind)), of(kind)), kid: "x" };
      for (const changed of [
        `${head}.${Buffer.from('{"a":2}').toString("base64url")}.${signature}`,
        `${Buffer.from(JSON.stringify(other)).toString("base64url")}.${payload}.${signature}`,
        `${head}.${payload}.${flipped.toString("base64url")}`,
        `${head}.${payload}.${Buffer.alloc(flipped.length).toString("base64url")}`,
      ]) {
        expect((await refused(changed, publicOf(kind))).message).to.include("not by the key");
      }
      for (const length of [flipped.length - 1, flipped.length + 1, 1]) {
        const changed = `${head}.${payload}.${Buffer.alloc(length, 1).toString("base64url")}`;
        expect((await refused(changed, publicOf(kind))).message).to.include("with this key it has");
      }
    });
  }

  for (const { kind, algorithms } of KINDS.slice(1)) {
    it(`do not count with ${algorithms.join()} in DER, however long that is`, async () => {
      const algorithm = algorithms[0] ?? "ES256";
      const text = signed(algorithm, of(kind), "der");
      const signature = Buffer.from(text.split(".")[2] ?? "", "base64url");
      expect(
        verify(
          digestOf(algorithm),
          Buffer.from(text.slice(0, text.lastIndexOf("."))),
          { key: publicOf(kind), dsaEncoding: "der" },
          signature,
        ),
      ).to.equal(true);
      await refused(text, publicOf(kind));
    });
  }

  for (const kind of ["rsa:1024", "secp256k1", "ed25519"] as const) {
    it(`never count with a key of ${kind}, whatever they say`, async () => {
      expect(algorithmsOf(publicOf(kind))).to.deep.equal([]);
      for (const algorithm of ALGORITHMS) {
        const text = compact(header(algorithm, of(kind)), {}, Buffer.alloc(64, 1));
        expect((await refused(text, publicOf(kind))).message).to.include("allowed are");
      }
      let thrown: unknown;
      await signJws({}, of(kind)).catch((error: unknown) => (thrown = error));
      expect(thrown).to.be.instanceOf(TypeError);
    });
  }

  it("do not count when the public key is used as a secret", () => {
    const { certificate } = of("rsa:2048");
    const pem = certificate.publicKey.export({ type: "spki", format: "pem" });
    const text = compact(header("HS256", of("rsa:2048")), { a: 1 }, "");
    const mac = createHmac("sha256", pem).update(text.slice(0, -1)).digest("base64url");
    expect(refusal(text + mac).kind).to.equal("algorithm");
  });

  it("do not count with the key of another certificate", async () => {
    const other = await signerOf(
      await group.peer({ peerId: peer(2), name: "Two", names: ["two.test"] }),
    );
    const text = await signJws({ a: 1 }, of("rsa:2048"));
    expect((await refused(text, other.certificate.publicKey)).message).to.include("not by the key");
  });

  it("are refused at signing with a key that is not the certificate's, or another algorithm", async () => {
    const [rsa, ec] = [of("rsa:2048"), of("P-256")];
    for (const act of [
      () => signJws({}, { ...rsa, key: ec.key }),
      () => signJws({}, rsa, { algorithm: "ES256" }),
      () => signJws({}, ec, { algorithm: "ES384" }),
    ]) {
      let thrown: unknown;
      await act().catch((error: unknown) => (thrown = error));
      expect(thrown).to.be.instanceOf(TypeError);
    }
  });

  it("have RS512 with an RSA key and the curve's algorithm with others, and typ when asked for", async () => {
    expect(KINDS.map(({ kind }) => signingAlgorithm(publicOf(kind)))).to.deep.equal([
      ...["RS512", "ES256", "ES384", "ES512"],
    ]);
    const text = await signJws({}, of("P-256"), { type: "JWT" });
    expect(JSON.parse(Buffer.from(text.split(".")[0] ?? "", "base64url").toString())).to.include({
      typ: "JWT",
    });
  });

  it("name the certificate by SHA-256 over its DER, which openssl computes too", () => {
    const { certificate } = of("rsa:2048");
    const found = execFileSync("openssl", ["dgst", "-sha256", "-binary"], {
      input: certificate.raw,
    });
    expect(certificateThumbprintOf(certificate)).to.equal(found.toString("base64url"));
    expect(createPublicKey(of("rsa:2048").key).equals(certificate.publicKey)).to.equal(true);
  });
});
