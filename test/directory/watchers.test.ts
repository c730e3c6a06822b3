// The streams of the catalogue: all of it first, then each change, and the end of who reads too slowly.
import {
  connectivityState,
  status,
  type ClientReadableStream,
  type ServiceError,
} from "@grpc/grpc-js";
import { once } from "node:events";
import { expect } from "chai";
import type { AnnouncementContent } from "../../catalogue/announcement.js";
import type { Bundle } from "../../certs/bundle.js";
import type { ComponentName } from "../../core/names.js";
import { Watchers, type WatchersParts } from "../../directory/watchers.js";
import { keyParts } from "../../catalogue/announcement.js";
import {
  Announcement,
  ComponentKind,
  Health,
  type WatchCatalogueRequest,
  type WatchCatalogueResponse,
} from "../../proto/gen/schakel/directory/v1/directory.js";
import { clientOf, detailsOf, serveCalls } from "../support/grpc.js";
import { Members, ROLES, service } from "../support/members.js";
import { openRegistry, type Opened } from "../support/registries.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

type Stream = ClientReadableStream<WatchCatalogueResponse>;
const name = (component: string) => component as ComponentName;

describe("directory/watchers", () => {
  let members: Members;
  let opened: Opened;
  let watchers: Watchers;
  let port = 0;
  let serverLines: readonly string[];
  const ended: (() => Promise<void> | void)[] = [];
  before(async () => {
    members = await Members.create();
  });
  after(() => members.remove());
  beforeEach(async () => {
    opened = await openRegistry(members);
    ended.push(() => opened.close());
  });
  afterEach(async () => {
    for (const end of ended.splice(0).reverse()) await end();
    removeTemporaryFolders();
  });

  const serve = async (changes: Partial<WatchersParts> = {}): Promise<void> => {
    const { registry, around } = opened;
    const served = await serveCalls(members, (server) => {
      const parts = { server, registry, log: around.log };
      const limits = { heartbeatMs: 60_000, stallMs: 60_000, watchersPerPeerMax: 10 };
      watchers = new Watchers({ ...parts, ...limits, ...changes });
      return {
        watchCatalogue: server.serverStream<WatchCatalogueRequest, WatchCatalogueResponse>(
          (call, caller) => watchers.add(call, caller),
        ),
      };
    });
    port = served.port;
    serverLines = served.lines;
    ended.push(() => served.server.stop());
    ended.push(() => watchers.close());
  };
  /** A stream that nobody reads yet (grpc-js takes in all of it then), on a connection of its own. */
  const open = async (bundle: Bundle = members.bundles.other) => {
    const client = await clientOf(members, bundle, port);
    const stream = client.watchCatalogue({ groupId: "test" });
    stream.on("error", () => undefined);
    ended.push(() => {
      stream.cancel();
      client.close();
    });
    const isConnected = (): boolean =>
      client.getChannel().getConnectivityState(false) === connectivityState.READY;
    return { stream, isConnected };
  };
  const reading = async (bundle?: Bundle) => {
    const { stream, isConnected } = await open(bundle);
    const messages: WatchCatalogueResponse[] = [];
    stream.on("data", (message: WatchCatalogueResponse) => messages.push(message));
    return { stream, messages, isConnected };
  };
  const complete = async ({ messages }: { readonly messages: WatchCatalogueResponse[] }) =>
    until("the whole catalogue", () => messages.some(({ snapshotComplete }) => snapshotComplete));
  const failureOf = (stream: Stream): Promise<ServiceError | undefined> =>
    new Promise((resolve) => {
      stream.once("error", (error) => resolve(error as ServiceError));
      stream.once("end", () => resolve(undefined));
    });
  const announce = (changes: Partial<AnnouncementContent> = {}) =>
    opened.registry.announce(members.sign(changes), members.bundles.provider.identity);

  it("gives an empty catalogue as one that is complete", async () => {
    await serve();
    const reader = await reading();
    await complete(reader);
    expect(reader.messages).to.deep.equal([
      {
        snapshot: true,
        snapshotComplete: true,
        upserted: [],
        removed: [],
        heartbeatIntervalMs: 60_000n,
      },
    ]);
  });

  it("gives a large catalogue in parts, each component once and complete with the last", async () => {
    await opened.close();
    opened = await openRegistry(members, { componentsPerPeerMax: 120 });
    for (let at = 0; at < 120; at++)
      await announce({ component: name(`c${String(at)}`), inway: undefined });
    await serve();
    const reader = await reading();
    await complete(reader);
    expect(reader.messages.map(({ upserted }) => upserted.length)).to.deep.equal([50, 50, 20]);
    expect(reader.messages.map(({ snapshotComplete }) => snapshotComplete)).to.deep.equal([
      false,
      false,
      true,
    ]);
    const sent = reader.messages.flatMap(({ upserted }) => upserted);
    const bytes = sent.map(({ announcement }) => announcement?.announcement.toString("hex"));
    expect(new Set(bytes).size).to.equal(120);
  });

  it("tells each change: what is new, its health, and what is gone", async () => {
    await serve();
    const reader = await reading();
    await complete(reader);
    const news = (at: number) => until(`message ${String(at)}`, () => reader.messages[at]);
    await announce();
    expect((await news(1)).upserted).to.have.nested.property("[0].peerName", "Provider");
    const [entry] = [...opened.registry.current.entries()];
    if (entry === undefined) throw new Error("nothing was announced");
    opened.registry.setHealth(entry.announcement, "down");
    expect((await news(2)).upserted).to.have.nested.property("[0].health", Health.HEALTH_DOWN);
    const { identity } = members.bundles.provider;
    await opened.registry.withdraw(identity, "inway", name("inway-1"));
    const { upserted, removed, snapshot } = await news(3);
    expect({ upserted, removed, snapshot }).to.deep.equal({
      snapshot: false,
      upserted: [],
      removed: [
        {
          peerId: ROLES.provider.peerId,
          kind: ComponentKind.COMPONENT_KIND_INWAY,
          component: keyParts(entry.announcement.key).component,
        },
      ],
    });
  });

  it("gives a sign of life when nothing changes", async () => {
    await serve({ heartbeatMs: 50 });
    const { messages } = await reading();
    const third = await until("two signs of life", () => messages[2]);
    expect(third).to.deep.include({ upserted: [], removed: [], snapshot: false });
  });

  it("forgets a stream that its reader has left", async () => {
    await serve();
    const reader = await reading();
    await complete(reader);
    expect(watchers.count).to.equal(1);
    reader.stream.cancel();
    await until("no stream", () => watchers.count === 0);
    await announce();
    expect(serverLines).to.deep.equal([]);
  });

  it("refuses more streams than a peer may have, and no other peer's", async () => {
    await serve({ watchersPerPeerMax: 1 });
    const first = await reading();
    await complete(first);
    const second = await reading();
    const failure = await failureOf(second.stream);
    expect(failure && detailsOf(failure).code).to.equal("ERROR_CODE_LIMIT_EXCEEDED");
    await complete(await reading(members.bundles.provider));
    first.stream.cancel();
    await until("the first to be gone", () => watchers.count === 1);
    await complete(await reading());
  });

  it("ends all streams in good order when it closes", async () => {
    await serve();
    const readers = [await reading(), await reading(members.bundles.provider)];
    await Promise.all(readers.map(complete));
    const failures = readers.map(({ stream }) => failureOf(stream));
    watchers.close();
    expect(await Promise.all(failures)).to.deep.equal([undefined, undefined]);
    expect(watchers.count).to.equal(0);
  });

  describe("with a catalogue that is larger than what lies on the way", () => {
    // About 150 kB each, so that a message carries one: grpc-js holds 16 of them on either side before
    // anybody has to wait.
    const services = Array.from({ length: 250 }, (_, at) => ({
      ...service(`s${String(at)}`),
      openapiPath: `/${"x".repeat(499)}`,
    }));
    const inway = { address: { host: "inway.test", port: 443 }, services };
    const large = (at: number, changes: Partial<AnnouncementContent> = {}): Promise<void> =>
      announce({ component: name(`inway-${String(at)}`), inway, ...changes });
    /** A stream whose reader takes one message and no more. */
    const stalled = async () => {
      const reader = await open();
      reader.stream.once("data", () => reader.stream.pause());
      await once(reader.stream, "data");
      return reader;
    };
    beforeEach(async () => {
      for (let at = 0; at < 60; at++) await large(at);
    });

    it("ends a stream that is read too slowly, says so, and lets the others go on", async () => {
      await serve({ heartbeatMs: 50, stallMs: 200 });
      const { stream: slow } = await stalled();
      const quick = await reading(members.bundles.provider);
      await complete(quick);
      await until("the slow one to be ended", () => watchers.count === 1);
      expect(opened.around.lines.join("\n")).to.match(/a catalogue stream is read too slowly/);
      const failure = failureOf(slow);
      slow.resume();
      expect((await failure)?.code).to.equal(status.RESOURCE_EXHAUSTED);
      const before = quick.messages.length;
      await large(99);
      await until("news for the quick one", () =>
        quick.messages.slice(before).some(({ upserted }) => upserted.length > 0),
      );
    });

    it("cuts the connection of a reader that takes nothing any more, and of nobody else", async () => {
      await serve({ heartbeatMs: 50, stallMs: 200 });
      const slow = await stalled();
      // The same peer, with a connection of its own.
      const quick = await reading();
      await complete(quick);
      await until("the slow one to be ended", () => watchers.count === 1);
      await until("its connection to be cut", () => !slow.isConnected(), 15_000);
      expect(quick.isConnected()).to.equal(true);
      expect(watchers.count).to.equal(1);
    }).timeout(30_000);

    it("tells a reader that pauses the last state alone, and not what was between", async () => {
      await serve();
      const { stream: slow } = await stalled();
      for (const version of ["1", "2", "3"]) {
        await large(59, { sequence: 1000 + Number(version), version });
      }
      const versions: string[] = [];
      slow.resume().on("data", ({ upserted }: WatchCatalogueResponse) => {
        for (const { announcement } of upserted) {
          const decoded = Announcement.decode(announcement?.announcement ?? Buffer.alloc(0));
          if (decoded.component === "inway-59") versions.push(decoded.version);
        }
      });
      await until("the last state", () => versions.at(-1) === "3");
      expect(new Set(versions)).to.deep.equal(new Set(["3"]));
    });
  });
});
