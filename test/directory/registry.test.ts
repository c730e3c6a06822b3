// The state of a directory: what it takes and refuses, leases on its own clock, and what a restart leaves.
import { expect } from "chai";
import type { AnnouncementContent } from "../../catalogue/announcement.js";
import type { ComponentKey, SignedAnnouncement } from "../../catalogue/announcement.js";
import { SchakelError, type ErrorCode } from "../../core/errors.js";
import type { ComponentName, PeerId, ServiceName } from "../../core/names.js";
import type { RegistryParts } from "../../directory/registry.js";
import { announcement, inwayAt, Members, ROLES } from "../support/members.js";
import { LEASE_MS, openRegistry, type Opened } from "../support/registries.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

const PROVIDER = ROLES.provider.peerId as PeerId;
const INWAY = `${PROVIDER}/inway/inway-1`;
const ECHO = "echo" as ServiceName;
const named = (component: string) => ({ component: component as ComponentName });

describe("directory/registry", () => {
  let members: Members;
  let opened: Opened;
  before(async () => {
    members = await Members.create();
  });
  after(() => members.remove());
  beforeEach(async () => {
    opened = await openRegistry(members);
  });
  afterEach(async () => {
    await opened.close();
    removeTemporaryFolders();
  });

  const reopen = async (changes?: Partial<RegistryParts>): Promise<void> => {
    opened = await opened.again(changes);
  };
  const send = (signed: SignedAnnouncement, from: "provider" | "other" = "provider") =>
    opened.registry.announce(signed, members.bundles[from].identity);
  const announce = (changes: Partial<AnnouncementContent> = {}) => send(members.sign(changes));
  const refused = async (work: Promise<void>, code: ErrorCode): Promise<SchakelError> => {
    const error = await work.then(
      () => expect.fail("it was accepted"),
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof SchakelError)) throw error;
    expect(error.code).to.equal(code);
    return error;
  };
  const live = (): ComponentKey[] =>
    [...opened.registry.current.entries()].map(({ announcement: { key } }) => key).sort();
  const address = () => opened.registry.current.service(PROVIDER, ECHO)?.inways[0]?.address;

  describe("what is published", () => {
    const published = new Map<string, ReadonlySet<string>>();
    let changed: ComponentKey[];
    beforeEach(async () => {
      published.clear();
      await reopen({ published: (peer) => published.get(peer) ?? new Set() });
      await announce({ inway: inwayAt("inway.test", 443, "echo", "secret") });
      await send(
        members.sign({ inway: inwayAt("other.test", 443, "echo") }, members.bundles.other),
        "other",
      );
      changed = [];
      opened.registry.onChange((keys) => changed.push(...keys));
    });
    const shown = () =>
      opened.registry.current.services(PROVIDER).map(({ service }) => service.name);
    const publish = (...names: readonly string[]): void => {
      published.set(PROVIDER, new Set(names));
      opened.registry.recheckPublications(PROVIDER);
    };

    it("is shown from then on, and tells of that peer's inways alone", () => {
      expect(shown()).to.deep.equal([]);
      publish("echo", "nowhere");
      expect(shown()).to.deep.equal(["echo"]);
      expect(changed).to.deep.equal([INWAY]);
      publish();
      expect(shown()).to.deep.equal([]);
    });

    it("tells of nothing when it is the same as before", () => {
      publish("echo");
      publish("echo");
      expect(changed).to.deep.equal([INWAY]);
    });

    it("counts for what is announced later", async () => {
      publish("later");
      await announce({ sequence: 2000, inway: inwayAt("inway.test", 443, "later") });
      expect(shown()).to.deep.equal(["later"]);
    });

    it("brings back no inway that has gone", async () => {
      opened.clock.advance(LEASE_MS);
      await opened.registry.expire();
      publish("echo");
      expect(live()).to.deep.equal([]);
      expect(shown()).to.deep.equal([]);
    });
  });

  describe("leases", () => {
    it("end on the directory's clock, not before their time and not after it", async () => {
      await announce();
      opened.clock.advance(LEASE_MS - 1);
      await opened.registry.expire();
      expect(live()).to.deep.equal([INWAY]);
      opened.clock.advance(1);
      await opened.registry.expire();
      expect(live()).to.deep.equal([]);
    });

    it("are not longer for a peer whose clock runs ahead or whose announcement is valid for days", async () => {
      const now = Date.now();
      await announce({ issuedAt: now + 60_000, validUntil: now + 6 * 86_400_000 });
      opened.clock.advance(LEASE_MS);
      await opened.registry.expire();
      expect(live()).to.deep.equal([]);
    });

    it("do not end when somebody corrects the machine's time", async () => {
      await announce();
      opened.clock.jump(600_000);
      await opened.registry.expire();
      expect(live()).to.deep.equal([INWAY]);
    });

    it("are renewed by the same bytes, which change nothing else", async () => {
      const signed = members.sign();
      await send(signed);
      const changes: (readonly ComponentKey[])[] = [];
      opened.registry.onChange((keys) => changes.push(keys));
      opened.clock.advance(LEASE_MS - 1);
      await send(signed);
      opened.clock.advance(LEASE_MS - 1);
      await opened.registry.expire();
      expect(live()).to.deep.equal([INWAY]);
      expect(changes).to.deep.equal([]);
    });

    it("are not renewed by an announcement that is refused", async () => {
      await announce({ sequence: 2 });
      opened.clock.advance(LEASE_MS - 1);
      await refused(announce({ sequence: 1 }), "ERROR_CODE_ANNOUNCEMENT_OUTDATED");
      opened.clock.advance(1);
      await opened.registry.expire();
      expect(live()).to.deep.equal([]);
    });

    it("do not keep an announcement whose validity has ended", async () => {
      await announce({ validUntil: opened.clock.now() + 10_000 });
      opened.clock.advance(10_001);
      await opened.registry.expire();
      expect(live()).to.deep.equal([]);
    });

    it("end at once with a withdrawal, for the caller's own component of that kind alone", async () => {
      await announce();
      await announce({ ...named("inway-1"), inway: undefined });
      const { provider, other } = members.bundles;
      const name = "inway-1" as ComponentName;
      await opened.registry.withdraw(other.identity, "inway", name);
      expect(live()).to.have.length(2);
      await opened.registry.withdraw(provider.identity, "inway", name);
      expect(live()).to.deep.equal([`${PROVIDER}/outway/inway-1`]);
      await opened.registry.withdraw(provider.identity, "inway", name);
    });

    it("begin anew after a restart, which forgets no service", async () => {
      await announce();
      opened.clock.advance(LEASE_MS - 1);
      await reopen();
      expect(address()).to.deep.equal({ host: "inway.test", port: 443 });
      opened.clock.advance(LEASE_MS - 1);
      await opened.registry.expire();
      expect(live()).to.deep.equal([INWAY]);
      opened.clock.advance(1);
      await opened.registry.expire();
      await reopen();
      expect(live()).to.deep.equal([]);
    });
  });

  describe("sequence numbers", () => {
    const ends: readonly (readonly [string, () => Promise<void>])[] = [
      ["while the component is live", () => Promise.resolve()],
      ["after a withdrawal", () => withdraw()],
      ["after a restart", () => reopen()],
      ["after a withdrawal and a restart", () => withdraw().then(() => reopen())],
      ["after the lease has ended and a restart", () => expire().then(() => reopen())],
    ];
    const withdraw = () =>
      opened.registry.withdraw(
        members.bundles.provider.identity,
        "inway",
        "inway-1" as ComponentName,
      );
    const expire = async (): Promise<void> => {
      opened.clock.advance(LEASE_MS);
      await opened.registry.expire();
    };
    for (const [when, end] of ends) {
      it(`cannot be rolled back ${when}`, async () => {
        const old = members.sign({ sequence: 5, inway: inwayAt("inway.test", 443, "old") });
        await send(old);
        await announce({ sequence: 6 });
        await end();
        const before = live();
        const error = await refused(send(old), "ERROR_CODE_ANNOUNCEMENT_OUTDATED");
        expect(error.choices).to.deep.equal(["7"]);
        expect(live()).to.deep.equal(before);
      });
    }

    it("do not count twice for other bytes", async () => {
      await announce({ sequence: 6 });
      const other = { sequence: 6, inway: inwayAt("inway.test", 8443, "echo") };
      await refused(announce(other), "ERROR_CODE_ANNOUNCEMENT_OUTDATED");
      expect(address()).to.deep.equal({ host: "inway.test", port: 443 });
    });

    it("are each component's own", async () => {
      await announce({ sequence: 6 });
      await announce({ sequence: 5, ...named("inway-2") });
      await announce({ sequence: 4, inway: undefined });
      expect(live()).to.have.length(3);
    });

    it("decide between announcements that come at once", async () => {
      const sent = [8, 6, 9, 7].map((sequence) =>
        announce({ sequence }).then(
          () => sequence,
          () => undefined,
        ),
      );
      expect(await Promise.all(sent)).to.deep.equal([8, undefined, 9, undefined]);
      expect(opened.registry.current.entry(INWAY)?.announcement.sequence).to.equal(9);
    });

    it("let a withdrawn component come back with the bytes it had", async () => {
      const signed = members.sign();
      await send(signed);
      await withdraw();
      await send(signed);
      await reopen();
      expect(live()).to.deep.equal([INWAY]);
    });
  });

  describe("what is refused", () => {
    const cases: readonly (readonly [string, () => Promise<void>, ErrorCode])[] = [
      [
        "what another peer signed",
        () => send(members.sign(), "other"),
        "ERROR_CODE_ANNOUNCEMENT_INVALID",
      ],
      [
        "a changed byte",
        () => {
          const signed = members.sign();
          const bytes = Buffer.from(signed.announcement);
          bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
          return send({ ...signed, announcement: bytes });
        },
        "ERROR_CODE_ANNOUNCEMENT_INVALID",
      ],
      [
        "another group's announcement",
        () => send(members.sign({}, undefined, { ...members.group, id: "another" })),
        "ERROR_CODE_INCORRECT_GROUP_ID",
      ],
      [
        "an address of another peer's certificate",
        () => announce({ inway: inwayAt("inway.other.test", 443, "echo") }),
        "ERROR_CODE_ADDRESS_NOT_ALLOWED",
      ],
      [
        "a port that is not the group's",
        () => announce({ inway: inwayAt("inway.test", 4443, "echo") }),
        "ERROR_CODE_ADDRESS_NOT_ALLOWED",
      ],
    ];
    for (const [what, work, code] of cases) {
      it(`is ${what}, and it is not stored`, async () => {
        await refused(work(), code);
        await reopen();
        expect(live()).to.deep.equal([]);
      });
    }

    it("is a component over the peer's limit, gone ones counted, and not one that is known", async () => {
      await reopen({ componentsPerPeerMax: 2 });
      await announce(named("a"));
      await announce(named("b"));
      const { identity } = members.bundles.provider;
      await opened.registry.withdraw(identity, "inway", "b" as ComponentName);
      await refused(announce(named("c")), "ERROR_CODE_LIMIT_EXCEEDED");
      await announce({ ...named("a"), sequence: 2000 });
      await announce({ ...named("b"), sequence: 2000 });
    });

    it("is a component over the group's limit", async () => {
      await reopen({ componentsMax: 1 });
      await announce(named("a"));
      const other = members.sign({ inway: undefined }, members.bundles.other);
      await refused(send(other, "other"), "ERROR_CODE_LIMIT_EXCEEDED");
    });

    it("shows nothing that could not be stored", async () => {
      await opened.store.close();
      await announce().then(
        () => expect.fail("it was accepted"),
        () => undefined,
      );
      expect(live()).to.deep.equal([]);
    });
  });

  describe("health", () => {
    const health = () => opened.registry.current.entry(INWAY)?.health;
    const current = () => opened.registry.current.entry(INWAY)?.announcement;
    const note = (found: "up" | "down"): void => {
      const now = current();
      if (now !== undefined) opened.registry.setHealth(now, found);
    };

    it("ranks: an inway that is down is listed with its address", async () => {
      await announce();
      note("down");
      const found = opened.registry.current.service(PROVIDER, ECHO)?.inways[0];
      expect(found).to.deep.include({
        health: "down",
        address: { host: "inway.test", port: 443 },
      });
    });

    it("stays with the address and is unknown at a new one", async () => {
      await announce();
      note("up");
      await announce({ sequence: 1001, version: "2.0.0" });
      expect(health()).to.equal("up");
      await announce({ sequence: 1002, inway: inwayAt("inway.test", 8443, "echo") });
      expect(health()).to.equal("unknown");
    });

    it("is not taken from a probe of what was announced before", async () => {
      await announce();
      const old = current();
      await announce({ sequence: 1001, inway: inwayAt("inway.test", 8443, "echo") });
      if (old !== undefined) opened.registry.setHealth(old, "up");
      expect(health()).to.equal("unknown");
    });

    it("is unknown after a restart and after the component was gone", async () => {
      const signed = members.sign();
      await send(signed);
      note("up");
      const { identity } = members.bundles.provider;
      await opened.registry.withdraw(identity, "inway", "inway-1" as ComponentName);
      await send(signed);
      expect(health()).to.equal("unknown");
      note("up");
      await reopen();
      expect(health()).to.equal("unknown");
    });
  });

  it("leaves out, and says so, what no longer holds when it opens", async () => {
    await announce({ ...named("short"), validUntil: Date.now() + 500 });
    await announce(announcement());
    await until("the end of its validity", () => Date.now() > opened.clock.now() + 500);
    await reopen();
    expect(live()).to.deep.equal([INWAY]);
    expect(opened.around.lines.join("\n")).to.match(/it is no longer valid/);
  });

  it("ends every component whose CA the group trusts no longer", async () => {
    const own = await Members.create({ groupId: "rechecked" });
    const stranger = await Members.create({ groupId: "stranger" });
    const mine = await openRegistry(own);
    try {
      await mine.registry.announce(own.sign(), own.bundles.provider.identity);
      await own.test.writeGroup({ trust_anchors: stranger.test.content.trust_anchors });
      await until("the group", () => mine.around.groups.current.version === 2);
      await mine.registry.recheck();
      expect([...mine.registry.current.entries()]).to.deep.equal([]);
    } finally {
      await mine.close();
      await own.remove();
      await stranger.remove();
    }
  });
});
