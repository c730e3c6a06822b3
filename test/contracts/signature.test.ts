// Checks contracts/signature.ts: each signature that does not count, with FSC's code, then those that do.
import { expect } from "chai";
import type { X509Certificate } from "node:crypto";
import { contentHash } from "../../contracts/hash.js";
import { certificateThumbprintOf, signJws, THUMBPRINT_HEADER } from "../../contracts/jws.js";
import { ContractRefusal, type RefusalCode } from "../../contracts/refusal.js";
import {
  CLOCK_SKEW_SECONDS,
  peekSignature,
  SIGNATURE_BYTES_MAX,
  SIGNATURE_TYPES,
  signContract,
  verifySignature,
  type SignatureClaim,
  type SignatureExpectations,
} from "../../contracts/signature.js";
import {
  connection,
  contentOf,
  GROUP,
  NOW,
  peer,
  publication,
} from "../support/contract-content.js";
import { compact, oddSigner, signerOf, type Signer } from "../support/contract-signers.js";
import { caExtensions } from "../support/openssl.js";
import { TestGroup } from "../support/pki.js";

const HASH = contentHash(contentOf([connection()]));
const OTHER_HASH = contentHash(contentOf([publication()]));
const SECONDS = NOW / 1000;
const CLAIM: SignatureClaim = { contractHash: HASH, type: "accept", signedAt: SECONDS };
const PAYLOAD = { contract_content_hash: HASH, type: "accept", signed_at: SECONDS };

const caught = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error("it counts");
};

