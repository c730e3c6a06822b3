// Checks revocation lists: what is no list, what a list refuses, and lists of our own CA and of openssl.
import { expect } from "chai";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLists, revokeCertificate } from "../../certs/ca-revocation.js";
import { createCa, openCa, type Ca } from "../../certs/ca.js";
import { CertificateError } from "../../certs/certificate-error.js";
import { pathProblems, type Trust } from "../../certs/chain.js";
import { judge, parseQuestion, type Judgement, type Question } from "../../certs/judge.js";
import { readListsPem, writeListsPem } from "../../certs/pem.js";
import { readRevocationList } from "../../certs/revocation-list.js";
import { REVOCATION_GRACE_MS } from "../../certs/revocation.js";
import {
  makeOdd,
  makeOddCa,
  openssl,
  peerExtensions,
  type Issuer,
  type OddCa,
} from "../support/openssl.js";
import { TestGroup } from "../support/pki.js";
import { randomFrom } from "../support/random.js";
import { makeList, type OddList } from "../support/revocation.js";

const SUBJECT = "/O=Gemeente/serialNumber=00000000000000000007";
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SEED = 20261125;

const readOne = (pem: string): X509Certificate => new X509Certificate(pem);
const listIn = (pem: string): Buffer => readListsPem(pem, 1)[0] ?? Buffer.alloc(0);

