// Checks contracts/contract.ts: the bodies in which contracts travel.
import { expect } from "chai";
import {
  CONTENT_MEMBER,
  contractJson,
  parseBody,
  parseContract,
  parseSubmission,
  SIGNATURES_MAX,
  SUBMISSION_BYTES_MAX,
  submissionBody,
} from "../../contracts/contract.js";
import { JSON_BYTES_MAX } from "../../contracts/json.js";
import { ContractRefusal, type RefusalCode } from "../../contracts/refusal.js";
import { SIGNATURE_BYTES_MAX } from "../../contracts/signature.js";
import { peerIdRule } from "../../core/names.js";
import {
  connection,
  CONSUMER,
  contentOf,
  GROUP,
  json,
  peer,
  PROVIDER,
  publication,
  wire,
} from "../support/contract-content.js";

const body = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const content = wire([connection()]);

const refusalOf = (act: () => unknown): ContractRefusal => {
  try {
    act();
  } catch (error) {
    if (error instanceof ContractRefusal) return error;
    throw error;
  }
  throw new Error("it was taken");
};

const INVALID = "ERROR_CODE_REQUEST_INVALID";

const SUBMISSIONS: readonly (readonly [
  what: string,
  bytes: Buffer,
  code: RefusalCode,
  detail: string,
])[] = [
  ["no body", Buffer.of(), INVALID, "the body has the end instead of a value"],
  ["a body that is a form", Buffer.from("a=b"), INVALID, "the body has no value at character 1"],
  ["an array", body([content]), INVALID, "the whole is an array, it must be an object"],
  ["a body in Latin-1", Buffer.from('{"é":1}', "latin1"), INVALID, "not UTF-8"],
  ["no content", body({ signature: "a.b.c" }), INVALID, "content is absent"],
  [
    "the content under FSC 1's name",
    body({ contract_content: content, signature: "a.b.c" }),
    "ERROR_CODE_UNKNOWN_FSC_VERSION",
    "contract_content, as FSC 1 does; FSC 2.0.0 has content",
  ],
  ["no signature", body({ content }), INVALID, "signature is absent"],
  ["a signature that is an object", body({ content, signature: {} }), INVALID, "of type object"],
  ["an empty signature", body({ content, signature: "" }), INVALID, "signature has 0 characters"],
  [
    "a signature over its size",
    body({ content, signature: "a".repeat(SIGNATURE_BYTES_MAX + 1) }),
    INVALID,
    "allowed are 1 to 8192",
  ],
  [
    "a content twice, of which two readers could take either",
    Buffer.from(`{"content":${JSON.stringify(content)},"content":{},"signature":"a"}`),
    INVALID,
    "the same name twice",
  ],
  [
    "a body over its size",
    Buffer.alloc(SUBMISSION_BYTES_MAX + 1, " "),
    "ERROR_CODE_BODY_TOO_LARGE",
    "allowed are 1114112",
  ],
];

describe("a submission", () => {
  for (const [what, bytes, code, detail] of SUBMISSIONS) {
    it(`is refused with ${code} for ${what}`, () => {
      const refusal = refusalOf(() => parseSubmission(bytes, GROUP));
      expect(refusal.code).to.equal(code);
      expect(refusal.detail).to.include(detail);
    });
  }

  it("is read, and written as a body that is read as the same", () => {
    const submission = parseSubmission(body({ content, signature: "a.b.c", more: 1 }), GROUP);
    expect(submission).to.deep.equal({ content: contentOf([connection()]), signature: "a.b.c" });
    expect(parseSubmission(Buffer.from(submissionBody(submission)), GROUP)).to.deep.equal(
      submission,
    );
  });

  it("has its content under the name of FSC 2.0.0's OpenAPI file", () => {
    expect(CONTENT_MEMBER).to.equal("content");
    expect(
      JSON.parse(submissionBody({ content: contentOf([connection()]), signature: "s" })),
    ).to.have.all.keys("content", "signature");
  });

  it("is refused when its canonical form would be larger than itself, and so too large to be sent on", () => {
    const numbers = Array.from({ length: 60_000 }, () => "9e15").join(",");
    const sent = JSON.stringify(wire([publication({ properties: { a: 0 } })])).replace(
      '"a":0',
      `"a":[${numbers}]`,
    );
    const bytes = Buffer.from(`{"content":${sent},"signature":"s"}`);
    const refusal = refusalOf(() => parseSubmission(bytes, GROUP));
    expect(bytes.length).to.be.below(SUBMISSION_BYTES_MAX / 2);
    expect(refusal.detail).to.include("properties has");
  });
});

