// Which chains of other peers are remembered when there are too many.
import type { X509Certificate } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createCa, openCa, type Ca } from "../../certs/ca.js";
import { signCertificate } from "../../certs/issue.js";
import { CHAINS_MAX, RememberedChains } from "../../fsc/remembered-chains.js";
import { componentKey } from "../support/internal-pki.js";

describe("fsc/remembered-chains", function () {
  this.timeout(60_000);
  let dir = "";
  let ca: Ca;
  let chains: RememberedChains;
  /** Certificates that differ; each says another address of lists. */
  const made: X509Certificate[] = [];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "schakel-test-chains-"));
    await createCa(dir, { name: "Chains", keyBits: 2048 });
    ca = await openCa(dir);
    const publicKey = await componentKey("cli", "chains");
    for (let count = 0; count < CHAINS_MAX + 10; count++) {
      const [notBefore, notAfter] = [new Date(Date.now() - 1000), new Date(Date.now() + 60_000)];
      const about = { publicKey, subject: [{ name: "commonName", value: String(count) }] };
      const crlUrl = `http://crl.test/${String(count)}`;
      const times = { notBefore, notAfter, names: [], purposes: [] };
      made.push(await signCertificate(ca, { ...about, ...times, crlUrl }));
    }
  });
  after(() => rm(dir, { recursive: true, force: true }));
  beforeEach(() => {
    chains = new RememberedChains();
  });

  const one = (place: number): X509Certificate => {
    const found = made[place];
    if (found === undefined) throw new Error(`there is no certificate ${String(place)}`);
    return found;
  };
  /** The places of the certificates that are remembered, in order. */
  const left = (): readonly number[] =>
    chains.all().map(([leaf]) => made.findIndex((each) => each === leaf));
  const fill = (chainOf: (place: number) => readonly X509Certificate[]): void => {
    for (let place = 0; place < CHAINS_MAX; place++) {
      expect(chains.note(chainOf(place))).to.equal(true);
    }
  };

  it("are the newest of an issuer whose chains say ever other addresses", () => {
    fill((place) => [one(place), ca.issuing]);
    expect(chains.note([one(CHAINS_MAX), ca.issuing])).to.equal(true);
    expect(left()).to.have.length(CHAINS_MAX);
    expect(left()).to.include(CHAINS_MAX).and.not.to.include(0);
  });

  it("keep one that is seen again longer", () => {
    fill((place) => [one(place), ca.issuing]);
    expect(chains.note([one(0), ca.issuing])).to.equal(false);
    chains.note([one(CHAINS_MAX), ca.issuing]);
    expect(left()).to.include(0).and.not.to.include(1);
  });

  it("give up one of an issuer that has several before the only one of another", () => {
    chains.note([one(CHAINS_MAX), one(CHAINS_MAX + 1)]);
    for (let place = 0; place < CHAINS_MAX - 1; place++) chains.note([one(place), ca.issuing]);
    chains.note([one(CHAINS_MAX + 2), one(CHAINS_MAX + 3)]);
    expect(left())
      .to.include.members([CHAINS_MAX, CHAINS_MAX + 2])
      .and.not.to.include(0);
  });

  it("take a new one when each has another issuer, and keep that of an anchor itself", () => {
    chains.note([one(0)]);
    for (let place = 1; place < CHAINS_MAX; place++) chains.note([one(place), one(place + 5)]);
    expect(chains.note([one(CHAINS_MAX), one(CHAINS_MAX + 6)])).to.equal(true);
    expect(left()).to.have.length(CHAINS_MAX);
    expect(left()).to.include.members([0, CHAINS_MAX]).and.not.to.include(1);
  });
});
