// A consumer's catalogue from the stream of a directory that may lie, stall, end, or be away.
import type { ServerWritableStream } from "@grpc/grpc-js";
import { expect } from "chai";
import { join } from "node:path";
import type { SignedAnnouncement } from "../../catalogue/announcement.js";
import { startWatching, type CatalogueWatcher } from "../../catalogue/watcher.js";
import { serverTls } from "../../certs/tls.js";
import { systemClock } from "../../core/clock.js";
import type { ComponentName, PeerId, ServiceName } from "../../core/names.js";
import {
  ComponentKind,
  Health,
  type CatalogueEntry,
  type WatchCatalogueRequest,
  type WatchCatalogueResponse,
} from "../../proto/gen/schakel/directory/v1/directory.js";
import { surroundings, type Surroundings } from "../support/component.js";
import { serveCalls, type Served } from "../support/grpc.js";
import { inwayAt, LOCAL, Members, PUBLISHED, ROLES } from "../support/members.js";
import { freePort } from "../support/network.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

const PROVIDER = ROLES.provider.peerId as PeerId;
/** The peers that run a directory here. */
const DIRECTORIES = ["directory", "other"] as const;

type Call = ServerWritableStream<WatchCatalogueRequest, WatchCatalogueResponse>;
type Change = Partial<WatchCatalogueResponse>;