describe("certs/revocation", function () {
  this.timeout(60_000);
  let dir: string;
  let ca: OddCa;
  let leaf: X509Certificate;
  let issuing: X509Certificate;
  let root: X509Certificate;
  let made = 0;

  const folder = (): string => join(dir, String((made += 1)));
  const list = (odd: Partial<OddList> = {}): Promise<string> =>
    makeList({
      issuer: ca.issuing,
      thisUpdate: new Date(Date.now() - HOUR_MS),
      nextUpdate: new Date(Date.now() + 7 * DAY_MS),
      ...odd,
      dir: folder(),
    });
  const ask = (crls: readonly string[], changes: Partial<Question> = {}): Judgement =>
    judge(
      parseQuestion({
        anchors: [root.toString()],
        intermediates: [issuing.toString()],
        leaf: leaf.toString(),
        crls,
        time: new Date(Date.now() + 60_000).toISOString(),
        ...changes,
      }),
    );

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "schakel-test-revocation-"));
    ca = await makeOddCa(join(dir, "ca"), "EC CA", "P-256");
    const files = await makeOdd({
      ...{ dir: join(dir, "leaf"), subject: SUBJECT, key: "P-256", serial: "0x00c0ffee" },
      ...{
        issuer: { cert: ca.issuing.cert, key: ca.issuing.key },
        extensions: peerExtensions("a.test"),
      },
    });
    leaf = readOne(await readFile(files.cert, "utf8"));
    issuing = readOne(await readFile(ca.issuing.cert, "utf8"));
    root = readOne(await readFile(ca.root.cert, "utf8"));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  const refusals: readonly (readonly [
    what: string,
    reason: RegExp,
    build: () => Promise<readonly string[]>,
  ])[] = [
    [
      "a revoked certificate",
      /certificate 1 .*revoked since .* \(unspecified\)/,
      async () => [await list({ revoked: [leaf.serialNumber] })],
    ],
    [
      "a revoked certificate, with the reason",
      /revoked since .* \(keyCompromise\)/,
      async () => [await list({ revoked: [[leaf.serialNumber, "keyCompromise"]] })],
    ],
    [
      "a certificate that is on hold",
      /revoked since .* \(certificateHold\)/,
      async () => [await list({ revoked: [[leaf.serialNumber, "certificateHold"]] })],
    ],
    [
      "a revoked intermediate",
      /certificate 2 .*revoked since/,
      async () => [await list({ issuer: ca.root, revoked: [issuing.serialNumber] })],
    ],
    [
      "a certificate that the newer of two lists names",
      /revoked since/,
      async () => [
        await list({ number: "05" }),
        await list({ number: "06", revoked: [leaf.serialNumber] }),
        await list({ number: "04" }),
      ],
    ],
    [
      "a list that has ended",
      /out of date since/,
      async () => [await list({ nextUpdate: new Date(Date.now() - 60_000) })],
    ],
    [
      "a list that is not valid yet",
      /not valid yet/,
      async () => [await list({ thisUpdate: new Date(Date.now() + HOUR_MS) })],
    ],
    [
      "a list that another CA of the same name signed",
      /not signed by the issuer/,
      async () => {
        const fake = await makeOddCa(join(folder(), "fake"), "EC CA", "P-256");
        return [await list({ issuer: fake.issuing })];
      },
    ],
    [
      "a list whose content was changed",
      /not signed by the issuer/,
      async () => {
        const der = Buffer.from(listIn(await list({ revoked: ["0a0b0c0d"] })));
        der[der.indexOf(Buffer.from("0a0b0c0d", "hex")) + 3] = 0x0e;
        return [writeListsPem([der])];
      },
    ],
    [
      "a list of version 1",
      /another version than 2|without/,
      async () => [await list({ number: "", extensions: [] })],
    ],
    ["a list without a number", /without a CRL number/, async () => [await list({ number: "" })]],
    [
      "a list with an unknown critical extension",
      /critical extension 1\.2\.3\.4/,
      async () => [await list({ extensions: ["1.2.3.4=critical,ASN1:NULL"] })],
    ],
    [
      "a list for some reasons or certificates alone",
      /critical extension 2\.5\.29\.28/,
      async () => [
        await list({
          extensions: ["issuingDistributionPoint=critical,@idp", "[idp]", "onlyuser=TRUE"],
        }),
      ],
    ],
    [
      "an indirect list",
      /critical extension 2\.5\.29\.28/,
      async () => [
        await list({
          extensions: ["issuingDistributionPoint=critical,@idp", "[idp]", "indirectCRL=TRUE"],
        }),
      ],
    ],
    [
      "a list of changes",
      /critical extension 2\.5\.29\.27/,
      async () => [await list({ extensions: ["2.5.29.27=critical,DER:020101"] })],
    ],
    [
      "a list of changes that does not say so critically",
      /not whole/,
      async () => [await list({ extensions: ["2.5.29.27=DER:020101"] })],
    ],
    [
      "an entry that a whole list cannot have",
      /reason a whole list cannot have/,
      async () => [await list({ revoked: [["0a", "removeFromCRL"]] })],
    ],
    [
      "a list signed with SHA-1",
      /algorithm .* not allowed/,
      async () => [await list({ digest: "sha1" })],
    ],
    [
      "a text that is no list",
      /crls\[0\]: it holds no PEM revocation list/,
      () => Promise.resolve(["hello"]),
    ],
    [
      "a list with something after it",
      /crls\[0\]: not DER/,
      async () => [writeListsPem([Buffer.concat([listIn(await list()), Buffer.from([5, 0])])])],
    ],
  ];
  for (const [what, reason, build] of refusals) {
    it(`refuses ${what}`, async () => {
      const judgement = ask(await build());
      expect(judgement.valid, judgement.reason).to.equal(false);
      expect(judgement.reason).to.match(reason);
    });
  }

  it("refuses the list of a CA that may not sign lists", async () => {
    const issuer: Issuer = await makeOdd({
      ...{ dir: folder(), subject: "/CN=no lists", key: "P-256", issuer: ca.root },
      extensions: [
        "basicConstraints=critical,CA:TRUE",
        "keyUsage=critical,keyCertSign",
        "subjectKeyIdentifier=hash",
      ],
    });
    const files = await makeOdd({ dir: folder(), subject: SUBJECT, key: "P-256", issuer });
    const judgement = ask([await list({ issuer })], {
      leaf: await readFile(files.cert, "utf8"),
      intermediates: [await readFile(issuer.cert, "utf8")],
    });
    expect(judgement.reason).to.match(/not signed by the issuer/);
  });

  it("takes certificates that the lists of all their issuers do not name", async () => {
    const crls = [
      await list({ revoked: ["0a", ["0b", "superseded"]] }),
      await list({ issuer: ca.root }),
    ];
    expect(ask(crls)).to.include({ valid: true });
  });

  it("takes a certificate that the newest list names no longer, and one without a list of its issuer", async () => {
    const older = await list({ number: "01", revoked: [[leaf.serialNumber, "certificateHold"]] });
    expect(ask([older, await list({ number: "02" })])).to.include({ valid: true });
    const other = await makeOddCa(join(folder(), "other"), "Other", "P-256");
    expect(ask([await list({ issuer: other.issuing })])).to.include({ valid: true });
  });

  it("lets a list count for a grace period after its end, and refuses everything of its issuer then", async () => {
    const crl = listIn(await list({ nextUpdate: new Date(Date.now() + HOUR_MS) }));
    const trust: Trust = { anchors: [root], revocationLists: [{ crl, issuerChain: [issuing] }] };
    const end = readRevocationList(crl).nextUpdate;
    const at = (now: number): string => pathProblems([leaf, issuing], trust, now).join("\n");
    expect(at(end + REVOCATION_GRACE_MS)).to.equal("");
    expect(at(end + REVOCATION_GRACE_MS + 1000)).to.match(/^certificate 1 .*out of date since/);
  });

  it("passes over the list of another CA with the same name when that CA vouches for it", async () => {
    const twin = await makeOddCa(join(folder(), "twin"), "EC CA", "P-256");
    const theirs = readOne(await readFile(twin.issuing.cert, "utf8"));
    const crl = listIn(await list({ issuer: twin.issuing, revoked: [leaf.serialNumber] }));
    const trust = { anchors: [root], revocationLists: [{ crl, issuerChain: [theirs] }] };
    expect(pathProblems([leaf, issuing], trust, Date.now() + 60_000)).to.deep.equal([]);
  });

  it(`never reads a list with a changed byte as one of its issuer's (seed ${String(SEED)})`, async () => {
    const original = listIn(await list({ revoked: [["0a0b", "keyCompromise"]] }));
    const random = randomFrom(SEED);
    for (let round = 0; round < 400; round++) {
      const der = Buffer.from(original);
      der[Math.floor(random() * der.length)] = Math.floor(random() * 256);
      if (der.equals(original)) continue;
      const crls = [writeListsPem([der])];
      const judgement = ask(crls);
      // A list that now names another issuer says nothing of this path.
      const foreign =
        judgement.valid &&
        !readRevocationList(der).issuerBytes.equals(readRevocationList(original).issuerBytes);
      expect(judgement.valid && !foreign, der.toString("hex")).to.equal(false);
    }
  });

  it("reads a long list, and refuses one that is too large", async () => {
    const revoked = Array.from({ length: 3000 }, (_, n) => (0x100000 + n).toString(16));
    const read = readRevocationList(listIn(await list({ revoked })));
    expect(read.revoked.size).to.equal(3000);
    expect(() => readRevocationList(Buffer.alloc(9 * 1024 * 1024, 0x30))).to.throw(
      CertificateError,
      "allowed are",
    );
  });

  describe("of our own CA", () => {
    let own: Ca;
    let group: TestGroup;
    before(async () => {
      group = await TestGroup.create({ groupId: "revocation" });
      own = await openCa(group.caDir);
    });
    after(() => group.remove());
    const peerOf = async (): Promise<X509Certificate> => {
      const peer = await group.peer({ peerId: "7".repeat(20), name: "Rijk", names: ["a.test"] });
      return readOne(await readFile(peer.files.cert, "utf8"));
    };
    const problems = async (certificate: X509Certificate): Promise<string> => {
      const { root: ofRoot, issuing: ofIssuing } = await createLists(own, 7);
      const revocationLists = [
        { crl: ofIssuing, issuerChain: [own.issuing] },
        ...(ofRoot === undefined ? [] : [{ crl: ofRoot, issuerChain: [] }]),
      ];
      return pathProblems(
        [certificate, own.issuing],
        { anchors: [own.root], revocationLists },
        Date.now(),
      ).join("\n");
    };

    it("revokes a certificate by itself or by its serial, once", async () => {
      const [one, two, three] = [await peerOf(), await peerOf(), await peerOf()];
      await revokeCertificate(own, one, "superseded");
      await revokeCertificate(own, two.serialNumber);
      expect(await problems(one)).to.match(/revoked since .* \(superseded\)/);
      expect(await problems(two)).to.match(/revoked since .* \(unspecified\)/);
      expect(await problems(three)).to.equal("");
      const again = await revokeCertificate(own, one).catch((error: unknown) => String(error));
      expect(again).to.match(/revoked already/);
    });

    it("refuses to revoke what it has not issued", async () => {
      const stranger = await TestGroup.create({ groupId: "revocation-stranger" });
      const peer = await stranger.peer({ peerId: "8".repeat(20), name: "X", names: ["x.test"] });
      const theirs = readOne(await readFile(peer.files.cert, "utf8"));
      await stranger.remove();
      for (const which of [theirs, theirs.serialNumber, "zz", "", "00"]) {
        const refused = await revokeCertificate(own, which).catch((error: unknown) => error);
        expect(refused, String(which)).to.be.instanceOf(CertificateError);
      }
    });

    it("makes lists that openssl reads and obeys, with rising numbers", async () => {
      const [good, bad] = [await peerOf(), await peerOf()];
      await revokeCertificate(own, bad, "keyCompromise");
      const first = await createLists(own, 7);
      const { root: ofRoot, issuing: ofIssuing } = await createLists(own, 7);
      expect(
        readRevocationList(ofIssuing).number > readRevocationList(first.issuing).number,
      ).to.equal(true);
      const at = (name: string): string => join(dir, name);
      await writeFile(at("lists.pem"), writeListsPem([ofIssuing, ofRoot ?? Buffer.alloc(0)]));
      await writeFile(at("good.pem"), good.toString());
      await writeFile(at("bad.pem"), bad.toString());
      const check = (file: string): Promise<string> =>
        openssl(
          ...["verify", "-x509_strict", "-crl_check_all", "-CAfile", join(group.caDir, "root.pem")],
          ...[
            "-untrusted",
            join(group.caDir, "issuing.pem"),
            "-CRLfile",
            at("lists.pem"),
            at(file),
          ],
        );
      expect(await check("good.pem")).to.match(/OK/);
      expect(String(await check("bad.pem").catch((error: unknown) => error))).to.match(
        /certificate revoked/,
      );
      expect(await openssl("crl", "-in", at("lists.pem"), "-noout", "-text")).to.match(
        /CRL Number/,
      );
    });

    it("revokes its issuing CA in the root's list, and makes no list of a root whose key is elsewhere", async () => {
      const folderOfCa = join(dir, "own");
      await createCa(folderOfCa, { name: "Own", keyBits: 2048, crlUrl: "http://crl.test/own.crl" });
      const other = await openCa(folderOfCa);
      await revokeCertificate(other, other.issuing, "cACompromise");
      const lists = await createLists(other, 7);
      const read = readRevocationList(lists.root ?? Buffer.alloc(0));
      expect([...read.revoked.values()].map(({ reason }) => reason)).to.deep.equal([
        "cACompromise",
      ]);
      expect(readRevocationList(lists.issuing).revoked.size).to.equal(0);
      await rm(join(folderOfCa, "root.key"));
      expect((await createLists(other, 7)).root).to.equal(undefined);
    });

    it("refuses an address for lists that is none", async () => {
      for (const crlUrl of [
        "ftp://a.test/x",
        "http://",
        "not a url",
        "http://a.test/\n",
        `http://a.test/${"x".repeat(600)}`,
      ]) {
        const refused = await createCa(join(dir, "never"), { name: "X", crlUrl }).catch(
          (error: unknown) => error,
        );
        expect(refused, crlUrl).to.be.instanceOf(CertificateError);
      }
    });
  });

  it("reads what openssl wrote", async () => {
    const read = readRevocationList(
      listIn(
        await list({
          number: "0FFF",
          revoked: [leaf.serialNumber],
          extensions: ["authorityKeyIdentifier=keyid:always"],
        }),
      ),
    );
    expect(read.number).to.equal(0x0fffn);
    expect(read.issuer).to.equal('O="EC CA", CN="EC CA issuing"');
    expect([...read.revoked.keys()]).to.deep.equal(["00c0ffee"]);
  });
});
