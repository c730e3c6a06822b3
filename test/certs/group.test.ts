// Checks certs/group.ts: what it refuses, then what it does.
import { expect } from "chai";
import { generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  createGroup,
  GroupError,
  GroupSource,
  loadGroup,
  parseGroup,
  type Group,
  type GroupContent,
} from "../../certs/group.js";
import { signerOf } from "../../certs/group-file.js";
import { caExtensions, makeOdd, makeOddCa } from "../support/openssl.js";
import { TestGroup } from "../support/pki.js";
import { recordedLog } from "../support/recorded-log.js";
import { until } from "../support/until.js";

const key = generateKeyPairSync("ed25519").privateKey;

/** Signs anything, as a group's owner who does not use our command may. */
const signed = (content: unknown, by: KeyObject = key): string => {
  const bytes = Buffer.from(`schakel/group/v1\0${JSON.stringify(content)}`);
  return JSON.stringify({
    content,
    signed_by: signerOf(by),
    signature: sign(null, bytes, by).toString("base64url"),
  });
};

const mistakesOf = (text: string): readonly string[] => {
  try {
    parseGroup(text);
    return [];
  } catch (error) {
    if (error instanceof GroupError) return error.mistakes;
    throw error;
  }
};

describe("certs/group", function () {
  this.timeout(60_000);
  let test: TestGroup;
  let content: GroupContent;
  let issuing: string;
  let weak: string;
  let unsigned: string;

  before(async () => {
    test = await TestGroup.create();
    content = test.content;
    issuing = await readFile(test.issuer.cert, "utf8");
    const odd = { subject: "/CN=root", extensions: caExtensions() };
    const small = await makeOdd({ ...odd, dir: join(test.dir, "weak"), key: "rsa:1024" });
    weak = await readFile(small.cert, "utf8");
    const leaf = await makeOdd({ dir: join(test.dir, "leaf"), subject: "/CN=leaf" });
    unsigned = await readFile(leaf.cert, "utf8");
  });
  after(() => test.remove());

  const directory = { peer_id: "00000000000000000001", address: "directory.test:8443" };
  const cases: readonly {
    readonly what: string;
    readonly change: () => Record<string, unknown>;
    readonly mistake: RegExp;
  }[] = [
    {
      what: "no group id",
      change: () => ({ group_id: undefined }),
      mistake: /^content\.group_id: /,
    },
    {
      what: "a group id with a space",
      change: () => ({ group_id: "a b" }),
      mistake: /allowed are 1 to 100/,
    },
    {
      what: "a group id of 101 letters",
      change: () => ({ group_id: "a".repeat(101) }),
      mistake: /allowed are 1 to 100/,
    },
    { what: "version 0", change: () => ({ version: 0 }), mistake: /^content\.version: / },
    { what: "version 1.5", change: () => ({ version: 1.5 }), mistake: /^content\.version: / },
    { what: "a version as text", change: () => ({ version: "1" }), mistake: /^content\.version: / },
    {
      what: "no anchor",
      change: () => ({ trust_anchors: [] }),
      mistake: /^content\.trust_anchors: /,
    },
    {
      what: "an anchor that is no PEM",
      change: () => ({ trust_anchors: ["x"] }),
      mistake: /^content\.trust_anchors\.0: .*no PEM/,
    },
    {
      what: "an issuing CA as an anchor",
      change: () => ({ trust_anchors: [issuing] }),
      mistake: /not a root/,
    },
    {
      what: "a weak anchor",
      change: () => ({ trust_anchors: [weak] }),
      mistake: /an RSA key of 1024 bits/,
    },
    {
      what: "an anchor that is no CA's",
      change: () => ({ trust_anchors: [unsigned] }),
      mistake: /is not a CA's certificate/,
    },
    {
      what: "two anchors in one text",
      change: () => ({ trust_anchors: [`${content.trust_anchors.join("")}${issuing}`] }),
      mistake: /it holds 2 certificates, allowed are 1/,
    },
    {
      what: "an anchor twice",
      change: () => ({ trust_anchors: [...content.trust_anchors, ...content.trust_anchors] }),
      mistake: /^content\.trust_anchors: each may stand in it once only/,
    },
    {
      what: "more than 100 anchors",
      change: () => ({
        trust_anchors: Array.from({ length: 101 }, () => content.trust_anchors[0]),
      }),
      mistake: /^content\.trust_anchors: /,
    },
    {
      what: "no directory",
      change: () => ({ directories: [] }),
      mistake: /^content\.directories: /,
    },
    {
      what: "more than 20 directories",
      change: () => ({
        directories: Array.from({ length: 21 }, (_, n) => ({
          ...directory,
          peer_id: String(n).padStart(20, "0"),
        })),
      }),
      mistake: /^content\.directories: /,
    },
    {
      what: "a directory twice",
      change: () => ({ directories: [directory, directory] }),
      mistake: /once only/,
    },
    {
      what: "a directory's id that is not by the rule",
      change: () => ({ directories: [{ ...directory, peer_id: "1" }] }),
      mistake: /^content\.directories\.0\.peer_id: found "1"/,
    },
    {
      what: "a directory at an IP address",
      change: () => ({ directories: [{ ...directory, address: "127.0.0.1:8443" }] }),
      mistake: /^content\.directories\.0\.address: found "127\.0\.0\.1:8443"/,
    },
    {
      what: "a directory without a port",
      change: () => ({ directories: [{ ...directory, address: "directory.test" }] }),
      mistake: /allowed is NAME:PORT/,
    },
    {
      what: "a directory with something more",
      change: () => ({ directories: [{ ...directory, key: 1 }] }),
      mistake: /^content\.directories\.0: /,
    },
    { what: "TLS 1.1", change: () => ({ tls_minimum: "1.1" }), mistake: /^content\.tls_minimum: / },
    { what: "port 0", change: () => ({ ports: [0] }), mistake: /^content\.ports\.0: / },
    { what: "port 65536", change: () => ({ ports: [65536] }), mistake: /^content\.ports\.0: / },
    { what: "no ports", change: () => ({ ports: [] }), mistake: /^content\.ports: / },
    { what: "a port twice", change: () => ({ ports: [443, 443] }), mistake: /once only/ },
    {
      what: "a pattern that is none",
      change: () => ({ peer_id_pattern: "(" }),
      mistake: /^content\.peer_id_pattern: /,
    },
    {
      what: "a pattern that ends its brackets",
      change: () => ({ peer_id_pattern: "a)|(b" }),
      mistake: /^content\.peer_id_pattern: /,
    },
    {
      what: "a pattern of 201 characters",
      change: () => ({ peer_id_pattern: "a".repeat(201) }),
      mistake: /^content\.peer_id_pattern: /,
    },
    {
      what: "a moment that is none",
      change: () => ({ created_at: "yesterday" }),
      mistake: /^content\.created_at: /,
    },
    {
      what: "an unknown rule",
      change: () => ({ max_grants: 10 }),
      mistake: /^content: .*max_grants/,
    },
  ];
  for (const { what, change, mistake } of cases) {
    it(`refuses ${what}`, () => {
      const mistakes = mistakesOf(signed({ ...content, ...change() }));
      expect(mistakes.join("\n")).to.match(new RegExp(mistake.source, "m"));
    });
  }

  const files: readonly (readonly [string, (text: string) => string, RegExp])[] = [
    ["a text that is not JSON", (text) => text.slice(1), /^it is not JSON$/],
    ["a list", () => "[]", /expected object/],
    [
      "a file of more than 1 MiB",
      (text) => text + " ".repeat(2 ** 20),
      /larger than 1048576 bytes/,
    ],
    ["something beside the content", (text) => text.replace("{", '{"x":1,'), /x/],
    ["a changed content", (text) => text.replace('"version":1', '"version":2'), /^signature: /],
    [
      "a cut signature",
      (text) => text.replace(/(signature":"[^"]{80})[^"]*/, "$1"),
      /^signature: /,
    ],
    ["a padded signature", (text) => text.replace(/(signature":"[^"]*)/, "$1=="), /^signature: /],
    [
      "a signer that is no key",
      (text) => text.replace(/(signed_by":")[^"]*/, "$1AAAA"),
      /^signed_by: /,
    ],
  ];
  for (const [what, change, mistake] of files) {
    it(`refuses ${what}`, () => {
      expect(mistakesOf(change(signed(content))).join("\n")).to.match(mistake);
    });
  }

  it("refuses a signer of another kind", () => {
    const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    const text = JSON.stringify({ content, signed_by: signerOf(ec), signature: "AAAA" });
    expect(mistakesOf(text).join("\n")).to.match(/^signed_by: /);
    expect(() => createGroup(content, ec)).to.throw(GroupError, "not an Ed25519 private key");
  });

  it("refuses a signature over the content for another purpose", () => {
    const bytes = Buffer.from(JSON.stringify(content));
    const signature = sign(null, bytes, key).toString("base64url");
    const text = JSON.stringify({ content, signed_by: signerOf(key), signature });
    expect(mistakesOf(text)).to.have.lengthOf(1);
  });

  it("names every mistake at once", () => {
    const wrong = { ...content, group_id: "", version: -1, ports: [0, 70_000], x: 1 };
    const mistakes = mistakesOf(signed(wrong).replace(/(signature":")./, "$1_"));
    expect(mistakes).to.have.lengthOf(6);
  });

  it("refuses to sign a wrong content", () => {
    expect(() => createGroup({ ...content, version: 0 }, key)).to.throw(GroupError, "version");
  });

  it("reads what it made, with defaults for what is left out", () => {
    const { group_id, version, trust_anchors, directories, created_at } = content;
    const text = createGroup({ group_id, version, trust_anchors, directories, created_at }, key);
    const group = parseGroup(text);
    expect(group).to.deep.include({
      id: "test",
      version: 1,
      tlsMinimum: "TLSv1.3",
      ports: [443, 8443],
      peerIdPattern: "^[0-9]{20}$",
      revocationLists: [],
    });
    expect(group.directories).to.deep.equal([
      { peerId: directory.peer_id, address: { host: "directory.test", port: 8443 } },
    ]);
    expect(group.peerIdRule("1".repeat(20))).to.equal("1".repeat(20));
    expect(group.peerIdRule("1".repeat(21))).to.equal(undefined);
  });

  it("reads a group however its JSON is laid out", () => {
    const text = signed(content);
    expect(parseGroup(JSON.stringify(JSON.parse(text), null, 7)).id).to.equal("test");
  });

  it("takes EC anchors, several anchors, TLS 1.2 and a rule of its own", async () => {
    const ec = await makeOddCa(join(test.dir, "ec"), "EC", "P-384");
    const group = parseGroup(
      createGroup(
        {
          ...content,
          trust_anchors: [...content.trust_anchors, await readFile(ec.root.cert, "utf8")],
          tls_minimum: "1.2",
          peer_id_pattern: "NL-[0-9]+",
          directories: [{ ...directory, peer_id: "NL-1" }],
        },
        key,
      ),
    );
    expect(group.anchors).to.have.lengthOf(2);
    expect(group.tlsMinimum).to.equal("TLSv1.2");
    expect(group.peerIdRule("NL-12")).to.equal("NL-12");
    expect(group.peerIdRule("XNL-12")).to.equal(undefined);
  });

  it("names the file with each mistake", async () => {
    const path = join(test.dir, "wrong.json");
    await writeFile(path, signed({ ...content, version: 0 }));
    try {
      await loadGroup(path);
      expect.fail("it loaded");
    } catch (error) {
      expect(error)
        .to.be.instanceOf(GroupError)
        .with.property("message")
        .that.contains(`${path}: `);
    }
  });

  describe("a source", () => {
    const opened = async () => {
      const group = await TestGroup.create();
      const { log, lines } = recordedLog();
      const source = await GroupSource.open(group.groupFile, log);
      const seen: Group[] = [];
      source.onChange((each) => void seen.push(each));
      const refused = (): Promise<string> =>
        until("a refusal in the log", () => lines.find((each) => each.includes("is refused")));
      const close = async (): Promise<void> => {
        source.close();
        await group.remove();
      };
      return { group, source, seen, refused, close };
    };

    it("takes a higher version by the same key", async () => {
      const { group, source, seen, close } = await opened();
      await group.writeGroup({ ports: [8443] });
      await until("the new group", () => seen.length === 1);
      expect(source.current).to.equal(seen[0]);
      expect(source.current.ports).to.deep.equal([8443]);
      expect(source.current.version).to.equal(2);
      await close();
    });

    const refusals: readonly (readonly [string, Partial<GroupContent>, RegExp])[] = [
      ["a lower version", { version: 1, ports: [1] }, /its version is 1, allowed is one above 5/],
      ["another content of the same version", { version: 5, ports: [1] }, /allowed is one above 5/],
      ["another group", { group_id: "other" }, /it is of the group other, not test/],
    ];
    for (const [what, change, reason] of refusals) {
      it(`keeps the old group at ${what}`, async () => {
        const { group, source, seen, refused, close } = await opened();
        await group.writeGroup({ version: 5 });
        await until("version 5", () => source.current.version === 5);
        await group.writeGroup(change);
        expect(await refused()).to.match(reason);
        expect(source.current.version).to.equal(5);
        expect(seen).to.have.lengthOf(1);
        await close();
      });
    }

    it("keeps the old group when another key signed the new one", async () => {
      const { group, source, refused, close } = await opened();
      await group.writeGroup({}, key);
      expect(await refused()).to.contain("it is signed by another key than before");
      expect(source.current.version).to.equal(1);
      await close();
    });

    it("keeps the old group when the file is broken, and takes the next right one", async () => {
      const { group, source, seen, refused, close } = await opened();
      await writeFile(group.groupFile, "{");
      expect(await refused()).to.contain("it is not JSON");
      await group.writeGroup({});
      await until("the next group", () => seen.length === 1);
      expect(source.current.version).to.equal(2);
      await close();
    });

    it("opens only by the key that it is pinned to", async () => {
      const { log } = recordedLog();
      const right = signerOf(test.signingKey);
      (await GroupSource.open(test.groupFile, log, { signedBy: right })).close();
      try {
        (await GroupSource.open(test.groupFile, log, { signedBy: signerOf(key) })).close();
        expect.fail("it opened");
      } catch (error) {
        expect(error).to.be.instanceOf(GroupError).with.property("message").that.contains(right);
      }
    });
  });
});
