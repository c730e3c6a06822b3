// What an inway or outway knows of its manager, over a real stream and from a real disk.
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { X509Certificate } from "node:crypto";
import { expect } from "chai";
import { BundleSource } from "../../certs/bundle.js";
import { GroupSource } from "../../certs/group.js";
import { InternalSource } from "../../certs/internal-bundle.js";
import { StateSource, type StateOptions } from "../../component/state-source.js";
import { SchakelError } from "../../core/errors.js";
import { Lifecycle } from "../../core/lifecycle.js";
import type { PeerId, ServiceName } from "../../core/names.js";
import { readRevocationList } from "../../certs/revocation-list.js";
import { tokenSigners } from "../../component/token-signers.js";
import { revocationListOf } from "../support/crl.js";
import { MovedClock } from "../support/moved-clock.js";
import { contractBetween, EMPTY, Organisation, toWire } from "../support/organisation.js";
import { TestGroup, type TestPeer } from "../support/pki.js";
import { recordedLog } from "../support/recorded-log.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

const OWN = "00000000000000000002";
const OTHER = "00000000000000000003";
const HOUR_MS = 3_600_000;

describe("component/state-source", function () {
  this.timeout(30_000);
  let test: TestGroup;
  let organisation: Organisation;
  let own: TestPeer;
  let other: TestPeer;
  let groups: GroupSource;
  let bundles: BundleSource;
  let others: BundleSource;
  let clock: MovedClock;
  let file: string;
  let lifecycles: Lifecycle[];

  before(async () => {
    test = await TestGroup.create();
    own = await test.peer({ peerId: OWN, name: "Own", names: ["inway.test"] });
    other = await test.peer({ peerId: OTHER, name: "Other", names: ["outway.test"] });
  });
  after(async () => {
    await test.remove();
    removeTemporaryFolders();
  });
  beforeEach(async () => {
    const { log } = recordedLog();
    clock = new MovedClock();
    lifecycles = [];
    groups = await GroupSource.open(test.groupFile, log);
    bundles = await BundleSource.open(own.files, groups, log);
    others = await BundleSource.open(other.files, groups, log);
    const about = { peerId: OWN, name: "own", clock };
    organisation = await Organisation.start(test, groups.current, about);
    file = join(temporaryFolder(), "state");
  });
  afterEach(async () => {
    await Promise.all(lifecycles.map((each) => each.stop()));
    await organisation.close();
    bundles.close();
    others.close();
    groups.close();
  });

  const open = async (changes: Partial<StateOptions> = {}) => {
    const { log, lines } = recordedLog();
    const lifecycle = new Lifecycle(log);
    lifecycles.push(lifecycle);
    const dir = await organisation.identity("inway");
    const internal = await InternalSource.open(dir, log);
    lifecycle.onStop("identity", () => internal.close());
    const source = await StateSource.open({
      ...{ role: "inway", groups, bundles, internal, file, clock, log, lifecycle },
      address: { host: "inway.test", port: 443 },
      offlineLimitMs: HOUR_MS,
      ...changes,
    });
    return { source, lines, lifecycle };
  };
  const contract = (options: Parameters<typeof contractBetween>[3] = {}) =>
    contractBetween(groups.current, others.current.identity, bundles.current.identity, options);
  const expectNothing = (source: StateSource, reason: RegExp): void => {
    try {
      source.require();
    } catch (error) {
      expect(error).to.be.instanceOf(SchakelError);
      expect((error as SchakelError).code).to.equal("ERROR_CODE_STATE_UNAVAILABLE");
      expect((error as SchakelError).message).to.match(reason);
      return;
    }
    expect.fail("there was a state");
  };
  const received = (source: StateSource) =>
    until("the state has come", () => source.current !== undefined);

  it("has nothing to work by while nothing has come", async () => {
    await organisation.stopListening();
    const { source } = await open();
    expectNothing(source, /nothing has come/);
    expect(source.problem()).to.match(/nothing has come/);
  });

  it("takes nothing from a server that is another organisation's manager, or no manager", async () => {
    const stranger = await Organisation.start(test, groups.current, {
      ...{ peerId: OTHER, name: "stranger", clock },
    });
    try {
      const identity = await organisation.internal.identity("inway", "inway", {
        manager: { host: "127.0.0.1", port: stranger.port },
      });
      const { log, lines } = recordedLog();
      const internal = await InternalSource.open(identity, log);
      const { source } = await open({ internal, log });
      await until("it has tried", () => lines.some((line) => line.includes("the manager is away")));
      expect(source.current).to.equal(undefined);
      expect(stranger.requests).to.deep.equal([]);
      internal.close();
    } finally {
      await stranger.close();
    }
  });

  it("says to the manager who is asking", async () => {
    const { source } = await open();
    await received(source);
    const [request] = organisation.requests;
    expect(request).to.include({ groupId: "test", address: "inway.test:443" });
    expect(request?.certificateChain[0]).to.deep.equal(bundles.current.chain[0]?.raw);
  });

  it("takes the first state into use when it is whole, and keeps what it had until then", async () => {
    const [first, second] = [contract(), contract()];
    const part = { ...EMPTY, snapshot: true };
    organisation.opening = () => [{ ...part, contracts: [toWire(first)] }];
    const { source } = await open();
    await until("it is connected", () => organisation.connected === 1);
    organisation.send({ snapshot: true, contracts: [toWire(second)] });
    expect(source.current).to.equal(undefined);
    organisation.send({ snapshot: true, snapshotComplete: true });
    await received(source);
    expect([...(source.current?.contracts.keys() ?? [])]).to.have.members([
      first.hash,
      second.hash,
    ]);
    expect(source.current?.grant(first.grant)?.contract.decision).to.equal("ACCEPTED");
    const grants = source.require().grantsFor(OWN as PeerId, "echo" as ServiceName);
    expect(grants.map(({ hash }) => hash)).to.have.members([first.grant, second.grant]);
  });

  it("refuses a stream that does not begin with the whole state", async () => {
    organisation.opening = () => [{ ...EMPTY, contracts: [toWire(contract())] }];
    const { source, lines } = await open();
    await until("it has tried", () => lines.some((line) => line.includes("does not begin with")));
    expect(source.current).to.equal(undefined);
  });

  it("takes changes: new contracts, other decisions, and those that concern it no more", async () => {
    const known = contract();
    organisation.tell(known);
    const { source } = await open();
    await received(source);
    organisation.tell({ ...known, decision: "REVOKED" });
    await until("the decision is known", () => {
      return source.current?.contracts.get(known.hash)?.decision === "REVOKED";
    });
    organisation.forget();
    await until("it is forgotten", () => source.current?.contracts.size === 0);
    expect(source.current?.grant(known.grant)).to.equal(undefined);
  });

  it("swaps the state whole: who holds one sees no change in it", async () => {
    const { source } = await open();
    await received(source);
    const held = source.require();
    organisation.tell(contract());
    await until("it is known", () => source.current?.contracts.size === 1);
    expect(held.contracts.size).to.equal(0);
  });

  const wrong: readonly (readonly [string, (of: ReturnType<typeof toWire>) => object])[] = [
    ["whose hash is another's", () => ({ hash: contract().hash })],
    [
      "whose content was changed",
      ({ content }) => ({ content: Buffer.from(content.toString().replace(OTHER, OWN)) }),
    ],
    [
      "that is of another group",
      ({ content }) => ({ content: Buffer.from(content.toString().replace('"test"', '"best"')) }),
    ],
    ["that is no JSON", () => ({ content: Buffer.from("{") })],
    ["that is empty", () => ({ content: Buffer.of() })],
  ];
  for (const [what, change] of wrong) {
    it(`leaves out a contract ${what}, and takes the rest`, async () => {
      const [good, bad] = [contract(), contract()];
      organisation.opening = () => [
        {
          ...organisation.snapshot(),
          contracts: [{ ...toWire(bad), ...change(toWire(bad)) }, toWire(good)],
        },
      ];
      const { source, lines } = await open();
      await received(source);
      expect([...source.require().contracts.keys()]).to.deep.equal([good.hash]);
      expect(lines.join("")).to.include("a part of the state is left out");
    });
  }

  it("takes a decision that it does not know for one that permits nothing", async () => {
    const known = contract();
    organisation.opening = () => [
      { ...organisation.snapshot(), contracts: [{ ...toWire(known), decision: 9 as never }] },
    ];
    const { source } = await open();
    await received(source);
    expect(source.current?.contracts.get(known.hash)?.decision).to.equal("PROPOSED");
  });

  const services: readonly (readonly [string, string, string])[] = [
    ["no/name", "http://127.0.0.1", ""],
    ["a", "ftp://127.0.0.1", ""],
    ["a", "http://user@127.0.0.1", ""],
    ["a", "http://127.0.0.1/?q", ""],
    ["a", "not a url", ""],
    ["a", "http://127.0.0.1", "no-path"],
  ];
  for (const [name, sourceUrl, openapiPath] of services) {
    it(`leaves out the service ${name} at ${sourceUrl} ${openapiPath}`, async () => {
      const good = {
        name: "good",
        sourceUrl: "http://127.0.0.1/x",
        openapiPath: "",
        protocol: "",
        published: true,
      };
      organisation.services = [
        { name, sourceUrl, openapiPath, protocol: "", published: true },
        good,
      ];
      const { source } = await open();
      await received(source);
      expect([...source.require().services.keys()]).to.deep.equal(["good"]);
    });
  }

  it("takes keys for tokens only of certificates of our own peer that hold now", async () => {
    const expired = await test.peer({
      ...{ peerId: OWN, name: "Own", names: ["old.test"] },
      notAfter: new Date(Date.now() - 1000),
    });
    const ca = await readFile(test.issuer.cert, "utf8");
    const raw = async (path: string): Promise<Buffer> => derOf(await readFile(path, "utf8"));
    organisation.tokenSigners = [
      await raw(other.files.cert),
      await raw(expired.files.cert),
      derOf(ca),
      Buffer.from("nonsense"),
      await raw(own.files.cert),
    ];
    const { source } = await open();
    await received(source);
    expect([...source.require().tokenKeys.keys()]).to.deep.equal([
      bundles.current.identity.certificateThumbprint,
    ]);
  });

  it("drops a key for tokens when its certificate ends", async () => {
    const { source } = await open();
    await received(source);
    expect(source.require().tokenKeys.size).to.equal(1);
    organisation.beats = false;
    clock.advance(31 * 24 * HOUR_MS);
    await until("it is dropped", () => source.current?.tokenKeys.size === 0);
  });

  it("keeps the same value of keys for tokens through other changes", async () => {
    const { source } = await open();
    await received(source);
    const { tokenKeys } = source.require();
    organisation.tell(contract());
    await until("it is known", () => source.current?.contracts.size === 1);
    expect(source.require().tokenKeys).to.equal(tokenKeys);
  });

  it("hands revocation lists on, and a key for tokens that they name counts no more", async () => {
    const { source } = await open();
    await received(source);
    expect(source.require().tokenKeys.size).to.equal(1);
    const crl = await revocationListOf(test.issuer, [organisation.peer.files.cert]);
    organisation.send({
      revocationLists: [{ crl, issuerChain: [derOf(await readFile(test.issuer.cert, "utf8"))] }],
    });
    await until("the list is in use", () => groups.current.revocationLists.length === 1);
    expect(source.require().tokenKeys.size).to.equal(0);
    // The same list again makes no new group, which would end every connection's pooling.
    const before = groups.current;
    organisation.send({
      revocationLists: [{ crl, issuerChain: [derOf(await readFile(test.issuer.cert, "utf8"))] }],
    });
    organisation.tell(contract());
    await until("the message was taken", () => source.current?.contracts.size === 1);
    expect(groups.current).to.equal(before);
  });

  it("looks at keys for tokens again when a revocation list comes to the end of its grace, or begins", async () => {
    const crl = await revocationListOf(test.issuer, [], { days: 1 });
    const issuerChain = [new X509Certificate(await readFile(test.issuer.cert))];
    const { thisUpdate, nextUpdate } = readRevocationList(crl);
    const end = nextUpdate + 24 * HOUR_MS;
    const checked = (now: number) =>
      tokenSigners(bundles.current.chain.slice(0, 1), {
        group: { ...groups.current, revocationLists: [{ crl, issuerChain }] },
        bundle: bundles.current,
        now,
        leftOut: () => undefined,
      });
    const shown = [thisUpdate - 1, thisUpdate, end, end + 1].map((now) => {
      const { keys, until: moment } = checked(now);
      return [keys.size, moment];
    });
    const certificateEnd = bundles.current.chain[0]?.validToDate.getTime() ?? 0;
    expect(certificateEnd).to.be.above(end);
    expect(shown).to.deep.equal([
      [0, thisUpdate - 1],
      [1, end],
      [1, end],
      [0, Infinity],
    ]);
  });

  it("takes no older revocation list for a newer one, also in a new stream", async () => {
    const { source } = await open();
    await received(source);
    const issuerChain = [derOf(await readFile(test.issuer.cert, "utf8"))];
    const named = [organisation.peer.files.cert];
    const newer = { crl: await revocationListOf(test.issuer, named, { number: 2 }), issuerChain };
    const older = { crl: await revocationListOf(test.issuer, [], { number: 1 }), issuerChain };
    organisation.send({ revocationLists: [newer] });
    await until("the list is in use", () => source.current?.tokenKeys.size === 0);
    organisation.revocationLists = [older];
    organisation.send({ revocationLists: [older] });
    organisation.tell(contract());
    await until("the message was taken", () => source.current?.contracts.size === 1);
    expect(groups.current.revocationLists.map(({ crl }) => crl)).to.deep.equal([newer.crl]);
    organisation.restartStreams();
    await until("there is a new stream", () => organisation.requests.length === 2);
    organisation.tell(contract());
    await until("it is taken", () => source.current?.contracts.size === 2);
    expect(groups.current.revocationLists.map(({ crl }) => crl)).to.deep.equal([newer.crl]);
  });

  it("is stale after three seconds of silence, goes on, and stops at the offline limit", async () => {
    const { source } = await open();
    await received(source);
    organisation.beats = false;
    clock.advance(2_900);
    expect(source.warning()).to.equal(undefined);
    clock.advance(200);
    expect(source.warning()).to.match(/silent for 3 s/);
    expect(source.problem()).to.equal(undefined);
    source.require();
    clock.advance(HOUR_MS - 3_100);
    source.require();
    clock.advance(1);
    expectNothing(source, /silent for 3600 s, allowed are 3600 s/);
    organisation.beats = true;
    await until("it is heard again", () => source.problem() === undefined);
    expect(source.warning()).to.equal(undefined);
  });

  it("comes back by itself when the manager was away", async () => {
    const { source } = await open();
    await received(source);
    await organisation.stopListening();
    const added = contract();
    organisation.contracts.set(added.hash, added);
    await organisation.listen();
    await until("the change is known", () => source.current?.contracts.has(added.hash));
  });

  describe("from its own disk", () => {
    const stored = async () => {
      const known = contract();
      organisation.tell(known);
      organisation.services = [
        {
          name: "echo",
          sourceUrl: "https://source.internal:1/x",
          openapiPath: "/o.json",
          protocol: "",
          published: false,
        },
      ];
      organisation.clients = [
        { name: "app", tokenHash: Buffer.alloc(32, 7), grantHashes: [known.grant] },
      ];
      organisation.managers.set(OTHER, { host: "manager.other.test", port: 8443 });
      const { source, lifecycle } = await open();
      await received(source);
      await lifecycle.stop();
      await organisation.stopListening();
      return known;
    };

    it("goes on with all that it had, the manager away", async () => {
      const known = await stored();
      const { source } = await open();
      const state = source.require();
      expect(state.grant(known.grant)?.contract.decision).to.equal("ACCEPTED");
      expect([...state.services.values()]).to.deep.equal([
        {
          ...{
            name: "echo",
            openapiPath: "/o.json",
            protocol: "PROTOCOL_TCP_HTTP_1.1",
            published: false,
          },
          source: new URL("https://source.internal:1/x"),
        },
      ]);
      expect(state.tokenKeys.size).to.equal(1);
      expect(state.managers.get(OTHER as PeerId)).to.deep.equal({
        host: "manager.other.test",
        port: 8443,
      });
      expect(state.clients[0]).to.deep.include({ name: "app", tokenHash: Buffer.alloc(32, 7) });
      expect([...(state.clients[0]?.grantHashes ?? [])]).to.deep.equal([known.grant]);
    });

    it("can be read by its owner alone", async () => {
      await stored();
      expect((await stat(file)).mode & 0o777).to.equal(0o600);
    });

    it("counts the silence from before the restart", async () => {
      await stored();
      clock.advance(HOUR_MS + 1_000);
      const { source } = await open();
      expectNothing(source, /silent for/);
    });

    it("counts the silence from before a restart also when the clock was set back", async () => {
      const { source, lifecycle } = await open();
      await received(source);
      organisation.beats = false;
      clock.advance(HOUR_MS - 1_000);
      clock.jump(-2 * HOUR_MS);
      await lifecycle.stop();
      await organisation.stopListening();
      const { source: next } = await open();
      next.require();
      clock.advance(2_000);
      expectNothing(next, /silent for 3601 s/);
    });

    it("works by nothing while the clock is behind what the disk says", async () => {
      await stored();
      clock.jump(-HOUR_MS);
      const first = await open();
      expectNothing(first.source, /the clock has been set back/);
      await first.lifecycle.stop();
      const { source } = await open();
      expectNothing(source, /the clock has been set back/);
      clock.jump(HOUR_MS);
      source.require();
    });

    it("takes nothing of another peer's, another component's or another version", async () => {
      await stored();
      const { source } = await open({ role: "outway" });
      expect(source.current).to.equal(undefined);
      const foreign = await open({ bundles: others });
      expect(foreign.source.current).to.equal(undefined);
      const bytes = await readFile(file);
      const text = bytes.toString("latin1").replace("component-state/v1", "component-state/v2");
      await writeFile(file, text, "latin1");
      expect((await open()).source.current).to.equal(undefined);
    });

    it("takes nothing that is damaged anywhere", async () => {
      await stored();
      const bytes = await readFile(file);
      const changes = [0, 5, bytes.indexOf("\n"), bytes.indexOf("\n") + 1, bytes.length - 1];
      for (const at of changes) {
        const damaged = Buffer.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ 1;
        await writeFile(file, damaged);
        const { source, lifecycle } = await open();
        expect(source.current, String(at)).to.equal(undefined);
        await lifecycle.stop();
      }
      for (const cut of [0, 10, bytes.length - 1]) {
        await writeFile(file, bytes.subarray(0, cut));
        const { source, lifecycle } = await open();
        expect(source.current, String(cut)).to.equal(undefined);
        await lifecycle.stop();
      }
    });
  });
});

const derOf = (pem: string): Buffer =>
  Buffer.from(/-----BEGIN CERTIFICATE-----([^-]+)/.exec(pem)?.[1] ?? "", "base64");
