// Identity folders: what is refused when one is loaded, made or followed, and that it appears whole or not at all.
import { chmod, cp, mkdir, readFile, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { BundleError } from "../../certs/bundle.js";
import { createCa, openCa } from "../../certs/ca.js";
import { prepareIdentity, replaceCertificate } from "../../certs/identity-folder.js";
import { LEFTOVER_AGE_MS } from "../../certs/identity-leftovers.js";
import { identityFiles, InternalSource, loadInternalBundle } from "../../certs/internal-bundle.js";
import { issueInternal } from "../../certs/internal-ca.js";
import { makeIdentity } from "../../certs/make-identity.js";
import { checkReceived } from "../../certs/received-certificate.js";
import type { ComponentName } from "../../core/names.js";
import { Lifecycle } from "../../core/lifecycle.js";
import { openOwnIdentity } from "../../manager/own-identity.js";
import { componentKey, InternalPki } from "../support/internal-pki.js";
import { MovedClock } from "../support/moved-clock.js";
import { recordedLog } from "../support/recorded-log.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

const DAY_MS = 86_400_000;
const MANAGER = { host: "127.0.0.1", port: 8444 };

const rejection = async (work: Promise<unknown>): Promise<Error> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("it was not refused");
};

describe("certs/internal-bundle", function () {
  this.timeout(60_000);
  let pki: InternalPki;
  let other: InternalPki;
  before(async () => {
    pki = await InternalPki.create("Ours");
    other = await InternalPki.create("Theirs");
  });
  after(async () => {
    await Promise.all([pki.remove(), other.remove()]);
    removeTemporaryFolders();
  });

  const broken: readonly {
    readonly what: string;
    readonly change: (dir: string) => Promise<void>;
    readonly says: RegExp;
  }[] = [
    {
      what: "without a certificate",
      change: (dir) => rm(identityFiles(dir).certificate),
      says: /certificate\.pem: there is no such file/,
    },
    {
      what: "without a key",
      change: (dir) => rm(identityFiles(dir).key),
      says: /private\.key: there is no such file/,
    },
    {
      what: "without the CA's root",
      change: (dir) => rm(identityFiles(dir).ca),
      says: /ca\.pem: there is no such file/,
    },
    {
      what: "whose key others may read",
      change: (dir) => chmod(identityFiles(dir).key, 0o644),
      says: /is readable by others/,
    },
    {
      what: "with another component's key",
      change: async (dir) => {
        const theirs = identityFiles(await pki.identity("inway", "another")).key;
        await cp(theirs, identityFiles(dir).key);
      },
      says: /does not match the certificate/,
    },
    {
      what: "with another CA's root",
      change: (dir) => cp(join(other.caDir, "root.pem"), identityFiles(dir).ca),
      says: /the chain stops at \(O="Ours internal"/,
    },
    {
      what: "with the issuing CA in place of the root",
      change: (dir) => cp(join(pki.caDir, "issuing.pem"), identityFiles(dir).ca),
      says: /ca\.pem: it is not a root/,
    },
    {
      what: "whose chain lacks the issuing CA",
      change: async (dir) => {
        const { certificate } = identityFiles(dir);
        const [leaf = ""] = (await readFile(certificate, "utf8")).split(
          /(?<=END CERTIFICATE-----\n)/,
        );
        await writeFile(certificate, leaf);
      },
      says: /the chain stops at/,
    },
    {
      what: "with the certificate of a CA for its own",
      change: (dir) => cp(join(pki.caDir, "issuing.pem"), identityFiles(dir).certificate),
      says: /it is the certificate of a CA, not of a component/,
    },
    {
      what: "whose manager is no address",
      change: (dir) => writeFile(identityFiles(dir).manager, "somewhere\n"),
      says: /manager: it is not HOST:PORT/,
    },
  ];
  for (const { what, change, says } of broken) {
    it(`refuses a folder ${what}`, async () => {
      const dir = await pki.identity("inway", "broken");
      await change(dir);
      const error = await rejection(loadInternalBundle(dir));
      expect(error).to.be.instanceOf(BundleError);
      expect(error.message).to.match(says);
    });
  }

  it("refuses an expired certificate", async () => {
    const dir = await pki.identity("inway", "old");
    expect((await rejection(loadInternalBundle(dir, Date.now() + 91 * DAY_MS))).message).to.match(
      /expired since/,
    );
  });

  it("names every problem of a folder at once", async () => {
    const { message } = await rejection(loadInternalBundle(temporaryFolder()));
    expect(message.split("\n")).to.have.length(3);
  });

  describe("a new folder", () => {
    it("is not made where something is", async () => {
      const dir = temporaryFolder();
      await writeFile(join(dir, "file"), "");
      for (const path of [dir, `${dir}/`, join(dir, "file"), join(dir, "file", "below")]) {
        const wish = { role: "inway", name: "x", dir: path, manager: MANAGER, keyBits: 2048 };
        await rejection(makeIdentity(pki.ca, wish));
      }
      expect(await readdir(dir)).to.deep.equal(["file"]);
    });

    it("takes the place of an empty one, also when its path ends with a slash", async () => {
      const dir = temporaryFolder();
      const wish = { role: "cli", name: "x", dir: `${dir}/`, manager: MANAGER, keyBits: 2048 };
      await makeIdentity(pki.ca, wish);
      expect((await loadInternalBundle(dir)).identity).to.include({ role: "cli", name: "x" });
    });

    it("does not replace what has come to its place meanwhile", async () => {
      const parent = temporaryFolder();
      const dir = join(parent, "identity");
      const key = await componentKey("inway", "slow");
      const prepared = await prepareIdentity(dir, key);
      await makeIdentity(pki.ca, {
        ...{ role: "inway", name: "quick", dir },
        ...{ manager: MANAGER, keyBits: 2048 },
      });
      const name = "slow" as ComponentName;
      const certificate = await issueInternal(pki.ca, { role: "inway", name, publicKey: key });
      const content = { chain: [certificate, pki.ca.issuing], anchor: pki.ca.root };
      expect((await rejection(prepared.complete(content))).message).to.contain("exists already");
      expect((await loadInternalBundle(dir)).identity.name).to.equal("quick");
      expect(await readdir(parent)).to.deep.equal(["identity"]);
    });

    it("removes what is left of one whose making was cut off, and nothing that is younger or another's", async () => {
      const parent = temporaryFolder();
      const dir = join(parent, "identity");
      const left = (name: string) => join(parent, `${name}.0123456789ab.tmp`);
      const others = ["other.0123456789ab.tmp", "identity.0123456789ab", "identity.xyz.tmp"];
      for (const path of [left("identity"), ...others.map((name) => join(parent, name))]) {
        await mkdir(path);
        await writeFile(join(path, "private.key"), "a key");
      }
      const wish = { role: "cli", name: "x", manager: MANAGER, keyBits: 2048 };
      await makeIdentity(pki.ca, { ...wish, dir });
      expect(await readdir(parent)).to.have.members([
        ...["identity", "identity.0123456789ab.tmp"],
        ...others,
      ]);
      const longAgo = new Date(Date.now() - LEFTOVER_AGE_MS - 1000);
      await utimes(left("identity"), longAgo, longAgo);
      for (const name of others) await utimes(join(parent, name), longAgo, longAgo);
      const source = await InternalSource.open(dir, recordedLog().log);
      source.close();
      expect(await readdir(parent)).to.have.members(["identity", ...others]);
    });

    for (const [what, wish] of [
      ["an unknown role", { role: "boss", name: "x" }],
      ["a name with a space", { role: "inway", name: "a b" }],
    ] as const) {
      it(`is not made for ${what}`, async () => {
        const dir = join(temporaryFolder(), "identity");
        await rejection(makeIdentity(pki.ca, { ...wish, dir, manager: MANAGER, keyBits: 2048 }));
        expect(await readdir(dirname(dir))).to.deep.equal([]);
      });
    }
  });

  describe("what the manager gives", () => {
    const given = async (role: "inway" | "outway", ca = pki.ca) => {
      const key = await componentKey(role, "given");
      const name = "given" as ComponentName;
      const certificate = await issueInternal(ca, { role, name, publicKey: key });
      return {
        ...{ certificate: certificate.raw, issuerChain: [ca.issuing.raw] },
        caCertificate: ca.root.raw,
      };
    };

    it("is taken when it fits", async () => {
      const key = await componentKey("inway", "given");
      const { identity, chain } = checkReceived(await given("inway"), { key, anchor: pki.ca.root });
      expect(identity).to.include({ role: "inway", name: "given" });
      expect(chain).to.have.length(2);
    });

    const misfits: readonly (readonly [
      string,
      () => Promise<Awaited<ReturnType<typeof given>>>,
      RegExp,
    ])[] = [
      ["of another CA", () => given("inway", other.ca), /of another CA/],
      [
        "of another CA that calls itself ours",
        async () => ({ ...(await given("inway", other.ca)), caCertificate: pki.ca.root.raw }),
        /the chain stops at/,
      ],
      ["for another key", () => given("outway"), /for another key/],
      [
        "without its issuer",
        async () => ({ ...(await given("inway")), issuerChain: [] }),
        /the chain stops at/,
      ],
      [
        "that is no certificate",
        async () => ({ ...(await given("inway")), certificate: Buffer.from("x") }),
        /cannot be read/,
      ],
      [
        "in PEM",
        async () => ({
          ...(await given("inway")),
          certificate: Buffer.from(pki.ca.issuing.toString()),
        }),
        /not DER/,
      ],
      [
        "of a CA",
        async () => ({ ...(await given("inway")), certificate: pki.ca.issuing.raw }),
        /CA/,
      ],
    ];
    for (const [what, answer, says] of misfits) {
      it(`is refused when it is a certificate ${what}`, async () => {
        const key = await componentKey("inway", "given");
        const received = await answer();
        expect(() => checkReceived(received, { key, anchor: pki.ca.root })).to.throw(says);
      });
    }
  });

  describe("a source", () => {
    it("follows the folder, and keeps what it has when the new content is wrong", async () => {
      const { log, lines } = recordedLog();
      const dir = await pki.identity("inway", "followed");
      const source = await InternalSource.open(dir, log);
      try {
        const first = source.current.identity.certificateThumbprint;
        await replaceCertificate(dir, (await other.bundle("inway", "followed")).chain);
        await until("an error", () => lines.some((line) => line.includes("identity is refused")));
        expect(source.current.identity.certificateThumbprint).to.equal(first);
        const publicKey = await componentKey("inway", "followed");
        const name = "followed" as ComponentName;
        const certificate = await issueInternal(pki.ca, { role: "inway", name, publicKey });
        await replaceCertificate(dir, [certificate, pki.ca.issuing]);
        await until(
          "the new certificate",
          () => source.current.identity.certificateThumbprint !== first,
        );
      } finally {
        source.close();
      }
    });
  });

  describe("the manager's own identity", () => {
    const opened = async (caDir: string, dir: string, clock = new MovedClock()) => {
      const { log } = recordedLog();
      const lifecycle = new Lifecycle(log);
      const own = await openOwnIdentity({ caDir, dir }, { clock, log, lifecycle });
      await lifecycle.stop();
      return own.source.current;
    };

    it("is made, kept over a restart, and made again for another CA", async () => {
      const dir = join(temporaryFolder(), "identity");
      const first = await opened(pki.caDir, dir);
      expect(first.identity).to.include({ role: "manager", name: "manager" });
      expect(await opened(pki.caDir, dir)).to.deep.include({ identity: first.identity });
      const changed = await opened(other.caDir, dir);
      expect(changed.anchor.raw.equals(other.ca.root.raw)).to.equal(true);
    });

    it("leaves nothing of one whose making was cut off, however short ago", async () => {
      const parent = temporaryFolder();
      await mkdir(join(parent, "identity.0123456789ab.tmp"));
      await opened(pki.caDir, join(parent, "identity"));
      expect(await readdir(parent)).to.deep.equal(["identity"]);
    });

    it("is made again when it is broken", async () => {
      const dir = join(temporaryFolder(), "identity");
      const first = await opened(pki.caDir, dir);
      await rm(identityFiles(dir).key);
      const again = await opened(pki.caDir, dir);
      expect(again.identity.certificateThumbprint).not.to.equal(
        first.identity.certificateThumbprint,
      );
    });

    it("is renewed with the same key when two thirds of its life have passed", async () => {
      const dir = await pki.identity("manager", "manager", { lifeMs: 120_000 });
      const before = await loadInternalBundle(dir);
      const after = await opened(pki.caDir, dir);
      expect(after.keyPem).to.equal(before.keyPem);
      expect(after.identity.renewableFrom).to.be.above(before.identity.renewableFrom);
    });

    it("is no inway's", async () => {
      const dir = await pki.identity("inway", "posing");
      expect((await opened(pki.caDir, dir)).identity.role).to.equal("manager");
    });
  });

  it("issues nothing that outlives the CA", async () => {
    const dir = join(temporaryFolder(), "short");
    await createCa(dir, { name: "Short", days: 10, keyBits: 2048 });
    const ca = await openCa(dir);
    const publicKey = await componentKey("inway", "short");
    const name = "short" as ComponentName;
    const certificate = await issueInternal(ca, { role: "inway", name, publicKey });
    expect(certificate.validToDate.getTime()).to.equal(ca.issuing.validToDate.getTime());
  });
});
