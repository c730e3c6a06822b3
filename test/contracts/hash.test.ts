// Checks contracts/hash.ts against the published vectors, against openssl, and on random contracts.
import { expect } from "chai";
import fc from "fast-check";
import { execFileSync } from "node:child_process";
import { parseContent } from "../../contracts/content.js";
import { GRANT_TYPES } from "../../contracts/grant.js";
import {
  contentHash,
  GRANT_HASH_READING,
  grantHash,
  grantHashes,
  grantHashPrefix,
  hashTypeOf,
  parseContentHash,
  parseGrantHash,
  type ContentHash,
} from "../../contracts/hash.js";
import { canonical } from "../../contracts/jcs.js";
import { parseJson } from "../../contracts/json.js";
import {
  anyContent,
  connection,
  contentOf,
  GROUP,
  json,
  shuffled,
  VECTOR_GROUP,
  vectors,
  type Wire,
} from "../support/contract-content.js";
import { randomFrom } from "../support/random.js";

const READINGS = ["text", "digest", "base64url"] as const;

const byOpenssl = (...parts: readonly (string | Buffer)[]): string => {
  const input = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return execFileSync("openssl", ["dgst", "-sha3-512", "-binary"], { input }).toString("base64url");
};

const hashOf = (value: unknown): ContentHash => contentHash(parseContent(json(value), GROUP));

describe("the published vectors of contracts", () => {
  for (const vector of vectors.contents) {
    const content = () => parseContent(parseJson(Buffer.from(vector.received)), VECTOR_GROUP);

    it(`give the canonical form of ${vector.name}`, () => {
      expect(canonical(content())).to.equal(vector.canonical);
    });

    it(`give its content hash, which openssl computes too: ${vector.name}`, () => {
      expect(contentHash(content())).to.equal(vector.content_hash);
      expect(`$1$1$${byOpenssl(vector.canonical)}`).to.equal(vector.content_hash);
    });

    it(`give the hash of each grant by each reading: ${vector.name}`, () => {
      const hash = parseContentHash(vector.content_hash);
      if (hash === undefined) throw new Error("the vector has no content hash");
      const found = content().grants.map(({ data }) =>
        Object.fromEntries(READINGS.map((reading) => [reading, grantHash(hash, data, reading)])),
      );
      expect(found).to.deep.equal(vector.grant_hashes);
    });
  }

  it("give grant hashes that openssl computes from the text, the digest and the base64url", () => {
    const [vector] = vectors.contents;
    if (vector === undefined) throw new Error("there is no vector");
    const grant = /"grants":\[\{"data":(.*)\}\],"group_id"/.exec(vector.canonical)?.[1] ?? "";
    const base64url = vector.content_hash.slice("$1$1$".length);
    expect(vector.grant_hashes).to.deep.equal([
      {
        text: `$1$2$${byOpenssl(vector.content_hash, grant)}`,
        digest: `$1$2$${byOpenssl(Buffer.from(base64url, "base64url"), grant)}`,
        base64url: `$1$2$${byOpenssl(base64url, grant)}`,
      },
    ]);
  });
});