describe("a signature on a contract", () => {
  let group: TestGroup;
  let signer: Signer;
  let other: Signer;
  let ec: Signer;
  let weak: Signer;
  let nameless: Signer;
  let ca: Signer;
  let curve: Signer;

  before(async () => {
    group = await TestGroup.create();
    const named = async (number: number): Promise<Signer> =>
      signerOf(
        await group.peer({
          peerId: peer(number),
          name: "Peer",
          names: [`p${String(number)}.test`],
        }),
      );
    [signer, other] = [await named(1), await named(2)];
    ec = await oddSigner(group, peer(1), "P-384");
    weak = await oddSigner(group, peer(1), "rsa:1024");
    curve = await oddSigner(group, peer(1), "explicit P-256");
    nameless = await signerOf(await group.oddPeer({ subject: "/O=Peer" }));
    ca = await signerOf(
      await group.oddPeer({
        subject: `/O=Peer/serialNumber=${peer(1)}`,
        extensions: caExtensions(),
      }),
    );
  });
  after(() => group.remove());

  const expectations = (changes: Partial<SignatureExpectations> = {}): SignatureExpectations => ({
    ...{
      contractHash: HASH,
      type: "accept",
      signer: peer(1),
      peerIdRule: GROUP.peerIdRule,
      now: NOW,
    },
    // Whatever certificate is asked for: the checks after it must not rely on where it came from.
    certificateOf: (thumbprint) =>
      Promise.resolve(
        [signer, other, ec, weak, nameless, ca, curve]
          .map(({ certificate }) => certificate)
          .find((each) => certificateThumbprintOf(each) === thumbprint),
      ),
    ...changes,
  });
  const header = (by: Signer, alg = "RS256") => ({
    alg,
    [THUMBPRINT_HEADER]: certificateThumbprintOf(by.certificate),
  });
  const always =
    (certificate: X509Certificate): SignatureExpectations["certificateOf"] =>
    () =>
      Promise.resolve(certificate);

  interface Row {
    readonly what: string;
    readonly make: () => string | Promise<string>;
    readonly changes?: () => Partial<SignatureExpectations>;
    readonly code: RefusalCode;
    readonly detail: string;
  }

  const FAILED = "ERROR_CODE_SIGNATURE_VERIFICATION_FAILED";
  const ALGORITHM = "ERROR_CODE_UNKNOWN_ALGORITHM_SIGNATURE";
  const CERTIFICATE = "ERROR_CODE_PEER_CERTIFICATE_VERIFICATION_FAILED";
  const payload =
    (changes: object): (() => Promise<string>) =>
    () =>
      signJws({ ...PAYLOAD, ...changes }, signer);

  const ROWS: readonly Row[] = [
    { what: "that is no JWS", make: () => "signature", code: FAILED, detail: "three parts" },
    {
      what: "over its size",
      make: () => "a".repeat(SIGNATURE_BYTES_MAX + 1),
      code: FAILED,
      detail: "8193 bytes",
    },
    {
      what: "of alg none",
      make: () => compact(header(signer, "none"), PAYLOAD, "AAAA"),
      code: ALGORITHM,
      detail: '"none"',
    },
    {
      what: "of alg HS256",
      make: () => compact(header(signer, "HS256"), PAYLOAD, "AAAA"),
      code: ALGORITHM,
      detail: '"HS256"',
    },
    {
      what: "of alg PS256",
      make: () => compact(header(signer, "PS256"), PAYLOAD, "AAAA"),
      code: ALGORITHM,
      detail: '"PS256"',
    },
    {
      what: "whose algorithm is not its key's",
      make: () => compact(header(signer, "ES256"), PAYLOAD, Buffer.alloc(64, 1)),
      code: FAILED,
      detail: "it says ES256",
    },
    {
      what: "with crit",
      make: () => compact({ ...header(signer), crit: ["x"], x: 1 }, PAYLOAD, "AAAA"),
      code: FAILED,
      detail: "crit",
    },
    {
      what: "on another contract",
      make: () => signContract({ ...CLAIM, contractHash: OTHER_HASH }, signer),
      code: "ERROR_CODE_SIGNATURE_CONTRACT_CONTENT_HASH_MISMATCH",
      detail: `it is for ${OTHER_HASH}, the content has ${HASH}`,
    },
    {
      what: "replayed under another content",
      make: () => signContract(CLAIM, signer),
      changes: () => ({ contractHash: OTHER_HASH }),
      code: "ERROR_CODE_SIGNATURE_CONTRACT_CONTENT_HASH_MISMATCH",
      detail: `it is for ${HASH}`,
    },
    {
      what: "of another type: an accept is no revoke",
      make: () => signContract(CLAIM, signer),
      changes: () => ({ type: "revoke" }),
      code: FAILED,
      detail: "it says accept, this place is for revoke",
    },
    {
      what: "of another type: a revoke is no accept",
      make: () => signContract({ ...CLAIM, type: "revoke" }, signer),
      code: FAILED,
      detail: "it says revoke, this place is for accept",
    },
    {
      what: "from the future",
      make: () => signContract({ ...CLAIM, signedAt: SECONDS + CLOCK_SKEW_SECONDS + 1 }, signer),
      code: FAILED,
      detail: "more than 60 seconds from now",
    },
    {
      what: "replayed by another peer",
      make: () => signContract(CLAIM, signer),
      changes: () => ({ signer: peer(2) }),
      code: "ERROR_CODE_PEER_ID_SIGNATURE_MISMATCH",
      detail: `it is by peer ${peer(1)}, not by peer ${peer(2)}`,
    },
    {
      what: "by another peer in the place of the first",
      make: () => signContract(CLAIM, other),
      code: "ERROR_CODE_PEER_ID_SIGNATURE_MISMATCH",
      detail: `it is by peer ${peer(2)}, not by peer ${peer(1)}`,
    },
    {
      what: "that names the certificate of the first and is by another's key",
      make: async () => {
        const text = await signContract(CLAIM, other);
        return compact(header(signer, "RS512"), PAYLOAD, text.split(".")[2] ?? "");
      },
      code: FAILED,
      detail: "not by the key of its certificate",
    },
    {
      what: "whose certificate nobody lists",
      make: () => signContract(CLAIM, signer),
      changes: () => ({ certificateOf: () => Promise.resolve(undefined) }),
      code: FAILED,
      detail: `is not among those of peer ${peer(1)}`,
    },
    {
      what: "for which another certificate is found than it names",
      make: () => signContract(CLAIM, signer),
      changes: () => ({ certificateOf: always(ec.certificate) }),
      code: FAILED,
      detail: "not the one that its header names",
    },
    {
      what: "with a certificate that names no peer",
      make: () => signContract(CLAIM, nameless),
      code: CERTIFICATE,
      detail: "serialNumber",
    },
    {
      what: "with the certificate of a CA",
      make: () => signContract(CLAIM, ca),
      code: CERTIFICATE,
      detail: "the certificate of a CA",
    },
    {
      what: "with a key that is too weak",
      make: () => compact(header(weak), PAYLOAD, Buffer.alloc(128, 1)),
      code: CERTIFICATE,
      detail: "an RSA key of 1024 bits",
    },
    {
      what: "with nothing in it",
      make: () => signJws({}, signer),
      code: FAILED,
      detail: "is absent",
    },
    {
      what: "with the hash under its former name",
      make: () => signJws({ contentHash: HASH, type: "accept", signed_at: SECONDS }, signer),
      code: FAILED,
      detail: "the signature's payload.contract_content_hash is absent",
    },
    {
      what: "with a grant's hash",
      make: payload({ contract_content_hash: HASH.replace("$1$1$", "$1$3$") }),
      code: FAILED,
      detail: "it must be a content hash",
    },
    {
      what: "of a type that nobody has",
      make: payload({ type: "approve" }),
      code: FAILED,
      detail: "approve",
    },
    {
      what: "with a type in capitals",
      make: payload({ type: "ACCEPT" }),
      code: FAILED,
      detail: "ACCEPT",
    },
    {
      what: "with a time as a text",
      make: payload({ signed_at: "1" }),
      code: FAILED,
      detail: "of type string",
    },
    {
      what: "with parts of a second",
      make: payload({ signed_at: 1.5 }),
      code: FAILED,
      detail: "is 1.5",
    },
    {
      what: "with something in it that is not understood",
      make: payload({ only_until: 5 }),
      code: FAILED,
      detail: '"only_until", which is unknown',
    },
    {
      what: "of another kind of JWS",
      make: () => signJws(PAYLOAD, signer, { type: "jwt-bearer" }),
      code: FAILED,
      detail: "typ is",
    },
  ];

  for (const { what, make, changes, code, detail } of ROWS) {
    it(`is refused with ${code} when it is one ${what}`, async () => {
      const error = await caught(verifySignature(await make(), expectations(changes?.())));
      expect(error).to.be.instanceOf(ContractRefusal);
      expect(error).to.have.property("code", code);
      expect((error as ContractRefusal).detail).to.include(detail);
    });
  }

  it("passes on why certificates could not be had", async () => {
    const fault = new Error("away");
    const certificateOf = () => Promise.reject(fault);
    const error = await caught(
      verifySignature(await signContract(CLAIM, signer), expectations({ certificateOf })),
    );
    expect(error).to.equal(fault);
  });

  it("asks for no certificate when it is refused for what it says", async () => {
    let asked = 0;
    const certificateOf = () => {
      asked += 1;
      return Promise.resolve(undefined);
    };
    const jws = await signContract({ ...CLAIM, contractHash: OTHER_HASH }, signer);
    await caught(verifySignature(jws, expectations({ certificateOf })));
    expect(asked).to.equal(0);
  });

  for (const type of SIGNATURE_TYPES) {
    it(`counts as ${type}, with RSA and with EC`, async () => {
      for (const by of [signer, ec]) {
        const jws = await signContract({ ...CLAIM, type }, by);
        const verified = await verifySignature(jws, expectations({ type }));
        expect(verified).to.deep.equal({
          ...{ contractHash: HASH, type, signedAt: SECONDS, jws, signer: peer(1) },
          certificateThumbprint: certificateThumbprintOf(by.certificate),
        });
      }
    });
  }

  it("counts with a clock that is a little ahead of ours, however old it is, and with any usual typ", async () => {
    for (const signedAt of [SECONDS + CLOCK_SKEW_SECONDS, 0]) {
      const jws = await signContract({ ...CLAIM, signedAt }, signer);
      await verifySignature(jws, expectations({ now: NOW + 999 }));
    }
    for (const type of ["JOSE", "jose", "JWT"]) {
      await verifySignature(await signJws(PAYLOAD, signer, { type }), expectations());
    }
  });

  it("has FSC's three members in its payload, and the two headers", async () => {
    const [head = "", body = ""] = (await signContract(CLAIM, signer)).split(".");
    const parse = (part: string): unknown => JSON.parse(Buffer.from(part, "base64url").toString());
    expect(parse(body)).to.deep.equal(PAYLOAD);
    expect(parse(head)).to.deep.equal(header(signer, "RS512"));
  });

  it("can be looked into before it is verified, in its form alone", async () => {
    const jws = await signContract(CLAIM, other);
    expect(peekSignature(jws)).to.deep.equal({
      ...CLAIM,
      certificateThumbprint: certificateThumbprintOf(other.certificate),
    });
    expect(() => peekSignature("x")).to.throw(ContractRefusal);
  });
});