describe("a body", () => {
  it("may hold as many values as its size allows", () => {
    const list = Buffer.from(`[${Array.from({ length: 150_000 }, () => "1").join(",")}]`);
    expect(refusalOf(() => parseBody(list, JSON_BYTES_MAX)).detail).to.include("values");
    expect(parseBody(list, 2 * JSON_BYTES_MAX)).to.have.length(150_000);
  });

  it("passes on what is no fault of the body", () => {
    expect(() => parseBody(undefined as never, 1)).to.throw(TypeError);
  });
});

describe("a contract as a manager lists it", () => {
  const signatures = { accept: { [CONSUMER]: "a.b.c" }, reject: {}, revoke: {} };

  const REFUSALS: readonly (readonly [what: string, value: unknown, detail: string])[] = [
    ["a text", "contract", "contract is of type string"],
    ["no signatures", { content }, "contract.signatures is absent"],
    [
      "signatures in an array",
      { content, signatures: { ...signatures, accept: ["a.b.c"] } },
      "contract.signatures.accept is an array",
    ],
    [
      "a signature that is no text",
      { content, signatures: { ...signatures, revoke: { [PROVIDER]: 1 } } },
      `contract.signatures.revoke.${PROVIDER} is of type number`,
    ],
    [
      "a signature under a name that is no peer id",
      { content, signatures: { ...signatures, reject: { nobody: "a.b.c" } } },
      "contract.signatures.reject has a name that is no peer id",
    ],
    [
      "more signatures than a contract has parties",
      {
        content,
        signatures: {
          ...signatures,
          accept: Object.fromEntries(
            Array.from({ length: SIGNATURES_MAX + 1 }, (_, at) => [peer(at), "a.b.c"]),
          ),
        },
      },
      "has 51 signatures, allowed are 50",
    ],
  ];

  for (const [what, value, detail] of REFUSALS) {
    it(`is refused for ${what}`, () => {
      const refusal = refusalOf(() => parseContract(json(value), GROUP));
      expect(refusal.code).to.equal(INVALID);
      expect(refusal.detail).to.include(detail);
    });
  }

  it("is refused with the version when it is FSC 1's", () => {
    const refusal = refusalOf(() => parseContract(json({ contract_content: content }), GROUP));
    expect(refusal.code).to.equal("ERROR_CODE_UNKNOWN_FSC_VERSION");
  });

  it("is read, and written as what is read as the same", () => {
    const contract = parseContract(json({ content, signatures, hash: "unread" }), GROUP);
    expect([...contract.signatures.accept]).to.deep.equal([[CONSUMER, "a.b.c"]]);
    expect(contractJson(contract)).to.deep.equal({ content: contract.content, signatures });
    expect(parseContract(json(contractJson(contract)), GROUP)).to.deep.equal(contract);
  });

  it("may lack empty maps, or have null for them, as other software writes it", () => {
    const contract = parseContract(
      json({ content, signatures: { accept: null, reject: {} } }),
      GROUP,
    );
    expect(Object.values(contract.signatures).map(({ size }) => size)).to.deep.equal([0, 0, 0]);
  });

  it("keeps a peer named __proto__ where a group allows one", () => {
    const group = { ...GROUP, peerIdRule: peerIdRule("[0-9a-z_]+") };
    const text = `{"content":${JSON.stringify(content)},"signatures":{"accept":{"__proto__":"a.b.c"},"reject":{},"revoke":{}}}`;
    const contract = parseContract(parseBody(Buffer.from(text), 10_000), group);
    expect(JSON.stringify(contractJson(contract))).to.include('"accept":{"__proto__":"a.b.c"}');
  });
});