describe("hashes of contracts", () => {
  it("read the standard's content hash as its whole text", () => {
    expect(GRANT_HASH_READING).to.equal("text");
    const content = contentOf([connection()]);
    const hash = contentHash(content);
    expect(grantHashPrefix(hash).toString()).to.equal(hash);
    for (const { data } of content.grants) {
      expect(grantHashes(content)).to.deep.equal([
        { hash: grantHash(hash, data, "text"), grant: data },
      ]);
    }
  });

  it("begin with 64 bytes where the digest is meant, and 86 characters where its base64url is", () => {
    const hash = contentHash(contentOf([connection()]));
    expect(grantHashPrefix(hash, "digest")).to.have.length(64);
    expect(`$1$1$${grantHashPrefix(hash, "base64url").toString()}`).to.equal(hash);
  });

  it("carry the type of the grant and one: 2 to 5, and 1 for the contract", () => {
    expect(GRANT_TYPES.map(hashTypeOf)).to.deep.equal([2, 3, 4, 5]);
    for (const { grant_hashes, content_hash } of vectors.contents) {
      expect(content_hash.startsWith("$1$1$")).to.equal(true);
      for (const { text } of grant_hashes) expect(text).to.match(/^\$1\$[2-5]\$/);
    }
  });

  it("never change with the order of members, whatever the contract", () => {
    fc.assert(
      fc.property(anyContent, fc.integer(), (content, seed) => {
        expect(hashOf(shuffled(content, randomFrom(seed)))).to.equal(hashOf(content));
      }),
    );
  });

  it("always change with the order of grants", () => {
    fc.assert(
      fc.property(anyContent, (content) => {
        const list = content["grants"] as readonly unknown[];
        const other = { ...content, grants: [...list].reverse() };
        fc.pre(canonical(other.grants) !== canonical(list));
        expect(hashOf(other)).not.to.equal(hashOf(content));
      }),
    );
  });

  it("always change with the order of an array in properties", () => {
    const anyArray = fc.uniqueArray(fc.oneof(fc.string({ unit: "grapheme-ascii" }), fc.integer()), {
      minLength: 2,
      maxLength: 6,
    });
    fc.assert(
      fc.property(anyContent, anyArray, (content, array) => {
        const withArray = (value: unknown): Wire => ({
          ...content,
          grants: (content["grants"] as readonly { readonly data: Wire }[]).map(({ data }) => ({
            data: { ...data, properties: { array: value } },
          })),
        });
        const reversed = [...array].reverse();
        expect(hashOf(withArray(reversed))).not.to.equal(hashOf(withArray(array)));
      }),
    );
  });

  it("change with every field", () => {
    const content = contentOf([connection()]);
    const changed: readonly Wire[] = [
      { iv: "019ba3ee-0c00-7000-8000-000000000002" },
      { iv: content.iv.toUpperCase() },
      { validity: { ...content.validity, not_before: content.validity.not_before + 1 } },
      { validity: { ...content.validity, not_after: content.validity.not_after + 1 } },
      { created_at: content.created_at + 1 },
      { grants: [{ data: connection({ properties: {} }) }] },
    ];
    const hashes = [content, ...changed.map((change) => ({ ...content, ...change }))].map(hashOf);
    expect(new Set(hashes).size).to.equal(changed.length + 1);
  });

  it("are the same for a grant only within one contract", () => {
    const [here] = grantHashes(contentOf([connection()]));
    const [there] = grantHashes(contentOf([connection()], { created_at: 1 }));
    expect(here?.grant).to.deep.equal(there?.grant);
    expect(here?.hash).not.to.equal(there?.hash);
  });
});

describe("a hash as text", () => {
  const body = "A".repeat(85);

  for (const [what, text] of [
    ["nothing", ""],
    ["another algorithm", `$2$1$${body}A`],
    ["a type that nobody has", `$1$6$${body}A`],
    ["type 0", `$1$0$${body}A`],
    ["a type with a zero before it", `$1$01$${body}A`],
    ["no type", `$1$${body}A`],
    ["a character too few", `$1$1$${body}`],
    ["a character too many", `$1$1$${body}AA`],
    ["padding", `$1$1$${body}A==`],
    ["standard base64", `$1$1$${body.slice(1)}+A`],
    ["bits beyond the digest", `$1$1$${body}B`],
    ["a line break at its end", `$1$1$${body}A\n`],
    ["a space before it", ` $1$1$${body}A`],
  ] as const) {
    it(`is refused with ${what}`, () => {
      expect(parseContentHash(text)).to.equal(undefined);
      expect(parseGrantHash(text)).to.equal(undefined);
    });
  }

  it("is one of a contract or one of a grant, never both", () => {
    expect(parseContentHash(`$1$1$${body}A`)).to.equal(`$1$1$${body}A`);
    expect(parseGrantHash(`$1$1$${body}A`)).to.equal(undefined);
    GRANT_TYPES.forEach((type, at) => {
      const text = `$1$${String(at + 2)}$${body}w`;
      expect(parseGrantHash(text)).to.deep.equal({ hash: text, type });
      expect(parseContentHash(text)).to.equal(undefined);
    });
  });
});
