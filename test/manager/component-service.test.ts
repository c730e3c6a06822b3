// The manager's side of WatchState over real connections: who may open a stream, what comes on it and when,
// and how it ends.
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { expect } from "chai";
import type { Kysely } from "kysely";
import { X509Certificate } from "node:crypto";
import { BundleSource } from "../../certs/bundle.js";
import { openCa } from "../../certs/ca.js";
import { createLists, revokeCertificate } from "../../certs/ca-revocation.js";
import { GroupSource } from "../../certs/group.js";
import type { InternalBundle } from "../../certs/internal-bundle.js";
import { readCertificates } from "../../certs/pem.js";
import { canonical } from "../../contracts/jcs.js";
import { openDatabase } from "../../core/database.js";
import { Lifecycle } from "../../core/lifecycle.js";
import type { PeerId, ServiceName } from "../../core/names.js";
import { Components, componentService } from "../../manager/component-service.js";
import { ComponentStore, type ComponentSchema } from "../../manager/component-store.js";
import {
  ComponentServiceClient,
  ComponentServiceService,
  ContractDecision,
  type WatchStateRequest,
  type WatchStateResponse,
} from "../../proto/gen/schakel/manager/v1/component.js";
import { detailsOf } from "../support/grpc.js";
import { connectionContract, HeldFeed } from "../support/held-feed.js";
import { internalClient, serveInternal, type InternalServed } from "../support/internal-grpc.js";
import { InternalPki } from "../support/internal-pki.js";
import { MovedClock } from "../support/moved-clock.js";
import { TestGroup, type TestPeer } from "../support/pki.js";
import { recordedLog } from "../support/recorded-log.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";
import { WatchedState } from "../support/watched-state.js";

const OURS = "00000000000000000002" as PeerId;
const THEIRS = "00000000000000000003" as PeerId;
const HEARTBEAT_MS = 100;
const ADDRESS = "inway.ours.test:443";

