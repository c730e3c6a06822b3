// The loop that keeps a component announced: to every directory, at a third of the lease, with what a
// directory answers taken no further than it can be believed.
import { expect } from "chai";
import { startAnnouncing, type Announcer } from "../../catalogue/announcer.js";
import type { Described } from "../../catalogue/draft.js";
import { loadBundle } from "../../certs/bundle.js";
import { serverTls } from "../../certs/tls.js";
import { systemClock } from "../../core/clock.js";
import { SchakelError } from "../../core/errors.js";
import type { ComponentName } from "../../core/names.js";
import {
  Announcement,
  ComponentKind,
  type AnnounceRequest,
  type AnnounceResponse,
  type WithdrawRequest,
  type WithdrawResponse,
} from "../../proto/gen/schakel/directory/v1/directory.js";
import { surroundings, type Surroundings } from "../support/component.js";
import { serveCalls, type Served } from "../support/grpc.js";
import { LOCAL, Members, ROLES, service } from "../support/members.js";
import { freePort } from "../support/network.js";
import { until } from "../support/until.js";

/** The peers that run a directory here. */
const DIRECTORIES = ["directory", "other"] as const;

const IMPOSTOR = { peerId: "00000000000000000004", name: "Impostor" };

type Received = Announcement & { readonly at: number; readonly bytes: Buffer };