describe("catalogue/watcher", () => {
  let members: Members;
  let around: Surroundings;
  let watcher: CatalogueWatcher;
  let ports: readonly number[];
  let file: string;
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
    file = join(temporaryFolder(), "catalogue");
  });
  afterEach(async () => {
    for (const end of ended.splice(0).reverse()) await end();
    removeTemporaryFolders();
  });

  const entry = (
    announcement: SignedAnnouncement,
    health: Health = Health.HEALTH_UP,
  ): CatalogueEntry => ({
    announcement,
    health,
    peerName: "what the directory says",
    publishedServices: [...PUBLISHED],
  });
  const send = (call: Call, change: Change = {}): void =>
    void call.write({
      ...{ snapshot: false, snapshotComplete: false, upserted: [], removed: [] },
      heartbeatIntervalMs: 60_000n,
      ...change,
    });
  /** A directory whose streams the test writes; every stream that comes is in `calls`. */
  const directory = async (which: 0 | 1 = 0, begin: (call: Call) => void = () => undefined) => {
    const calls: Call[] = [];
    const bundle = members.bundles[DIRECTORIES[which]];
    const served: Served = await serveCalls(
      members,
      (server) => ({
        watchCatalogue: server.serverStream<WatchCatalogueRequest, WatchCatalogueResponse>(
          (call) => {
            calls.push(call);
            begin(call);
          },
        ),
      }),
      { port: ports[which] ?? 0, tls: () => serverTls(bundle, members.group, ["h2"]) },
    );
    ended.push(() => served.server.stop());
    return { calls, served };
  };
  const whole = (...upserted: readonly CatalogueEntry[]): Change => ({
    snapshot: true,
    snapshotComplete: true,
    upserted: [...upserted],
  });
  const watch = async (): Promise<void> => {
    around = await surroundings(members.test.groupFile, members.peers.provider.files);
    watcher = await startWatching({ ...around, policy: LOCAL, file, clock: systemClock });
    const { lifecycle } = around;
    ended.push(() => lifecycle.stop());
  };
  const inway = (name = "echo") =>
    watcher.current?.service(PROVIDER, name as ServiceName)?.inways[0];
  const known = (what: string, condition: () => boolean) => until(what, () => condition());
  const firstCall = ({ calls }: { readonly calls: Call[] }) => until("a stream", () => calls[0]);
  const logged = (): string => around.lines.join("\n");

  it("takes the first catalogue into use when it is complete, and not in parts", async () => {
    const served = await directory();
    await watch();
    const call = await firstCall(served);
    send(call, { snapshot: true, upserted: [entry(members.sign())] });
    send(call, { snapshot: true });
    await until("a message", () => watcher.state.ageMs !== undefined);
    expect(watcher.current).to.equal(undefined);
    expect(watcher.state.connected).to.equal(false);
    send(call, whole());
    await known("the service", () => inway() !== undefined);
    expect(inway()).to.deep.include({ component: "inway-1", health: "up" });
    expect(watcher.current?.peer(PROVIDER)?.name).to.equal("Provider");
    expect(watcher.state.connected).to.equal(true);
  });

  it("follows changes: what is new, what is gone, and health that only ranks", async () => {
    const served = await directory(0, (call) => send(call, whole()));
    await watch();
    const call = await firstCall(served);
    send(call, { upserted: [entry(members.sign(), Health.HEALTH_DOWN)] });
    await known("the service, down", () => inway()?.health === "down");
    const kind = ComponentKind.COMPONENT_KIND_INWAY;
    send(call, { removed: [{ peerId: PROVIDER, kind, component: "inway-1" }] });
    await known("it to be gone", () => inway() === undefined);
  });

  const lies: readonly (readonly [string, () => CatalogueEntry, RegExp])[] = [
    [
      "an address that was changed on the way",
      () => {
        const signed = members.sign();
        const text = signed.announcement.toString("latin1").replace("inway.test", "other.test");
        return entry({ ...signed, announcement: Buffer.from(text, "latin1") });
      },
      /the signature is not accepted/,
    ],
    [
      "an announcement that another peer signed in its name",
      () => {
        const { announcement } = members.sign();
        return entry({ ...members.sign({}, members.bundles.other), announcement });
      },
      /the signature is not accepted/,
    ],
    [
      "an address of another peer's certificate",
      () => entry(members.sign({ inway: inwayAt("other.test", 443, "echo") })),
      /is none of the certificate's names/,
    ],
    [
      "an announcement of another group",
      () => entry(members.sign({}, undefined, { ...members.group, id: "another" })),
      /made for another group/,
    ],
    [
      "an announcement that is no longer valid",
      () => entry(members.sign({ issuedAt: Date.now() - 9_000, validUntil: Date.now() - 1_000 })),
      /no longer valid/,
    ],
    [
      "an entry without announcement",
      () => ({ ...entry(members.sign()), announcement: undefined }),
      /an entry without announcement/,
    ],
  ];
  for (const [what, lie, says] of lies) {
    for (const first of [true, false]) {
      const where = first ? "in the first catalogue" : "in a change";
      it(`does not believe ${what} ${where}, and believes the rest`, async () => {
        const other = {
          component: "inway-2" as ComponentName,
          inway: inwayAt("inway.test", 443, "b"),
        };
        const entries = [lie(), entry(members.sign(other))];
        await directory(0, (call) => {
          send(call, first ? whole(...entries) : whole());
          if (!first) send(call, { upserted: entries });
        });
        await watch();
        await known("the other one", () => inway("b") !== undefined);
        expect(inway()).to.equal(undefined);
        expect(logged()).to.match(says);
      });
    }
  }

  it("does not let a directory bring an old address back, also in a new first catalogue", async () => {
    const old = entry(members.sign({ sequence: 5, inway: inwayAt("inway.test", 8443, "echo") }));
    const now = entry(members.sign({ sequence: 6 }));
    const served = await directory(0, (call) => send(call, whole(now)));
    await watch();
    const call = await firstCall(served);
    send(call, { upserted: [old] });
    await known("its refusal", () => logged().includes("a later announcement is known"));
    expect(inway()?.address.port).to.equal(443);
    await around.lifecycle.stop();
    await served.served.server.stop();
    await directory(0, (again) => send(again, whole(old)));
    await watch();
    await known("its refusal", () => logged().includes("a later announcement is known"));
    // That the component is there may be true: what is known of it stays in use.
    expect(inway()?.address.port).to.equal(443);
  });

  it("goes on with the stored catalogue when no directory answers", async () => {
    const first = await directory(0, (call) => send(call, whole(entry(members.sign()))));
    await watch();
    await known("the service", () => inway() !== undefined);
    await around.lifecycle.stop();
    await first.served.server.stop();
    await watch();
    expect(inway()).to.deep.include({
      health: "unknown",
      address: { host: "inway.test", port: 443 },
    });
    expect(watcher.state).to.deep.equal({ connected: false, ageMs: undefined });
    await known("a failure", () => logged().includes("the catalogue cannot be watched"));
    expect(inway()).not.to.equal(undefined);
  });

  it("keeps what it knows while a new stream has not given the whole catalogue", async () => {
    const served = await directory();
    await watch();
    const first = await firstCall(served);
    send(first, whole(entry(members.sign())));
    await known("the service", () => inway() !== undefined);
    first.end();
    const second = await until("the next stream", () => served.calls[1]);
    send(second, { snapshot: true });
    expect(inway()).not.to.equal(undefined);
    send(second, whole());
    await known("it to be gone", () => inway() === undefined);
  });

  it("leaves a stream that has gone silent, and takes the next directory", async () => {
    const heartbeatIntervalMs = 100n;
    await directory(0, (call) => send(call, { ...whole(), heartbeatIntervalMs }));
    const second = await directory(1, (call) => send(call, whole(entry(members.sign()))));
    await watch();
    await known("the service", () => inway() !== undefined);
    expect(second.calls).to.have.length(1);
    expect(logged()).to.match(/the directory's stream has gone silent/);
  });

  it("takes the next directory when one is away", async () => {
    await directory(1, (call) => send(call, whole(entry(members.sign()))));
    await watch();
    await known("the service", () => inway() !== undefined);
    expect(logged()).to.match(/the catalogue cannot be watched/);
  });

  it("stays with a stream whose signs of life come", async () => {
    const heartbeatIntervalMs = 100n;
    const served = await directory(0, (call) => send(call, { ...whole(), heartbeatIntervalMs }));
    await watch();
    const call = await firstCall(served);
    let beats = 0;
    const beating = setInterval(() => {
      beats += 1;
      send(call, { heartbeatIntervalMs });
    }, 50);
    ended.push(() => clearInterval(beating));
    await known("a second of signs", () => beats >= 20);
    expect(served.calls).to.have.length(1);
    expect(watcher.state.ageMs).to.be.below(5_000);
  });

  it("begins anew with a new group", async () => {
    const served = await directory(0, (call) => send(call, whole(entry(members.sign()))));
    await watch();
    await known("the service", () => inway() !== undefined);
    await members.test.writeGroup({ ports: [443] });
    await until("the group", () => around.groups.current.version === 2);
    await until("another stream", () => served.calls[1] ?? served.calls[2]);
    await known("the service", () => inway() !== undefined);
  });

  it("ends its stream when it stops", async () => {
    const served = await directory(0, (call) => send(call, whole()));
    await watch();
    const call = await firstCall(served);
    await around.lifecycle.stop();
    await until("the end of the stream", () => call.cancelled);
  });
});
