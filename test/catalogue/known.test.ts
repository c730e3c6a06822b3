// What a consumer knows of the group over a restart: from its file, verified again, and nothing older.
import { expect } from "chai";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AnnouncementContent, SignedAnnouncement } from "../../catalogue/announcement.js";
import { AnnouncementError } from "../../catalogue/announcement.js";
import { KnownCatalogue } from "../../catalogue/known.js";
import type { ComponentName, PeerId, ServiceName } from "../../core/names.js";
import { surroundings, type Surroundings } from "../support/component.js";
import { inwayAt, LOCAL, Members, PUBLISHED, ROLES } from "../support/members.js";
import { MovedClock } from "../support/moved-clock.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

const PROVIDER = ROLES.provider.peerId as PeerId;
const ECHO = "echo" as ServiceName;
const INWAY = `${PROVIDER}/inway/inway-1`;

describe("catalogue/known", () => {
  let members: Members;
  let around: Surroundings;
  let clock: MovedClock;
  let file: string;
  let known: KnownCatalogue;
  beforeEach(async () => {
    members = await Members.create();
    clock = new MovedClock();
    file = join(temporaryFolder(), "catalogue");
    await open();
  });
  afterEach(async () => {
    await close();
    await members.remove();
    removeTemporaryFolders();
  });

  const open = async (groupFile = members.test.groupFile, peer = members.peers.other) => {
    around = await surroundings(groupFile, peer.files);
    const { groups, log } = around;
    known = await KnownCatalogue.open({ groups, policy: LOCAL, file, clock, log });
  };
  const close = async (): Promise<void> => {
    await known.close();
    await around.lifecycle.stop();
  };
  const restart = async (): Promise<void> => {
    await close();
    await open();
  };
  const believed = (signed: SignedAnnouncement) => ({
    announcement: known.verify(signed, members.group),
    health: "up" as const,
    shown: PUBLISHED,
  });
  const learn = (changes: Partial<AnnouncementContent> = {}) =>
    known.change("test", { upserted: [believed(members.sign(changes))] });
  const found = () => known.current?.service(PROVIDER, ECHO)?.inways[0];
  /** Changes what is stored of the first component. */
  const tamper = async (change: (component: Record<string, unknown>) => void): Promise<void> => {
    await close();
    const stored = JSON.parse(await readFile(file, "utf8")) as {
      readonly components: Record<string, unknown>[];
    };
    stored.components.slice(0, 1).forEach(change);
    await writeFile(file, JSON.stringify(stored));
    await open();
  };
  const logged = (): string => around.lines.join("\n");

  it("knows nothing at first", () => {
    expect(known.current).to.equal(undefined);
    expect(around.lines).to.deep.equal([]);
  });

  it("goes on after a restart with what it knew, and no directory's health of that time", async () => {
    learn();
    expect(found()).to.have.property("health", "up");
    await restart();
    expect(found()).to.deep.include({
      address: { host: "inway.test", port: 443 },
      health: "unknown",
    });
    expect(logged()).to.match(/the stored catalogue is in use/);
  });

  it("refuses an older announcement also after a restart, and of a component that is gone", async () => {
    const old = members.sign({ sequence: 5, inway: inwayAt("inway.test", 8443, "echo") });
    learn({ sequence: 6 });
    await restart();
    expect(known.change("test", { upserted: [believed(old)] })).to.have.length(1);
    expect(found()?.address.port).to.equal(443);
    known.change("test", { upserted: [], removed: [INWAY] });
    await restart();
    expect(known.change("test", { upserted: [believed(old)] })).to.have.length(1);
    expect(found()).to.equal(undefined);
  });

  it("leaves out what is no longer valid when it starts", async () => {
    learn({ validUntil: clock.now() + 60_000 });
    clock.advance(60_001);
    await restart();
    expect(known.current).to.equal(undefined);
    expect(logged()).to.match(/it is no longer valid/);
  });

  const flipped = (component: Record<string, unknown>, field: string): void => {
    const bytes = Buffer.from(String(component[field]), "base64");
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
    component[field] = bytes.toString("base64");
  };
  for (const field of ["announcement", "signature"]) {
    it(`believes nothing of its own file whose ${field} was changed`, async () => {
      learn();
      learn({ component: "inway-2" as ComponentName });
      await tamper((component) => flipped(component, field));
      expect([...(known.current?.entries() ?? [])]).to.have.length(1);
      expect(logged()).to.match(/a known announcement is left out/);
    });
  }

  const broken: readonly (readonly [string, string])[] = [
    ["is empty", ""],
    ["is no JSON", "{"],
    ["is of another format", '{"format":"schakel/catalogue/v9","groupId":"test","components":[]}'],
    [
      "has a field too many",
      '{"format":"schakel/catalogue/v1","groupId":"test","components":[],"x":1}',
    ],
    [
      "has components that are none",
      '{"format":"schakel/catalogue/v1","groupId":"test","components":[{}]}',
    ],
  ];
  for (const [what, content] of broken) {
    it(`begins with nothing, and says so, when its file ${what}`, async () => {
      await writeFile(file, content);
      await restart();
      expect(known.current).to.equal(undefined);
      expect(logged()).to.match(/the stored catalogue is not used/);
      learn();
      await restart();
      expect(found()?.address.port).to.equal(443);
    });
  }

  it("does not take another group's catalogue for its own", async () => {
    learn();
    await close();
    const another = await Members.create({ groupId: "another" });
    await open(another.test.groupFile, another.peers.other);
    expect(known.current).to.equal(undefined);
    await close();
    await another.remove();
    await open();
    expect(found()?.address.port).to.equal(443);
  });

  it("writes a burst of changes once, for its owner alone", async () => {
    for (let sequence = 1; sequence <= 20; sequence++) learn({ sequence });
    await until("the file", () => stat(file).then(Boolean, () => false));
    const { mode, ino } = await stat(file);
    expect(mode & 0o77).to.equal(0);
    await close();
    expect((await stat(file)).ino).to.equal(ino);
    await open();
    expect(known.current?.entry(INWAY)?.announcement.sequence).to.equal(20);
  });

  it("goes on in memory, and says so, when the file cannot be written", async () => {
    await close();
    file = join(file, "nowhere", "catalogue");
    await open();
    learn();
    await until("the failure", () => logged().includes("the catalogue is not stored"));
    expect(found()?.address.port).to.equal(443);
  });

  it("leaves out at once whom a new group does not trust", async () => {
    const stranger = await Members.create({ groupId: "stranger" });
    learn();
    let heard = 0;
    known.onChange(() => (heard += 1));
    await members.test.writeGroup({ trust_anchors: stranger.test.content.trust_anchors });
    await until("the group", () => around.groups.current.version === 2);
    known.recheck();
    expect(found()).to.equal(undefined);
    expect(heard).to.equal(1);
    expect(() => known.verify(members.sign(), around.groups.current)).to.throw(AnnouncementError);
    await stranger.remove();
  });

  it("verifies again what it has verified when any byte differs", () => {
    const signed = members.sign();
    const first = known.verify(signed, members.group);
    expect(known.verify({ ...signed }, members.group)).to.equal(first);
    const announcement = Buffer.from(signed.announcement);
    announcement.writeUInt8(announcement.readUInt8(9) ^ 1, 9);
    expect(() => known.verify({ ...signed, announcement }, members.group)).to.throw(
      AnnouncementError,
    );
  });

  it("does not take what it has verified once its validity has ended", () => {
    const signed = members.sign({ validUntil: clock.now() + 60_000 });
    known.verify(signed, members.group);
    clock.advance(60_001);
    expect(() => known.verify(signed, members.group)).to.throw(
      AnnouncementError,
      /no longer valid/,
    );
  });
});
