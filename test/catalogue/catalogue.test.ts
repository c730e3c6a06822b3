// The catalogue as a value: what replaces what, what a removal leaves, and what lookups show.
import { expect } from "chai";
import {
  verifyAnnouncement,
  type Announcement,
  type AnnouncementContent,
} from "../../catalogue/announcement.js";
import { apply, Catalogue, type InwayHealth } from "../../catalogue/catalogue.js";
import type { Bundle } from "../../certs/bundle.js";
import type { ComponentName, PeerId, ServiceName } from "../../core/names.js";
import { inwayAt, Members, PUBLISHED, ROLES } from "../support/members.js";
import { MovedClock } from "../support/moved-clock.js";

const PROVIDER = ROLES.provider.peerId as PeerId;
const OTHER = ROLES.other.peerId as PeerId;
const ECHO = "echo" as ServiceName;

describe("catalogue/catalogue", () => {
  let members: Members;
  let clock: MovedClock;
  before(async () => {
    members = await Members.create();
  });
  after(() => members.remove());
  beforeEach(() => {
    clock = new MovedClock();
  });

  const verified = (changes: Partial<AnnouncementContent> = {}, bundle?: Bundle): Announcement =>
    verifyAnnouncement(members.sign(changes, bundle), {
      group: members.group,
      now: Date.now(),
      anyPort: true,
    });

  const named = (name: string, changes: Partial<AnnouncementContent> = {}): Announcement =>
    verified({ component: name as ComponentName, ...changes });

  const upsert = (
    catalogue: Catalogue,
    announcements: readonly Announcement[],
    health: InwayHealth = "up",
  ) =>
    apply(catalogue, {
      upserted: announcements.map((announcement) => ({ announcement, health, shown: PUBLISHED })),
    });

  const empty = (): Catalogue => new Catalogue("test", clock);
  const holding = (...announcements: readonly Announcement[]): Catalogue =>
    upsert(empty(), announcements).catalogue;
  const sequenceIn = (catalogue: Catalogue, { key }: Announcement): number | undefined =>
    catalogue.entry(key)?.announcement.sequence;

  it("finds a service with its inways by name", () => {
    const first = named("inway-a", { inway: inwayAt("inway.test", 443, "echo", "abc") });
    const second = named("inway-b", { inway: inwayAt("inway.test", 8443, "echo") });
    const catalogue = apply(holding(second), {
      upserted: [{ announcement: first, health: "down", shown: PUBLISHED }],
    }).catalogue;
    expect(catalogue.service(PROVIDER, ECHO)).to.deep.equal({
      peerId: PROVIDER,
      peerName: "Provider",
      service: { name: "echo", openapiPath: undefined, protocol: "HTTP/1.1" },
      inways: [
        {
          component: "inway-a",
          address: { host: "inway.test", port: 443 },
          health: "down",
          version: "1.0.0",
        },
        {
          component: "inway-b",
          address: { host: "inway.test", port: 8443 },
          health: "up",
          version: "1.0.0",
        },
      ],
    });
    expect(catalogue.services(PROVIDER).map(({ service }) => service.name)).to.deep.equal([
      "abc",
      "echo",
    ]);
  });

  it("lists peers by id, with what they have", () => {
    const other = verified({ inway: undefined }, members.bundles.other);
    const outway = named("outway-1", { inway: undefined });
    expect(holding(other, outway, verified()).peers()).to.deep.equal([
      { id: PROVIDER, name: "Provider", inways: 1, outways: 1 },
      { id: OTHER, name: "Other", inways: 0, outways: 1 },
    ]);
  });

  it("tells an inway from an outway of the same name", () => {
    const catalogue = holding(verified(), verified({ inway: undefined, sequence: 1 }));
    expect([...catalogue.entries()]).to.have.length(2);
  });

  for (const [what, peer, name] of [
    ["a peer that is not there", OTHER, ECHO],
    ["a service that is not there", PROVIDER, "other" as ServiceName],
  ] as const) {
    it(`finds nothing for ${what}`, () => {
      expect(holding(verified()).service(peer, name)).to.equal(undefined);
    });
  }

  it("takes a higher sequence number in place of a lower one", () => {
    const next = verified({ sequence: 1001, inway: inwayAt("inway.test", 443, "new") });
    const { catalogue, outdated } = upsert(holding(verified()), [next]);
    expect(outdated).to.deep.equal([]);
    expect(catalogue.services(PROVIDER).map(({ service }) => service.name)).to.deep.equal(["new"]);
  });

  it("leaves the catalogue before as it was", () => {
    const before = holding(verified());
    const shown = before.service(PROVIDER, ECHO);
    apply(before, { upserted: [], removed: [verified().key] });
    expect(before.service(PROVIDER, ECHO)).to.equal(shown);
  });

  it("refuses a lower sequence number, and keeps what it had", () => {
    const old = verified({ sequence: 999, inway: inwayAt("inway.test", 8443, "echo") });
    const { catalogue, outdated } = upsert(holding(verified()), [old]);
    expect(outdated).to.deep.equal([old]);
    expect(sequenceIn(catalogue, old)).to.equal(1000);
  });

  it("refuses other bytes under the same sequence number", () => {
    const other = verified({ inway: inwayAt("inway.test", 8443, "echo") });
    const { catalogue, outdated } = upsert(holding(verified()), [other]);
    expect(outdated).to.deep.equal([other]);
    expect(catalogue.service(PROVIDER, ECHO)?.inways[0]?.address.port).to.equal(443);
  });

  it("refuses a lower sequence number also after the component was removed", () => {
    const removed = apply(holding(verified()), { upserted: [], removed: [verified().key] });
    expect(removed.catalogue.service(PROVIDER, ECHO)).to.equal(undefined);
    const { catalogue, outdated } = upsert(removed.catalogue, [verified({ sequence: 999 })]);
    expect(outdated).to.have.length(1);
    expect(catalogue.service(PROVIDER, ECHO)).to.equal(undefined);
  });

  it("brings a removed component back under the bytes it had", () => {
    const announcement = verified();
    const removed = apply(holding(announcement), { upserted: [], removed: [announcement.key] });
    const { catalogue } = upsert(removed.catalogue, [announcement]);
    expect(sequenceIn(catalogue, announcement)).to.equal(1000);
  });

  it("refuses a lower sequence number also in a full catalogue, which does not end the component", () => {
    const step = apply(holding(verified()), {
      upserted: [{ announcement: verified({ sequence: 999 }), health: "up", shown: PUBLISHED }],
      complete: true,
    });
    expect(step.outdated).to.have.length(1);
    expect(sequenceIn(step.catalogue, verified())).to.equal(1000);
  });

  it("removes what a full catalogue does not hold", () => {
    const kept = named("inway-b");
    const { catalogue } = apply(holding(verified(), kept), {
      upserted: [{ announcement: kept, health: "up", shown: PUBLISHED }],
      complete: true,
    });
    expect(
      [...catalogue.entries()].map(({ announcement }) => announcement.component),
    ).to.deep.equal(["inway-b"]);
    expect([...catalogue.remembered()]).to.have.length(2);
  });

  it("does not answer with what is no longer valid, without any change", () => {
    const short = named("inway-a", { validUntil: clock.now() + 60_000 });
    const long = named("inway-b", { inway: inwayAt("inway.test", 443, "other") });
    const catalogue = holding(short, long);
    expect(catalogue.service(PROVIDER, ECHO)?.inways).to.have.length(1);
    expect(catalogue.peers()[0]?.inways).to.equal(2);
    clock.advance(60_000);
    expect(catalogue.service(PROVIDER, ECHO)).to.equal(undefined);
    expect(catalogue.entry(short.key)).to.equal(undefined);
    expect(catalogue.peers()[0]?.inways).to.equal(1);
    clock.advance(3_600_000);
    expect(catalogue.peers()).to.deep.equal([]);
  });

  it("forgets what is over when something of the peer changes, and not before it is over", () => {
    const short = named("inway-a", { validUntil: clock.now() + 60_000 });
    const long = named("inway-b");
    const removed = apply(holding(short, long), { upserted: [], removed: [short.key] }).catalogue;
    expect(removed.known(short.key)?.live).to.equal(false);
    clock.advance(60_000);
    const { catalogue } = apply(removed, { upserted: [], removed: [long.key] });
    expect(catalogue.known(short.key)).to.equal(undefined);
    expect(catalogue.known(long.key)?.live).to.equal(false);
  });

  it("removes nothing for a key that is not known", () => {
    const { catalogue } = apply(holding(verified()), {
      upserted: [],
      removed: [`${OTHER}/inway/x`, `${PROVIDER}/inway/x`, "nonsense"],
    });
    expect(catalogue.peers()).to.have.length(1);
    expect([...catalogue.remembered()]).to.have.length(1);
  });
});
