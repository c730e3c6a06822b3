// Checks cli/ca,.ts: what it refuses, then what it does.
import { expect } from "chai";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openssl } from "../support/openssl.js";
import { schakel, type CommandResult } from "../support/schakel.js";

const ID = "00000000000000000002";
const DIRECTORY = "00000000000000000001=directory.example:8443";

describe("cli/ca, cli/cert, cli/group", function () {
  this.timeout(60_000);
  let dir: string;
  const at = (name: string): string => join(dir, name);

  const run = (...args: readonly string[]): Promise<CommandResult> => schakel(args, { cwd: dir });
  /** Runs a command that must succeed. */
  const done = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(...args);
    expect(code, stderr).to.equal(0);
    expect(stderr).to.equal("");
    return stdout;
  };
  const request = ["cert", "request", "--peer-id", ID, "--organisation", "Gemeente Ütrecht"];
  const small = ["--key-bits", "2048"];
  const group = ["group", "init", "--group-id", "demo", "--key", "group.key"];
  const groupFrom = (out: string, ...more: readonly string[]): readonly string[] => [
    ...group,
    ...["--anchor", "ca/root.pem", "--directory", DIRECTORY, "--out", out],
    ...more,
  ];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "schakel-test-cli-"));
    await done("ca", "init", "--dir", "ca", "--name", "Demo CA", ...small);
    const names = ["--name", "a.example", "--name", "b.example"];
    await done(...request, ...names, "--key", "a.key", "--out", "a.csr", ...small);
    const sign = ["cert", "sign", "--ca", "ca", "--request", "a.csr", "--names-from-request"];
    await done(...sign, "--out", "a.pem");
    await done(...groupFrom("group.json"));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  it("makes a CA, a key, a request, a certificate and a group that fit each other", async () => {
    const verify = ["cert", "verify", "--group", "group.json", "--cert", "a.pem", "--key", "a.key"];
    const text = await done(...verify, "--name", "b.example");
    expect(text).to.contain(
      `peer ${ID} (Gemeente Ütrecht) of group demo, names a.example, b.example`,
    );
    expect(await done("cert", "verify", "--group", "group.json", "--cert", "a.pem")).to.contain(ID);
  });

  describe("cert verify --json", () => {
    const question = async (changes: object = {}): Promise<string> => {
      const [leaf = "", issuing = ""] =
        (await readFile(at("a.pem"), "utf8")).match(/-----BEGIN[^]+?-----END CERTIFICATE-----/g) ??
        [];
      const anchors = [await readFile(at("ca/root.pem"), "utf8")];
      const time = new Date().toISOString();
      const asked = { anchors, intermediates: [issuing], leaf, crls: [], time, ...changes };
      return JSON.stringify(asked);
    };
    const verify = (input: string, ...more: readonly string[]): Promise<CommandResult> =>
      schakel(["cert", "verify", "--json", ...more], { cwd: dir, input });

    it("answers that a certificate is valid, with exit code 0", async () => {
      const { code, stdout, stderr } = await verify(await question({ name: "b.example" }));
      expect([code, stderr]).to.deep.equal([0, ""]);
      expect(JSON.parse(stdout))
        .to.include({ valid: true })
        .and.to.have.all.keys("valid", "reason");
    });

    it("answers that a certificate is not valid, with exit code 1", async () => {
      const { code, stdout, stderr } = await verify(await question({ name: "c.example" }));
      expect([code, stderr]).to.deep.equal([1, ""]);
      expect(JSON.parse(stdout)).to.deep.include({ valid: false });
    });

    it("refuses a revoked certificate from the CA's own lists", async () => {
      const sign = ["cert", "sign", "--ca", "ca", "--request", "a.csr", "--names-from-request"];
      await done(...sign, "--out", "lost.pem", "--crl-url", "http://crl.example/ca.crl");
      await done("ca", "revoke", "--ca", "ca", "--cert", "lost.pem", "--reason", "keyCompromise");
      await done("ca", "crl", "--ca", "ca", "--out", "ca.crl");
      const crls = [await readFile(at("ca.crl"), "utf8")];
      const [leaf] = (await readFile(at("lost.pem"), "utf8")).split(/(?<=END CERTIFICATE-----\n)/);
      const { code, stdout } = await verify(await question({ leaf, crls }));
      expect([code, stdout]).to.satisfy(
        ([first, text]: [number, string]) => first === 1 && text.includes("keyCompromise"),
      );
      expect((await verify(await question({ crls }))).code).to.equal(0);
      const again = await run("ca", "revoke", "--ca", "ca", "--cert", "lost.pem");
      expect([again.code, again.stderr]).to.satisfy(
        ([first, text]: [number, string]) => first === 1 && text.includes("revoked already"),
      );
    });

    const wrong: readonly (readonly [what: string, input: () => Promise<string>])[] = [
      ["nothing", () => Promise.resolve("")],
      ["something that is no JSON", () => Promise.resolve("{")],
      ["a member twice", async () => (await question()).replace("{", '{"time":"x",')],
      ["an unknown member", () => question({ more: 1 })],
      ["a time without a zone", () => question({ time: "2026-11-24T12:00:00" })],
      ["a time without seconds", () => question({ time: "2026-11-24T12:00Z" })],
      ["an unknown purpose", () => question({ purpose: "email" })],
      ["anchors that are no list", () => question({ anchors: "x" })],
      ["no leaf", () => question({ leaf: undefined })],
    ];
    for (const [what, input] of wrong) {
      it(`refuses ${what} as a wrong use, with exit code 2`, async () => {
        const { code, stdout, stderr } = await verify(await input());
        expect([code, stdout]).to.deep.equal([2, ""]);
        expect(stderr).to.match(/^schakel: error: /);
      });
    }

    it("takes no other option beside --json, and needs group and certificate without it", async () => {
      expect((await verify(await question(), "--cert", "a.pem")).code).to.equal(2);
      const { code, stderr } = await run("cert", "verify", "--cert", "a.pem");
      expect([code, stderr.includes("--group <FILE>")]).to.deep.equal([2, true]);
      expect((await run("ca", "revoke", "--ca", "ca")).code).to.equal(2);
      expect(
        (await run("ca", "revoke", "--ca", "ca", "--serial", "1", "--reason", "x")).code,
      ).to.equal(2);
    });
  });

  it("issues what openssl takes strictly, with its issuer below it", async () => {
    const files = ["-CAfile", at("ca/root.pem"), "-untrusted", at("a.pem"), at("a.pem")];
    expect(await openssl("verify", "-x509_strict", "-purpose", "sslserver", ...files)).to.contain(
      "OK",
    );
    expect((await readFile(at("a.pem"), "utf8")).match(/BEGIN CERTIFICATE/g)).to.have.lengthOf(2);
  });

  it("makes an RSA key of 3072 bits unless told otherwise, for its owner alone", async () => {
    await done(...request, "--name", "a.example", "--key", "d.key", "--out", "d.csr");
    expect(await openssl("pkey", "-in", at("d.key"), "-noout", "-text")).to.contain("3072 bit");
    for (const key of ["a.key", "d.key", "group.key"]) {
      expect((await stat(at(key))).mode & 0o777, key).to.equal(0o600);
    }
  });

  it("issues for 90 days, or as many as told", async () => {
    const sign = ["cert", "sign", "--ca", "ca", "--request", "a.csr", "--name", "c.example"];
    await done(...sign, "--out", "short.pem", "--days", "1");
    const daysOf = async (name: string): Promise<number> => {
      const [leaf] = JSON.parse(await done("cert", "show", name, "--json")) as [
        { notAfter: string },
      ];
      return Math.round((Date.parse(leaf.notAfter) - Date.now()) / 86_400_000);
    };
    expect(await daysOf("a.pem")).to.equal(90);
    expect(await daysOf("short.pem")).to.equal(1);
    expect(await done("cert", "show", "short.pem")).to.match(/DNS names +c\.example\n/);
  });

  it("shows a certificate for people and for programs", async () => {
    const text = await done("cert", "show", "a.pem");
    expect(text).to.match(
      new RegExp(
        `peer id +${ID}\\n +name +Gemeente Ütrecht\\n +DNS names +a\\.example, b\\.example\\n`,
      ),
    );
    expect(text).to.match(/certificate 2\n[\s\S]*CA +yes\n/);
    const [leaf, issuing] = JSON.parse(await done("cert", "show", "a.pem", "--json")) as Record<
      string,
      unknown
    >[];
    expect(leaf).to.deep.include({ peerId: ID, name: "Gemeente Ütrecht", isCa: false });
    expect(leaf?.["publicKeyThumbprint"]).to.match(/^[0-9a-f]{64}$/);
    expect(issuing).to.deep.include({ isCa: true, dnsNames: [] });
  });

  it("shows a group, and takes a higher version over it", async () => {
    await done(...groupFrom("next.json"));
    await done(
      ...groupFrom(
        "next.json",
        "--version",
        "2",
        "--tls-minimum",
        "1.2",
        "--port",
        "443",
        "--port",
        "444",
        "--peer-id-pattern",
        "[0-9]+",
      ),
    );
    const text = await done("group", "show", "next.json");
    expect(text).to.match(/^version +2$/m);
    expect(text).to.match(/^TLS minimum +TLSv1\.2$/m);
    expect(text).to.match(/^ports +443, 444$/m);
    const shown = JSON.parse(await done("group", "show", "next.json", "--json")) as Record<
      string,
      unknown
    >;
    expect(shown["directories"]).to.deep.equal([DIRECTORY]);
  });

  interface Failure {
    readonly what: string;
    readonly args: () => readonly string[] | Promise<readonly string[]>;
    readonly code: 1 | 2;
    readonly errors: readonly string[];
    readonly hint?: string;
  }
  const failures: readonly Failure[] = [
    {
      what: "to overwrite a CA",
      args: () => ["ca", "init", "--dir", "ca", "--name", "Other", ...small],
      code: 1,
      errors: ["ca/root.key exists already; a key is never overwritten"],
      hint: "choose another path",
    },
    {
      what: "to overwrite a key",
      args: () => [...request, "--name", "a.example", "--key", "a.key", "--out", "x.csr", ...small],
      code: 1,
      errors: ["a.key exists already; a key is never overwritten"],
      hint: "choose another path",
    },
    {
      what: "a request with several mistakes",
      args: () => [
        "cert",
        "request",
        "--peer-id",
        "a b",
        "--organisation",
        " ",
        "--name",
        "_",
        "--key",
        "x.key",
        "--out",
        "x.csr",
      ],
      code: 1,
      errors: [
        "the peer id (serialNumber) must have",
        "the organisation (O) must have",
        'the name "_" is not a DNS host name',
      ],
    },
    {
      what: "a request without its options",
      args: () => ["cert", "request"],
      code: 2,
      errors: ["required option '--peer-id <ID>' not specified"],
    },
    {
      what: "a key of 1024 bits",
      args: () => [
        ...request,
        "--name",
        "a.example",
        "--key",
        "x.key",
        "--out",
        "x.csr",
        "--key-bits",
        "1024",
      ],
      code: 2,
      errors: ["Allowed is a whole number from 2048 to 4096."],
    },
    {
      what: "to sign for no days",
      args: () => [
        "cert",
        "sign",
        "--ca",
        "ca",
        "--request",
        "a.csr",
        "--out",
        "x.pem",
        "--days",
        "0",
      ],
      code: 2,
      errors: ["Allowed is a whole number from 1 to 1095."],
    },
    {
      what: "to sign without names, and shows those that the request asks for",
      args: () => ["cert", "sign", "--ca", "ca", "--request", "a.csr", "--out", "x.pem"],
      code: 2,
      errors: ["the request asks for the names a.example, b.example"],
      hint: "--names-from-request",
    },
    {
      what: "to sign with names from both sides",
      args: () => [
        "cert",
        "sign",
        "--ca",
        "ca",
        "--request",
        "a.csr",
        "--out",
        "x.pem",
        "--name",
        "c.example",
        "--names-from-request",
      ],
      code: 2,
      errors: ["give either --name or --names-from-request"],
    },
    {
      what: "to sign for another peer than expected",
      args: () => [
        "cert",
        "sign",
        "--ca",
        "ca",
        "--request",
        "a.csr",
        "--out",
        "x.pem",
        "--names-from-request",
        "--peer-id",
        "9",
      ],
      code: 1,
      errors: [`the request is for peer ${ID}, not 9`],
    },
    {
      what: "to sign a request for an EC key",
      args: async () => {
        const files = ["-keyout", at("ec.key"), "-out", at("ec.csr")];
        const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        await openssl("req", "-new", ...curve, "-subj", `/O=G/serialNumber=${ID}`, ...files);
        return [
          "cert",
          "sign",
          "--ca",
          "ca",
          "--request",
          "ec.csr",
          "--out",
          "x.pem",
          "--name",
          "c.example",
        ];
      },
      code: 1,
      errors: ["a key of the kind ec; this CA issues certificates for RSA keys only"],
    },
    {
      what: "to sign with a CA that is not there",
      args: () => [
        "cert",
        "sign",
        "--ca",
        "none",
        "--request",
        "a.csr",
        "--out",
        "x.pem",
        "--name",
        "c.example",
      ],
      code: 1,
      errors: ["none/root.pem: there is no such file"],
    },
    {
      what: "to show a file without certificates",
      args: () => ["cert", "show", "a.csr"],
      code: 1,
      errors: ["it holds no PEM certificate"],
    },
    {
      what: "a certificate with every problem at once",
      args: async () => {
        await writeFile(at("open.key"), await readFile(at("ca/issuing.key")));
        await chmod(at("open.key"), 0o644);
        return [
          "cert",
          "verify",
          "--group",
          "group.json",
          "--cert",
          "a.pem",
          "--key",
          "open.key",
          "--name",
          "c.example",
        ];
      },
      code: 1,
      errors: [
        "the name c.example is not in the certificate (names are: a.example, b.example)",
        "key file open.key is readable by others (mode 0644): chmod 600 open.key",
        "the key in open.key does not match the certificate in a.pem",
      ],
    },
    {
      what: "a certificate of another CA",
      args: async () => {
        await done("ca", "init", "--dir", "other", "--name", "Other CA", ...small);
        const sign = [
          "cert",
          "sign",
          "--ca",
          "other",
          "--request",
          "a.csr",
          "--names-from-request",
        ];
        await done(...sign, "--out", "other.pem");
        return ["cert", "verify", "--group", "group.json", "--cert", "other.pem"];
      },
      code: 1,
      errors: [
        'the chain stops at (O="Other CA", CN="Other CA root CA"), anchors are (O="Demo CA", CN="Demo CA root CA")',
      ],
    },
    {
      what: "a group with several mistakes",
      args: () => [...group, "--anchor", "a.pem", "--directory", "1=nowhere", "--out", "x.json"],
      code: 1,
      errors: [
        "content.trust_anchors.0: not one certificate in PEM",
        'content.directories.0.peer_id: found "1"',
        'content.directories.0.address: found "nowhere"',
      ],
    },
    {
      what: "to replace a group without a higher version",
      args: () => groupFrom("group.json"),
      code: 1,
      errors: ["group.json exists and is not replaced: its version is 1, allowed is one above 1"],
      hint: "give a higher --version",
    },
    {
      what: "to replace a group with another key",
      args: () => [...groupFrom("group.json", "--version", "2"), "--key", "other.key"],
      code: 1,
      errors: ["it is signed by another key than before"],
    },
    {
      what: "a group key that is no Ed25519 key",
      args: () => [...groupFrom("x.json"), "--key", "a.key"],
      code: 1,
      errors: ["the signing key is not an Ed25519 private key"],
    },
    {
      what: "an unknown TLS version",
      args: () => groupFrom("x.json", "--tls-minimum", "1.1"),
      code: 2,
      errors: ["Allowed choices are 1.2, 1.3."],
    },
    {
      what: "to show a group that was changed",
      args: async () => {
        const text = await readFile(at("group.json"), "utf8");
        await writeFile(at("changed.json"), text.replace("8443", "8444"));
        return ["group", "show", "changed.json"];
      },
      code: 1,
      errors: ["changed.json: signature: it is not by the key in signed_by over this content"],
    },
  ];
  for (const { what, args, code, errors, hint } of failures) {
    it(`refuses ${what}`, async () => {
      const result = await run(...(await args()));
      expect(result.code, result.stderr).to.equal(code);
      expect(result.stdout).to.equal("");
      expect(result.stderr).to.match(/^schakel: error: /);
      for (const error of errors) expect(result.stderr).to.contain(error);
      if (hint !== undefined)
        expect(result.stderr)
          .to.match(/^schakel: hint: /m)
          .and.contain(hint);
      expect(result.stderr).not.to.contain("    at ");
    });
  }

  it("leaves nothing of what it refused", async () => {
    for (const name of ["x.key", "x.csr", "x.pem", "x.json"]) {
      expect(await stat(at(name)).catch(() => "absent"), name).to.equal("absent");
    }
  });
});