describe("manager/component-service", function () {
  this.timeout(60_000);
  let pki: InternalPki;
  let group: TestGroup;
  let peer: TestPeer;
  let chain: Buffer[];
  let groups: GroupSource;
  let bundles: BundleSource;
  let manager: InternalBundle;
  let feed: HeldFeed;
  let components: Components;
  let lifecycle: Lifecycle;
  let db: Kysely<ComponentSchema>;
  let served: InternalServed;
  let clock: MovedClock;
  const ended: (() => Promise<void> | void)[] = [];

  const chainOf = async ({ files }: TestPeer): Promise<Buffer[]> => {
    const { readFile } = await import("node:fs/promises");
    return readCertificates(await readFile(files.cert, "utf8"), 5).map(({ raw }) => raw);
  };

  before(async () => {
    pki = await InternalPki.create();
    group = await TestGroup.create();
    const { log } = recordedLog();
    peer = await group.peer({ peerId: OURS, name: "Ours", names: ["inway.ours.test"] });
    chain = await chainOf(peer);
    groups = await GroupSource.open(group.groupFile, log);
    bundles = await BundleSource.open(peer.files, groups, log);
    manager = await pki.bundle("manager", "manager");
  });
  after(async () => {
    bundles.close();
    groups.close();
    await Promise.all([pki.remove(), group.remove()]);
    removeTemporaryFolders();
  });
  const start = async (): Promise<void> => {
    const { log } = recordedLog();
    lifecycle = new Lifecycle(log);
    const store = await ComponentStore.open(db, "test");
    served = await serveInternal(manager, (server) => {
      const parts = { server, feed, groups, bundles, store, clock, log };
      components = Components.start(
        { ...parts, heartbeatMs: HEARTBEAT_MS, anyPort: false },
        lifecycle,
      );
      server.grpc.addService(ComponentServiceService, componentService(server, components));
    });
  };
  const stop = async (): Promise<void> => {
    await lifecycle.stop();
    await served.server.stop();
  };
  beforeEach(async () => {
    feed = new HeldFeed();
    clock = new MovedClock();
    db = openDatabase<ComponentSchema>(join(temporaryFolder(), "manager.db"));
    await start();
    ended.push(() => db.destroy(), stop);
  });
  afterEach(async () => {
    for (const end of ended.splice(0).reverse()) await end();
  });

  const request = (changes: Partial<WatchStateRequest> = {}): WatchStateRequest => ({
    groupId: "test",
    certificateChain: chain,
    address: ADDRESS,
    version: "1.0.0",
    ...changes,
  });
  const watch = async (
    bundle: InternalBundle,
    changes: Partial<WatchStateRequest> = {},
  ): Promise<WatchedState> => {
    const client = await internalClient(ComponentServiceClient, bundle, served.address);
    const stream = client.watchState(request(changes));
    ended.push(() => {
      stream.cancel();
      client.close();
    });
    return new WatchedState(stream);
  };
  const inway = async (name = "inway-1", changes: Partial<WatchStateRequest> = {}) =>
    watch(await pki.bundle("inway", name), changes);
  const outway = async (name = "outway-1", changes: Partial<WatchStateRequest> = {}) =>
    watch(await pki.bundle("outway", name), { address: "", ...changes });

  describe("refuses", () => {
    for (const role of ["manager", "cli", "web", "client"] as const) {
      it(`the role ${role}`, async () => {
        const error = await (await watch(await pki.bundle(role, "x"))).failure();
        expect(detailsOf(error).code).to.equal("ERROR_CODE_ROLE_NOT_ALLOWED");
        expect(error.code).to.equal(status.PERMISSION_DENIED);
      });
    }

    it("a caller without a certificate", async () => {
      const { openManagerFirst } = await import("../../component/manager-channel.js");
      const dialling = { address: served.address, anchor: pki.ca.root };
      const client = await openManagerFirst(ComponentServiceClient, dialling);
      ended.push(() => client.close());
      const error = await new WatchedState(client.watchState(request())).failure();
      expect(detailsOf(error).code).to.equal("ERROR_CODE_ROLE_NOT_ALLOWED");
    });

    it("a certificate of the group on the internal port", async () => {
      const { keyPem, chainPem } = bundles.current;
      const bundle = { ...(await pki.bundle("inway", "inway-1")), keyPem, chainPem };
      const error = await (await watch(bundle)).failure();
      expect(error.code).to.equal(status.UNAVAILABLE);
      expect(served.lines.join("")).to.contain("the component's certificate is refused");
    });

    const wrong: readonly {
      readonly what: string;
      readonly role?: "inway" | "outway";
      readonly changes: () => Promise<Partial<WatchStateRequest>> | Partial<WatchStateRequest>;
      readonly code: string;
      readonly says: RegExp;
    }[] = [
      {
        what: "another group",
        changes: () => ({ groupId: "other" }),
        code: "ERROR_CODE_INCORRECT_GROUP_ID",
        says: /this is the group test/,
      },
      {
        what: "no certificate of the group",
        changes: () => ({ certificateChain: [] }),
        code: "ERROR_CODE_REQUEST_INVALID",
        says: /a chain of 0 certificates/,
      },
      {
        what: "too many certificates",
        changes: () => ({ certificateChain: Array.from({ length: 6 }, () => Buffer.alloc(1)) }),
        code: "ERROR_CODE_REQUEST_INVALID",
        says: /a chain of 6 certificates, allowed are 1 to 5/,
      },
      {
        what: "bytes that are no certificate",
        changes: () => ({ certificateChain: [Buffer.from("none")] }),
        code: "ERROR_CODE_REQUEST_INVALID",
        says: /a certificate that cannot be read/,
      },
      {
        what: "a chain that does not lead to an anchor of the group",
        changes: () => ({ certificateChain: chain.slice(0, 1) }),
        code: "ERROR_CODE_REQUEST_INVALID",
        says: /the chain stops at/,
      },
      {
        what: "its internal certificate in place of the group's",
        changes: async () => ({
          certificateChain: (await pki.bundle("inway", "inway-1")).chain.map(({ raw }) => raw),
        }),
        code: "ERROR_CODE_REQUEST_INVALID",
        says: /the chain stops at/,
      },
      {
        what: "an expired certificate",
        changes: async () => {
          const notAfter = new Date(Date.now() - 86_400_000);
          const about = { peerId: OURS, name: "Ours", names: ["inway.ours.test"], notAfter };
          return { certificateChain: await chainOf(await group.peer(about)) };
        },
        code: "ERROR_CODE_REQUEST_INVALID",
        says: /expired since/,
      },
      {
        what: "another peer's certificate",
        changes: async () => {
          const about = { peerId: THEIRS, name: "Theirs", names: ["inway.ours.test"] };
          return { certificateChain: await chainOf(await group.peer(about)) };
        },
        code: "ERROR_CODE_REQUEST_INVALID",
        says: /names the peer 00000000000000000003, this is 00000000000000000002/,
      },
      {
        what: "an inway at a name that its certificate does not have",
        changes: () => ({ address: "other.test:443" }),
        code: "ERROR_CODE_ADDRESS_NOT_ALLOWED",
        says: /other\.test:443 is not at a name of the certificate, which are inway\.ours\.test/,
      },
      {
        what: "an inway at an IP address",
        changes: () => ({ address: "127.0.0.1:443" }),
        code: "ERROR_CODE_ADDRESS_NOT_ALLOWED",
        says: /is not at a name/,
      },
      {
        what: "an inway on a port that is not the group's",
        changes: () => ({ address: "inway.ours.test:9000" }),
        code: "ERROR_CODE_ADDRESS_NOT_ALLOWED",
        says: /not on one of the group's ports 443, 8443/,
      },
      {
        what: "an inway without an address",
        changes: () => ({ address: "" }),
        code: "ERROR_CODE_REQUEST_INVALID",
        says: /address is not HOST:PORT/,
      },
      {
        what: "an outway with an address",
        role: "outway",
        changes: () => ({ address: ADDRESS }),
        code: "ERROR_CODE_REQUEST_INVALID",
        says: /an outway has none/,
      },
      {
        what: "no version",
        changes: () => ({ version: "" }),
        code: "ERROR_CODE_REQUEST_INVALID",
        says: /version is not/,
      },
      {
        what: "a version with a line break",
        changes: () => ({ version: "1\n2" }),
        code: "ERROR_CODE_REQUEST_INVALID",
        says: /version is not/,
      },
    ];
    for (const { what, role = "inway", changes, code, says } of wrong) {
      it(what, async () => {
        const bundle = await pki.bundle(role, `${role}-1`);
        const error = await (await watch(bundle, await changes())).failure();
        expect(detailsOf(error).code).to.equal(code);
        expect(error.details).to.match(says);
        expect(components.connected).to.equal(0);
        expect(await components.list()).to.deep.equal([]);
      });
    }
  });

  describe("gives", () => {
    const connection = { consumer: THEIRS, provider: OURS, service: "people" };
    const consumed = { consumer: OURS, provider: THEIRS, service: "parcels" };
    const contractsIn = (messages: readonly WatchStateResponse[]) =>
      messages.flatMap(({ contracts }) => contracts);

    it("an inway its services, the token signers and the contracts for services of ours", async () => {
      const contract = connectionContract(connection);
      feed.held.set(contract.hash, contract);
      const foreign = connectionContract(consumed);
      feed.held.set(foreign.hash, foreign);
      feed.setServices({ people: [], parcels: ["inway-1"], hidden: ["inway-2"] });
      feed.setSigners(bundles.current.chain.slice(0, 1));
      const messages = await (await inway()).state();
      expect(contractsIn(messages)).to.deep.equal([
        {
          hash: contract.hash,
          content: Buffer.from(canonical(contract.content)),
          decision: ContractDecision.CONTRACT_DECISION_ACCEPTED,
        },
      ]);
      const services = messages.find((each) => each.services !== undefined)?.services?.services;
      expect(services?.map(({ name }) => name)).to.deep.equal(["people", "parcels"]);
      const signers = messages.find((each) => each.tokenSigners !== undefined)?.tokenSigners;
      expect(signers?.certificates).to.deep.equal([bundles.current.chain[0]?.raw]);
      expect(messages.some((each) => each.clients !== undefined)).to.equal(false);
      expect(messages.flatMap((each) => each.managers)).to.deep.equal([]);
    });

    it("an outway its clients, the contracts for outways of ours and where tokens are asked for", async () => {
      const contract = connectionContract(consumed);
      feed.held.set(contract.hash, contract);
      const foreign = connectionContract(connection);
      feed.held.set(foreign.hash, foreign);
      feed.addresses.set(THEIRS, { host: "manager.theirs.test", port: 8443 });
      feed.addresses.set(OURS, { host: "manager.ours.test", port: 8443 });
      const token = Buffer.alloc(32, 1);
      feed.setClients([{ name: "app" as never, tokenHash: token, grantHashes: [] }]);
      const messages = await (await outway()).state();
      expect(contractsIn(messages).map(({ hash }) => hash)).to.deep.equal([contract.hash]);
      expect(messages.flatMap((each) => each.managers)).to.deep.equal([
        { peerId: THEIRS, address: "manager.theirs.test:8443" },
      ]);
      const clients = messages.find((each) => each.clients !== undefined)?.clients?.clients;
      expect(clients).to.deep.equal([{ name: "app", tokenHash: token, grantHashes: [] }]);
      expect(messages.some((each) => each.services !== undefined)).to.equal(false);
    });

    it("a first state that ends even when there is nothing", async () => {
      const messages = await (await outway()).state();
      const complete = messages.filter((each) => each.snapshotComplete);
      expect(complete).to.have.length(1);
      expect(complete[0]?.snapshot).to.equal(true);
    });

    it("more contracts than one message can carry in several, each below the limit", async () => {
      const ballast = "x".repeat(15_000);
      for (let count = 0; count < 400; count++) {
        const contract = connectionContract({ ...connection, ballast });
        feed.held.set(contract.hash, contract);
      }
      const messages = await (await inway()).state();
      expect(contractsIn(messages)).to.have.length(400);
      expect(new Set(contractsIn(messages).map(({ hash }) => hash)).size).to.equal(400);
      const sizes = messages.map(({ contracts }) =>
        contracts.reduce((sum, { content }) => sum + content.length, 0),
      );
      expect(Math.max(...sizes)).to.be.at.most(256 * 1024);
      const last = messages.findIndex((each) => each.snapshotComplete);
      expect(messages.slice(0, last).every((each) => each.snapshot)).to.equal(true);
    });

    it("a decision within a second, and not as part of the first state", async () => {
      const contract = connectionContract(connection);
      feed.held.set(contract.hash, contract);
      const watched = await inway();
      await watched.state();
      const before = performance.now();
      feed.put({ ...contract, decision: "REVOKED" });
      const revoked = await until("the revocation", () =>
        watched.messages.find(({ contracts }) =>
          contracts.some(({ decision }) => decision === ContractDecision.CONTRACT_DECISION_REVOKED),
        ),
      );
      expect(performance.now() - before).to.be.below(1000);
      expect(revoked).to.include({ snapshot: false, snapshotComplete: false });
    });

    it("no contract that concerns others", async () => {
      const watched = await inway();
      await watched.state();
      feed.put(connectionContract(consumed));
      feed.setServices({ mark: [] });
      await until("the mark", () =>
        watched.messages.some(({ services }) => services?.services.length === 1),
      );
      expect(contractsIn(watched.messages)).to.deep.equal([]);
    });

    it("the manager of a provider with which the first contract comes, and where it moves", async () => {
      feed.addresses.set(THEIRS, { host: "manager.theirs.test", port: 8443 });
      const watched = await outway();
      await watched.state();
      feed.put(connectionContract(consumed));
      const managers = () => watched.messages.flatMap((each) => each.managers);
      await until("its manager", () => managers().length === 1);
      feed.setManager(THEIRS, { host: "new.theirs.test", port: 443 });
      await until("its new address", () => managers().length === 2);
      expect(managers()[1]).to.deep.equal({ peerId: THEIRS, address: "new.theirs.test:443" });
    });

    it("each revocation list once", async () => {
      const first = { crl: Buffer.from("first"), issuerChain: [] };
      feed.setRevocationLists([first]);
      const watched = await outway();
      await watched.state();
      feed.setRevocationLists([first, { crl: Buffer.from("second"), issuerChain: [] }]);
      const lists = () => watched.messages.flatMap((each) => each.revocationLists);
      await until("the second list", () => lists().length === 2);
      feed.setClients([]);
      await until("a later message", () => watched.messages.at(-1)?.clients !== undefined);
      expect(lists().map(({ crl }) => crl.toString())).to.deep.equal(["first", "second"]);
    });

    it("a sign of life at the interval that it names", async () => {
      const watched = await inway();
      await watched.state();
      const before = watched.messages.length;
      await until("five heartbeats", () => watched.messages.length >= before + 5);
      for (const each of watched.messages) {
        expect(each.heartbeatIntervalMs).to.equal(BigInt(HEARTBEAT_MS));
      }
    });
  });

  describe("knows", () => {
    const service = (name: string) => name as ServiceName;

    it("the addresses of connected inways that offer a service, and of no others", async () => {
      feed.setServices({ all: [], one: ["inway-2"] });
      await (await inway("inway-1")).state();
      const second = await inway("inway-2", { address: "inway.ours.test:8443" });
      await second.state();
      await (await outway()).state();
      const at = (port: number) => ({ host: "inway.ours.test", port });
      expect(components.inwaysOf(service("all"))).to.have.deep.members([at(443), at(8443)]);
      expect(components.inwaysOf(service("one"))).to.deep.equal([at(8443)]);
      expect(components.inwaysOf(service("none"))).to.deep.equal([]);
      second.stream.cancel();
      await until("its end", () => components.connected === 2);
      expect(components.inwaysOf(service("one"))).to.deep.equal([]);
    });

    it("two inways behind one address as one", async () => {
      feed.setServices({ all: [] });
      await (await inway("inway-1")).state();
      await (await inway("inway-2")).state();
      expect(components.inwaysOf(service("all"))).to.have.length(1);
    });

    it("which components have been connected, also after a restart", async () => {
      const watched = await inway();
      await watched.state();
      clock.advance(5_000);
      const about = {
        role: "inway",
        name: "inway-1",
        address: ADDRESS,
        publicKeyThumbprint: bundles.current.identity.publicKeyThumbprint,
        version: "1.0.0",
      };
      const connected = { ...about, connected: true, seenAtMs: BigInt(clock.now()) };
      expect(await components.list()).to.deep.equal([connected]);
      await stop();
      const seenAtMs = BigInt(clock.now());
      clock.advance(5_000);
      await start();
      expect(await components.list()).to.deep.equal([{ ...about, connected: false, seenAtMs }]);
    });
  });

  describe("ends", () => {
    it("the older stream of a component when a newer one comes", async () => {
      const older = await inway();
      await older.state();
      const newer = await inway("inway-1", { address: "inway.ours.test:8443" });
      await newer.state();
      await until("the end of the older", () => older.ended);
      expect(components.connected).to.equal(1);
      expect(newer.error).to.equal(undefined);
      expect((await components.list()).map(({ address }) => address)).to.deep.equal([
        "inway.ours.test:8443",
      ]);
    });

    it("an inway and an outway of one name apart", async () => {
      await (await inway("same")).state();
      await (await outway("same")).state();
      expect(components.connected).to.equal(2);
    });

    it("a stream that is not read, with RESOURCE_EXHAUSTED", async () => {
      const ballast = "x".repeat(15_000);
      for (let count = 0; count < 1_000; count++) {
        const contract = connectionContract({
          consumer: THEIRS,
          provider: OURS,
          service: "people",
          ballast,
        });
        feed.held.set(contract.hash, contract);
      }
      const watched = await inway();
      await until("its first message", () => watched.messages.length > 0);
      watched.stream.pause();
      await until("the end of the stream", () => components.connected === 0, 20_000);
      watched.stream.resume();
      expect((await watched.failure()).code).to.equal(status.RESOURCE_EXHAUSTED);
    });

    it("a component whose group changes under it", async () => {
      const watched = await inway();
      await watched.state();
      await group.writeGroup({ ports: [8443] });
      const error = await watched.failure();
      expect(detailsOf(error).code).to.equal("ERROR_CODE_ADDRESS_NOT_ALLOWED");
      await group.writeGroup({ ports: [443, 8443] });
      await until("the group as it was", () => groups.current.ports.length === 2);
    });

    it("a component whose certificate in the group is revoked", async () => {
      const about = { peerId: OURS, name: "Ours", names: ["inway.ours.test"] };
      const revoked = await chainOf(await group.peer(about));
      const watched = await inway("inway-1", { certificateChain: revoked });
      await watched.state();
      const ca = await openCa(group.caDir);
      await revokeCertificate(ca, new X509Certificate(revoked[0] ?? Buffer.alloc(0)));
      const { issuing } = await createLists(ca, 1);
      groups.setRevocationLists([{ crl: issuing, issuerChain: [ca.issuing] }]);
      expect((await watched.failure()).details).to.contain("revoked since");
      groups.setRevocationLists([]);
    });

    it("every stream in good order when the manager stops, and follows nothing then", async () => {
      const watched = await inway();
      await watched.state();
      await lifecycle.stop();
      await until("the end", () => watched.ended);
      expect(watched.error).to.equal(undefined);
      expect(feed.listeners).to.equal(0);
    });
  });
});
