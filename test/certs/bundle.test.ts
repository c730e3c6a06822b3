// Checks certs/bundle.ts: what it refuses, then what it does.
import { expect } from "chai";
import { createPrivateKey, X509Certificate } from "node:crypto";
import {
  appendFile,
  chmod,
  copyFile,
  readFile,
  symlink,
  unlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import {
  BundleError,
  BundleSource,
  loadBundle,
  loadCertificates,
  type Bundle,
  type BundleFiles,
} from "../../certs/bundle.js";
import { GroupSource, parseGroup, type Group } from "../../certs/group.js";
import { makeOdd, makeOddCa, peerExtensions } from "../support/openssl.js";
import { TestGroup, type TestPeer } from "../support/pki.js";
import { recordedLog } from "../support/recorded-log.js";
import { until } from "../support/until.js";

const ID = "00000000000000000002";
const SUBJECT = `/O=Gemeente/serialNumber=${ID}`;
const DAY_MS = 86_400_000;

const problemsOf = async (
  files: BundleFiles,
  group: Group,
  options?: { name?: string; now?: number },
): Promise<readonly string[]> => {
  try {
    await loadBundle(files, group, options);
    return [];
  } catch (error) {
    if (error instanceof BundleError) return error.problems;
    throw error;
  }
};

describe("certs/bundle", function () {
  this.timeout(60_000);
  let test: TestGroup;
  let group: Group;
  let peer: TestPeer;
  let count = 0;

  /** The peer's files again, in a folder of their own, to be spoilt. */
  const copy = async (): Promise<BundleFiles> => {
    count += 1;
    const files = {
      cert: join(test.dir, `copy-${String(count)}.pem`),
      key: join(test.dir, `copy-${String(count)}.key`),
    };
    await copyFile(peer.files.cert, files.cert);
    await copyFile(peer.files.key, files.key);
    return files;
  };

  before(async () => {
    test = await TestGroup.create();
    group = parseGroup(await readFile(test.groupFile, "utf8"));
    peer = await test.peer({ peerId: ID, name: "Gemeente", names: ["a.test", "b.test"] });
  });
  after(() => test.remove());

  interface Problem {
    readonly what: string;
    readonly spoil: () => Promise<BundleFiles>;
    readonly options?: { readonly name?: string; readonly now?: number };
    readonly problems: readonly RegExp[];
  }
  const cases: readonly Problem[] = [
    {
      what: "a key of another certificate",
      spoil: async () => {
        const other = await test.peer({ peerId: "3".repeat(20), name: "B", names: ["b.test"] });
        return { cert: peer.files.cert, key: other.files.key };
      },
      problems: [/^the key in .*key\.pem does not match the certificate in .*cert\.pem$/],
    },
    {
      what: "a chain without its issuing CA",
      spoil: async () => {
        const files = await copy();
        await writeFile(
          files.cert,
          new X509Certificate(await readFile(peer.files.cert)).toString(),
        );
        return files;
      },
      problems: [
        /the chain stops at \(O="Test CA test", CN="Test CA test issuing CA"\), anchors are \(O="Test CA test", CN="Test CA test root CA"\)$/,
      ],
    },
    {
      what: "a certificate that has expired",
      spoil: async () =>
        (await test.peer({ peerId: ID, name: "G", names: ["a.test"], notAfter: new Date(1e12) }))
          .files,
      problems: [/expired since 2001-09-09T01:46:40\.000Z$/],
    },
    {
      what: "a certificate of tomorrow",
      spoil: async () =>
        (
          await test.peer({
            peerId: ID,
            name: "G",
            names: ["a.test"],
            notBefore: new Date(Date.now() + DAY_MS),
          })
        ).files,
      problems: [/not valid until [0-9T:.-]+Z$/],
    },
    {
      what: "a name that the certificate does not have",
      spoil: copy,
      options: { name: "c.test" },
      problems: [/^the name c\.test is not in the certificate \(names are: a\.test, b\.test\)$/],
    },
    {
      what: "a key that others may read",
      spoil: async () => {
        const files = await copy();
        await chmod(files.key, 0o644);
        return files;
      },
      problems: [/^key file .*\.key is readable by others \(mode 0644\): chmod 600 .*\.key$/],
    },
    {
      what: "a key that others may write",
      spoil: async () => {
        const files = await copy();
        await chmod(files.key, 0o602);
        return files;
      },
      problems: [/mode 0602/],
    },
    {
      what: "a certificate file without PEM",
      spoil: async () => {
        const files = await copy();
        await writeFile(files.cert, "no certificate\n");
        return files;
      },
      problems: [/it holds no PEM certificate/],
    },
    {
      what: "a PEM block that is no certificate",
      spoil: async () => {
        const files = await copy();
        await writeFile(
          files.cert,
          "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        );
        return files;
      },
      problems: [/certificate 1 cannot be read$/],
    },
    {
      what: "a key file without PEM",
      spoil: async () => {
        const files = await copy();
        await writeFile(files.key, "secret words\n");
        return files;
      },
      problems: [/it holds no private key in PEM$/],
    },
    {
      what: "an encrypted key",
      spoil: async () => {
        const files = await copy();
        const key = createPrivateKey(await readFile(peer.files.key));
        const form = {
          format: "pem",
          type: "pkcs8",
          cipher: "aes-256-cbc",
          passphrase: "x",
        } as const;
        await writeFile(files.key, key.export(form));
        return files;
      },
      problems: [/the private key is encrypted; allowed is one without a passphrase$/],
    },
    {
      what: "files that are not there, both at once",
      spoil: () => Promise.resolve({ cert: join(test.dir, "x"), key: join(test.dir, "y") }),
      problems: [/x: there is no such file$/, /y: there is no such file$/],
    },
    {
      what: "a folder for a file",
      spoil: async () => ({ ...(await copy()), cert: test.dir }),
      problems: [/it is a folder$/],
    },
    {
      what: "a certificate file of more than 256 KiB",
      spoil: async () => {
        const files = await copy();
        await appendFile(files.cert, "#".repeat(256 * 1024));
        return files;
      },
      problems: [/it is larger than 262144 bytes$/],
    },
    {
      what: "a CA's certificate",
      spoil: () => Promise.resolve({ cert: test.issuer.cert, key: test.issuer.key }),
      problems: [
        /no peer's: it is the certificate of a CA, not of a peer$/,
        /a CA's certificate, not a peer's$/,
      ],
    },
    {
      what: "a certificate for servers alone",
      spoil: async () =>
        (
          await test.peer({
            peerId: ID,
            name: "G",
            names: ["a.test"],
            purposes: ["server authentication"],
          })
        ).files,
      problems: [/not for the purpose of client authentication$/],
    },
    {
      what: "a certificate that names no peer",
      spoil: async () => (await test.oddPeer({ subject: "/CN=a.test", key: "P-256" })).files,
      problems: [/no peer's: its subject has no serialNumber$/],
    },
    {
      what: "a certificate of another CA",
      spoil: async () => {
        const ca = await makeOddCa(join(test.dir, "other"), "Other", "P-256");
        const dir = join(test.dir, "other", "peer");
        return await makeOdd({ dir, subject: SUBJECT, key: "P-256", issuer: ca.issuing });
      },
      problems: [
        /the chain stops at \(O="Other", CN="Other root"\), anchors are \(O="Test CA test"/,
      ],
    },
    {
      what: "everything wrong at once",
      spoil: async () => {
        const files = { ...(await copy()), cert: "" };
        await chmod(files.key, 0o640);
        const old = await test.peer({
          peerId: "4".repeat(20),
          name: "Old",
          names: ["old.test"],
          notAfter: new Date(Date.now() - DAY_MS),
        });
        return { cert: old.files.cert, key: files.key };
      },
      options: { name: "a.test" },
      problems: [/expired since/, /the name a\.test is not/, /mode 0640/, /does not match/],
    },
  ];
  for (const { what, spoil, options, problems } of cases) {
    it(`refuses ${what}`, async () => {
      const found = await problemsOf(await spoil(), group, options);
      expect(found, found.join("\n")).to.have.lengthOf(problems.length);
      problems.forEach((problem, index) => expect(found[index]).to.match(problem));
    });
  }

  it("quotes nothing of a key file in its errors", async () => {
    const files = await copy();
    const pem = await readFile(files.key, "utf8");
    await writeFile(files.key, pem.replaceAll("A", "!"));
    const [problem = ""] = await problemsOf(files, group);
    for (const line of pem.split("\n").slice(1, 5)) expect(problem).not.to.contain(line);
  });

  it("loads a bundle of our CA, without the anchor although the file has it", async () => {
    const files = await copy();
    await appendFile(files.cert, await readFile(join(test.caDir, "root.pem")));
    const bundle = await loadBundle(files, group, { name: "B.TEST" });
    expect(bundle.identity).to.deep.include({ peerId: ID, name: "Gemeente" });
    expect(bundle.chain).to.have.lengthOf(2);
    expect(bundle.chainPem.match(/BEGIN CERTIFICATE/g)).to.have.lengthOf(2);
    expect(bundle.keyPem).to.contain("BEGIN PRIVATE KEY");
  });

  it("loads a bundle with an EC key, also in the older form of PEM", async () => {
    const { files } = await test.oddPeer({
      subject: SUBJECT,
      key: "P-256",
      extensions: peerExtensions("ec.test"),
    });
    expect((await loadBundle(files, group)).identity.dnsNames).to.deep.equal(["ec.test"]);
    const key = createPrivateKey(await readFile(files.key));
    await writeFile(files.key, key.export({ format: "pem", type: "sec1" }));
    expect((await loadBundle(files, group)).key.asymmetricKeyType).to.equal("ec");
  });

  it("loads certificates without a key", async () => {
    const { identity, chain } = await loadCertificates(peer.files.cert, group, { name: "a.test" });
    expect(identity.peerId).to.equal(ID);
    expect(chain).to.have.lengthOf(2);
  });

  describe("a source", () => {
    const opened = async () => {
      const files = await copy();
      const { log, lines } = recordedLog();
      const source = await GroupSource.open(test.groupFile, log);
      const bundles = await BundleSource.open(files, source, log, { name: "a.test" });
      const seen: Bundle[] = [];
      bundles.onChange((bundle) => void seen.push(bundle));
      const close = (): void => {
        bundles.close();
        source.close();
      };
      return { files, bundles, seen, lines, close };
    };

    it("refuses to open with a wrong bundle", async () => {
      const { log } = recordedLog();
      const source = await GroupSource.open(test.groupFile, log);
      try {
        await BundleSource.open(peer.files, source, log, { name: "c.test" });
        expect.fail("it opened");
      } catch (error) {
        expect(error).to.be.instanceOf(BundleError);
      } finally {
        source.close();
      }
    });

    it("takes a new key and certificate, replaced one after the other", async () => {
      const { files, bundles, seen, lines, close } = await opened();
      const first = bundles.current;
      const next = await test.oddPeer({
        subject: SUBJECT,
        key: "P-256",
        extensions: peerExtensions("a.test"),
      });
      await copyFile(next.files.cert, files.cert);
      await copyFile(next.files.key, files.key);
      await until("the new bundle", () => seen.length === 1);
      expect(bundles.current).to.equal(seen[0]);
      expect(bundles.current.identity.certificateThumbprint).not.to.equal(
        first.identity.certificateThumbprint,
      );
      expect(lines.join("")).not.to.contain("refused");
      close();
    });

    it("keeps the old bundle when the new one is wrong, and says why", async () => {
      const { files, bundles, seen, lines, close } = await opened();
      const first = bundles.current;
      await copyFile(test.issuer.cert, files.cert);
      const line = await until("an error in the log", () =>
        lines.find((each) => each.includes("the new certificate is refused")),
      );
      expect(line).to.contain("it is the certificate of a CA");
      expect(line).to.contain("does not match");
      expect(line).not.to.contain("PRIVATE KEY");
      expect(bundles.current).to.equal(first);
      expect(seen).to.deep.equal([]);
      close();
    });

    it("keeps the old bundle when the new one is another peer's, and says so until it is right again", async () => {
      const { files, bundles, seen, lines, close } = await opened();
      const first = bundles.current;
      const own = await readFile(files.cert);
      const other = "00000000000000000099";
      const theirs = await test.peer({ peerId: other, name: "Other", names: ["a.test"] });
      const ownKey = await readFile(files.key);
      await copyFile(theirs.files.cert, files.cert);
      await copyFile(theirs.files.key, files.key);
      const reason = new RegExp(`names peer ${other}, and this process runs for peer ${ID}`);
      await until("an error in the log", () =>
        lines.some((each) =>
          each.includes(
            "names peer 00000000000000000099, and this process runs for peer 00000000000000000002",
          ),
        ),
      );
      expect(bundles.problem()).to.match(reason);
      expect(bundles.current).to.equal(first);
      expect(seen).to.deep.equal([]);
      await writeFile(files.cert, own);
      await writeFile(files.key, ownKey);
      await until("the problem to be gone", () => bundles.problem() === undefined);
      expect(bundles.current).to.equal(first);
      close();
    });

    it("follows a link that is swapped, as container platforms do", async () => {
      const { log } = recordedLog();
      const source = await GroupSource.open(test.groupFile, log);
      const link = join(test.dir, "linked.pem");
      await symlink(peer.files.cert, link);
      const bundles = await BundleSource.open({ cert: link, key: peer.files.key }, source, log);
      const again = await test.peer({ peerId: ID, name: "Renamed", names: ["a.test"] });
      await unlink(link);
      await symlink(again.files.cert, link);
      await until("the new name", () => bundles.current.identity.name === "Renamed");
      bundles.close();
      source.close();
    });

    it("calls nobody after it is closed", async () => {
      const { files, seen, bundles, close } = await opened();
      const { log } = recordedLog();
      const source = await GroupSource.open(test.groupFile, log);
      const witness = await BundleSource.open(files, source, log);
      const again = await test.peer({ peerId: ID, name: "Late", names: ["a.test"] });
      close();
      await copyFile(again.files.cert, files.cert);
      await until("the witness to see it", () => witness.current.identity.name === "Late");
      witness.close();
      source.close();
      expect(seen).to.deep.equal([]);
      expect(bundles.current.identity.name).to.equal("Gemeente");
    });

    it("is checked again when the group changes", async () => {
      const { bundles, lines, close } = await opened();
      const other = await TestGroup.create({ groupId: "other" });
      await test.writeGroup({ trust_anchors: other.content.trust_anchors });
      await until("an error in the log", () =>
        lines.find((each) => each.includes("the chain stops at")),
      );
      expect(bundles.current.identity.peerId).to.equal(ID);
      close();
      await other.remove();
    });
  });
});
