// The announcement that a component stands by: the same bytes while nothing changes, and sequence
// numbers that only rise.
import { copyFile } from "node:fs/promises";
import { expect } from "chai";
import { verifyAnnouncement, type Announcement } from "../../catalogue/announcement.js";
import { createDraft, VALIDITY_MS, type Described, type Draft } from "../../catalogue/draft.js";
import type { ComponentName } from "../../core/names.js";
import { surroundings, type Surroundings } from "../support/component.js";
import { Members, ROLES, service } from "../support/members.js";
import { MovedClock } from "../support/moved-clock.js";
import { until } from "../support/until.js";

const DAY_MS = 86_400_000;
const inway = (...services: readonly string[]): Described => ({
  kind: "inway",
  address: { host: "inway.test", port: 443 },
  services: services.map(service),
});

describe("catalogue/draft", () => {
  let members: Members;
  let around: Surroundings;
  let clock: MovedClock;
  let described: Described;
  let draft: Draft;
  beforeEach(async () => {
    members = await Members.create();
    around = await surroundings(members.test.groupFile, members.peers.provider.files);
    clock = new MovedClock();
    described = inway("echo");
    draft = create();
  });
  afterEach(async () => {
    await around.lifecycle.stop();
    await members.remove();
  });

  const create = (): Draft =>
    createDraft({
      groups: around.groups,
      bundles: around.bundles,
      component: "inway-1" as ComponentName,
      describe: () => described,
      clock,
      version: "1.2.3",
    });
  const current = (from = draft): Announcement =>
    verifyAnnouncement(from.current(), {
      group: around.groups.current,
      now: clock.now(),
      anyPort: false,
    });

  it("is what the component says of itself, signed, valid for three days", () => {
    const { inway: announced, version, validUntil } = current();
    expect({ announced, version, validUntil }).to.deep.equal({
      announced: { address: { host: "inway.test", port: 443 }, services: [service("echo")] },
      version: "1.2.3",
      validUntil: clock.now() + VALIDITY_MS,
    });
    described = { kind: "outway" };
    expect(current()).to.include({ kind: "outway", inway: undefined });
  });

  it("is the same bytes until a third of its validity has passed", () => {
    const first = draft.current();
    clock.advance(VALIDITY_MS / 3 - 1);
    expect(draft.current()).to.equal(first);
    clock.advance(1);
    expect(draft.current()).not.to.equal(first);
    expect(current().validUntil).to.equal(clock.now() + VALIDITY_MS);
  });

  const changes: readonly (readonly [string, () => Promise<void> | void])[] = [
    ["what it says changes", () => void (described = inway("echo", "more"))],
    ["the clock is set back", () => clock.jump(-1)],
    [
      "the certificate is renewed",
      async () => {
        const before = around.bundles.current;
        const { cert } = members.peers.provider.files;
        const renewed = await members.test.peer(ROLES.provider);
        await copyFile(renewed.files.cert, cert);
        await until("the certificate", () => around.bundles.current !== before);
      },
    ],
    [
      "the group changes",
      async () => {
        await members.test.writeGroup({ ports: [443] });
        await until("the group", () => around.groups.current.version === 2);
      },
    ],
  ];
  for (const [what, change] of changes) {
    it(`is made anew with a higher sequence number when ${what}`, async () => {
      const { sequence } = current();
      await change();
      expect(current().sequence).to.be.above(sequence);
    });
  }

  it("has a higher sequence number in a later run, which remembers nothing", () => {
    const { sequence } = current();
    clock.advance(1);
    expect(current(create()).sequence).to.be.above(sequence);
  });

  it("rises also when the clock has been set back a minute", () => {
    const { sequence } = current();
    clock.jump(-60_000);
    expect(current().sequence).to.equal(sequence + 1);
  });

  it("takes the number that a directory asks for", () => {
    const { sequence } = current();
    expect(draft.raise(sequence + 5000)).to.equal(true);
    expect(current().sequence).to.equal(sequence + 5000);
  });

  it("does not go below its own number for a directory that asks for less", () => {
    const { sequence } = current();
    expect(draft.raise(1)).to.equal(true);
    expect(current().sequence).to.be.above(sequence);
  });

  for (const [what, wanted] of [
    ["a number more than a day ahead of the clock", Date.now() + 2 * DAY_MS],
    ["the highest number there is", Number.MAX_SAFE_INTEGER],
    ["no number", Number.NaN],
    ["a fraction", 1.5],
    ["what is over every number", Infinity],
  ] as const) {
    it(`does not believe ${what}, and changes nothing`, () => {
      const before = draft.current();
      expect(draft.raise(wanted)).to.equal(false);
      expect(draft.current()).to.equal(before);
    });
  }
});