describe("catalogue/announcer", () => {
  let members: Members;
  let ports: readonly [number, number];
  let around: Surroundings;
  let described: Described;
  let received: Received[];
  let withdrawn: WithdrawRequest[];
  const ended: (() => Promise<void> | void)[] = [];
  beforeEach(async () => {
    ports = [await freePort(), await freePort()];
    members = await Members.create({
      directories: DIRECTORIES.map((role, at) => ({
        peer_id: ROLES[role].peerId,
        address: `${role}.test:${String(ports[at])}`,
      })),
    });
    ended.push(() => members.remove());
    around = await surroundings(members.test.groupFile, members.peers.provider.files);
    ended.push(() => around.lifecycle.stop());
    received = [];
    withdrawn = [];
    described = {
      kind: "inway",
      address: { host: "inway.test", port: 443 },
      services: [service("echo")],
    };
  });
  afterEach(async () => {
    for (const end of ended.splice(0).reverse()) await end();
  });

  /** A directory that takes what comes, or answers as the test says. */
  const directory = async (
    which: 0 | 1,
    answer: (announcement: Received) => AnnounceResponse = () => ({ leaseMs: 600_000n }),
    bundle = members.bundles[DIRECTORIES[which]],
  ): Promise<Served> => {
    const served = await serveCalls(
      members,
      (server) => ({
        announce: server.unary<AnnounceRequest, AnnounceResponse>(({ announcement }) => {
          const bytes = announcement?.announcement ?? Buffer.alloc(0);
          const one = { ...Announcement.decode(bytes), bytes, at: performance.now() };
          received.push(one);
          return answer(one);
        }),
        withdraw: server.unary<WithdrawRequest, WithdrawResponse>((request) => {
          withdrawn.push(request);
          return {};
        }),
      }),
      { port: ports[which], tls: () => serverTls(bundle, members.group, ["h2"]) },
    );
    ended.push(() => served.server.stop());
    return served;
  };
  const announcing = (): Announcer => {
    const announcer = startAnnouncing({
      ...around,
      policy: LOCAL,
      component: "inway-1" as ComponentName,
      describe: () => described,
      clock: systemClock,
    });
    // The component stops before its directories do.
    ended.push(() => around.lifecycle.stop());
    return announcer;
  };
  const heard = (count: number) =>
    until(`${String(count)} announcements`, () => received.length >= count);

  it("announces to every directory of the group, and withdraws from each when it stops", async () => {
    await directory(0);
    await directory(1);
    const announcer = announcing();
    expect(announcer.problem()).to.equal("it has not been announced yet");
    await heard(2);
    await until("both answers", () => announcer.problem() === undefined);
    expect(received.map(({ peerId, component }) => [peerId, component])).to.deep.equal([
      [ROLES.provider.peerId, "inway-1"],
      [ROLES.provider.peerId, "inway-1"],
    ]);
    await around.lifecycle.stop();
    const kind = ComponentKind.COMPONENT_KIND_INWAY;
    const request = { groupId: "test", kind, component: "inway-1" };
    expect(withdrawn).to.deep.equal([request, request]);
  });

  it("repeats the same bytes at a third of the lease", async () => {
    await directory(0, () => ({ leaseMs: 3_000n }));
    announcing();
    await heard(3);
    const [first, second, third] = received;
    expect(second?.bytes).to.deep.equal(first?.bytes);
    const waited = (third?.at ?? 0) - (second?.at ?? 0);
    expect(waited).to.be.within(850, 3_000);
  });

  for (const leaseMs of [0n, 1n]) {
    it(`does not announce in a tight loop when the lease is said to be ${String(leaseMs)} ms`, async () => {
      await directory(0, () => ({ leaseMs }));
      announcing();
      await heard(2);
      expect((received[1]?.at ?? 0) - (received[0]?.at ?? 0)).to.be.above(250);
    });
  }

  it("announces at once what has changed, with a higher sequence number", async () => {
    await directory(0);
    const announcer = announcing();
    await heard(1);
    described = { ...described, services: [] } as Described;
    announcer.changed();
    await heard(2);
    const [before, after] = received;
    expect(after?.kind).to.have.nested.property("value.services").that.deep.equals([]);
    expect(Number(after?.sequence)).to.be.above(Number(before?.sequence));
  });

  it("goes on with a directory that was away, and is announced by the one that is not", async () => {
    await directory(1);
    const announcer = announcing();
    await until("the other directory", () => announcer.problem() === undefined);
    await until("a failure", () => around.lines.some((line) => line.includes("not announced")));
    await directory(0);
    await heard(2);
  });

  it("takes the sequence number that a directory knows, and goes above it", async () => {
    let known = 0n;
    await directory(0, ({ sequence }) => {
      if (known === 0n) known = sequence + 1_000n;
      if (sequence > known) return { leaseMs: 600_000n };
      throw new SchakelError("ERROR_CODE_ANNOUNCEMENT_OUTDATED", {
        choices: [String(known + 1n)],
      });
    });
    const announcer = announcing();
    await until("the answer", () => announcer.problem() === undefined);
    expect(received.at(-1)?.sequence).to.equal(known + 1n);
  });

  for (const wanted of [String(Number.MAX_SAFE_INTEGER), "no number", "-1.5"]) {
    it(`does not let a directory raise its sequence number to ${wanted}`, async () => {
      await directory(0, () => {
        throw new SchakelError("ERROR_CODE_ANNOUNCEMENT_OUTDATED", { choices: [wanted] });
      });
      const announcer = announcing();
      await heard(3);
      expect(announcer.problem()).to.match(/did not accept the announcement/);
      expect(Number(received.at(-1)?.sequence)).to.be.below(Date.now() + 60_000);
      expect(around.lines.join("\n")).to.match(/knows a sequence number that no clock gives/);
    });
  }

  it("says why no directory has accepted it", async () => {
    await directory(0, () => {
      throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", { detail: "enough of you" });
    });
    const announcer = announcing();
    await until(
      "the reason",
      () => (announcer.problem() ?? "").includes("enough of you") || undefined,
    );
    expect(announcer.lastAnnouncedAt).to.equal(undefined);
  });

  it("sends nothing to another peer that answers at a directory's address", async () => {
    const impostor = await members.test.peer({ ...IMPOSTOR, names: ["directory.test"] });
    const bundle = await loadBundle(impostor.files, members.group);
    await directory(0, undefined, bundle);
    const announcer = announcing();
    await until(
      "the reason",
      () => /the peer that answered is 0+4, expected is 0+1/.test(around.lines.join()) || undefined,
    );
    expect(announcer.problem()).not.to.equal(undefined);
    expect(received).to.deep.equal([]);
  });

  it("begins anew with a new group, at the directories that it names", async () => {
    await directory(0);
    await directory(1);
    announcing();
    await heard(2);
    received = [];
    await members.test.writeGroup({
      directories: members.test.content.directories.slice(1),
      ports: [8443, 443],
    });
    await heard(1);
    expect(received).to.have.length(1);
  });
});
