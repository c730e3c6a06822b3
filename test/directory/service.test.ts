// The methods of the directory's interface, called over gRPC with certificates of the group.
import { expect } from "chai";
import type { AnnouncementContent } from "../../catalogue/announcement.js";
import type { Bundle } from "../../certs/bundle.js";
import type { ErrorCode } from "../../core/errors.js";
import type { ComponentName, PeerId } from "../../core/names.js";
import { PublicationMethods } from "../../directory/publication-methods.js";
import { directoryService } from "../../directory/service.js";
import { Watchers } from "../../directory/watchers.js";
import {
  ComponentKind,
  Health,
  Protocol,
  type DirectoryServiceClient,
  type GetServiceResponse,
  type ListServicesRequest,
  type ListServicesResponse,
  type SignedAnnouncement,
  type WithdrawRequest,
} from "../../proto/gen/schakel/directory/v1/directory.js";
import { openSide } from "../support/directory-sides.js";
import { answerOf, clientOf, detailsOf, errorOf, listPeers, serveCalls } from "../support/grpc.js";
import { inwayAt, Members, ROLES, MANY } from "../support/members.js";
import { LEASE_MS, openRegistry, type Opened } from "../support/registries.js";
import { removeTemporaryFolders } from "../support/temporary.js";

const PROVIDER = ROLES.provider.peerId;
const OTHER = ROLES.other.peerId;
const named = (component: string) => ({ component: component as ComponentName });

describe("directory/service", () => {
  let members: Members;
  let opened: Opened;
  let provider: DirectoryServiceClient;
  let other: DirectoryServiceClient;
  let results: string[];
  const ended: (() => Promise<void> | void)[] = [];
  before(async () => {
    members = await Members.create();
  });
  after(() => members.remove());
  beforeEach(async () => {
    opened = await openRegistry(members);
    ended.push(() => opened.close());
    results = [];
    const { registry, around } = opened;
    const { log, groups } = around;
    const { side, clock, close } = await openSide(members);
    ended.push(close);
    const served = await serveCalls(members, (server) => {
      const limits = { heartbeatMs: 60_000, stallMs: 60_000, watchersPerPeerMax: 10 };
      const watchers = new Watchers({ server, registry, log, ...limits });
      const announced = (result: string): void => void results.push(result);
      const publications = new PublicationMethods({ side, clock, log });
      const parts = { groups, registry, watchers, publications, leaseMs: LEASE_MS, announced };
      return directoryService(server, { ...parts, delegatorOf: () => OTHER as PeerId });
    });
    ended.push(() => served.server.stop());
    const client = async (bundle: Bundle): Promise<DirectoryServiceClient> => {
      const opening = await clientOf(members, bundle, served.port);
      ended.push(() => opening.close());
      return opening;
    };
    provider = await client(members.bundles.provider);
    other = await client(members.bundles.other);
  });
  afterEach(async () => {
    for (const end of ended.splice(0).reverse()) await end();
    removeTemporaryFolders();
  });

  const announce = (changes: Partial<AnnouncementContent> = {}, bundle?: Bundle) => {
    const announcement: SignedAnnouncement = members.sign(changes, bundle);
    const client = bundle === members.bundles.other ? other : provider;
    return answerOf((...rest) => client.announce({ announcement }, ...rest));
  };
  const withdraw = (client: DirectoryServiceClient, changes: Partial<WithdrawRequest> = {}) => {
    const kind = ComponentKind.COMPONENT_KIND_INWAY;
    const request = { groupId: "test", kind, component: "inway-1", ...changes };
    return answerOf((...rest) => client.withdraw(request, ...rest));
  };
  const services = async (changes: Partial<ListServicesRequest> = {}): Promise<string[]> => {
    const request = { groupId: "test", peerId: "", nameContains: "", pageSize: 0, pageToken: "" };
    const { services: found, nextPageToken } = await answerOf<ListServicesResponse>((...rest) =>
      other.listServices({ ...request, ...changes }, ...rest),
    );
    const shown = found.map(({ peerId, service }) => `${peerId.slice(-1)} ${service?.name ?? ""}`);
    return nextPageToken === "" ? shown : [...shown, `more: ${nextPageToken}`];
  };
  const service = (peerId: string, serviceName: string) =>
    answerOf<GetServiceResponse>((...rest) =>
      other.getService({ groupId: "test", peerId, serviceName }, ...rest),
    );
  const refused = async (answer: Promise<unknown>, code: ErrorCode) => {
    const details = detailsOf(await errorOf(answer));
    expect(details.code).to.equal(code);
    return details.body as { readonly choices?: readonly string[]; readonly message: string };
  };

  it("answers an announcement with its lease, and counts it", async () => {
    expect(await announce()).to.deep.equal({ leaseMs: BigInt(LEASE_MS) });
    await refused(announce({ sequence: 1 }), "ERROR_CODE_ANNOUNCEMENT_OUTDATED");
    const nothing = answerOf((...rest) => provider.announce({ announcement: undefined }, ...rest));
    await refused(nothing, "ERROR_CODE_REQUEST_INVALID");
    expect(results).to.deep.equal([
      "accepted",
      "ERROR_CODE_ANNOUNCEMENT_OUTDATED",
      "ERROR_CODE_REQUEST_INVALID",
    ]);
  });

  it("takes the peer from the certificate: nobody withdraws for another", async () => {
    await announce();
    await withdraw(other);
    expect(await services()).to.deep.equal(["2 echo"]);
    await withdraw(provider);
    expect(await services()).to.deep.equal([]);
  });

  const withdrawals: readonly (readonly [string, Partial<WithdrawRequest>, ErrorCode])[] = [
    ["of another group", { groupId: "another" }, "ERROR_CODE_INCORRECT_GROUP_ID"],
    ["without a name", { component: "" }, "ERROR_CODE_REQUEST_INVALID"],
    ["of a path", { component: "../inway-1" }, "ERROR_CODE_REQUEST_INVALID"],
    [
      "without a kind",
      { kind: ComponentKind.COMPONENT_KIND_UNSPECIFIED },
      "ERROR_CODE_REQUEST_INVALID",
    ],
    ["of a kind 7", { kind: 7 as ComponentKind }, "ERROR_CODE_REQUEST_INVALID"],
  ];
  for (const [what, changes, code] of withdrawals) {
    it(`refuses a withdrawal ${what}, and withdraws nothing`, async () => {
      await announce();
      await refused(withdraw(provider, changes), code);
      expect(await services()).to.deep.equal(["2 echo"]);
    });
  }

  it("lists services by peer and name, page by page, filtered by peer and text", async () => {
    await announce({ inway: inwayAt("inway.test", 443, "b", "a", "aB") });
    await announce({ inway: inwayAt("other.test", 443, "a") }, members.bundles.other);
    const all = ["2 a", "2 aB", "2 b", "3 a"];
    expect(await services()).to.deep.equal(all);
    expect(await services({ peerId: PROVIDER, nameContains: "B" })).to.deep.equal(["2 aB", "2 b"]);
    expect(await services({ peerId: "9".repeat(20) })).to.deep.equal([]);
    const found: string[] = [];
    for (let token = ""; ;) {
      const page = await services({ pageSize: 1, pageToken: token });
      found.push(page[0] ?? "");
      if (page[1] === undefined) break;
      token = page[1].slice("more: ".length);
    }
    expect(found).to.deep.equal(all);
  });

  it("lists peers with what they have live", async () => {
    await announce({ inway: inwayAt("inway.test", 443, "a", "b") });
    await announce({ ...named("inway-2"), inway: inwayAt("inway.test", 8443, "b") });
    await announce({ inway: undefined }, members.bundles.other);
    expect(await listPeers(provider)).to.deep.equal({
      peers: [
        { id: PROVIDER, name: "Provider", inways: 2, outways: 0, services: 2 },
        { id: OTHER, name: "Other", inways: 0, outways: 1, services: 0 },
      ],
      nextPageToken: "",
    });
    expect((await listPeers(provider, { nameContains: "OTH" })).peers).to.have.length(1);
    opened.clock.advance(LEASE_MS);
    await opened.registry.expire();
    expect((await listPeers(provider)).peers).to.deep.equal([]);
  });

  it("answers one service with every live inway, those that are down too", async () => {
    await announce();
    await announce({ ...named("inway-2"), inway: inwayAt("inway.test", 8443, "echo") });
    const entry = opened.registry.current.entry(`${PROVIDER}/inway/inway-2`);
    if (entry === undefined) throw new Error("inway-2 is not known");
    opened.registry.setHealth(entry.announcement, "down");
    const version = "1.0.0";
    expect((await service(PROVIDER, "echo")).service).to.deep.equal({
      peerId: PROVIDER,
      peerName: "Provider",
      service: { name: "echo", openapiPath: "", protocol: Protocol.PROTOCOL_TCP_HTTP_1_1 },
      inways: [
        {
          component: "inway-1",
          address: "inway.test:443",
          health: Health.HEALTH_UNSPECIFIED,
          version,
        },
        { component: "inway-2", address: "inway.test:8443", health: Health.HEALTH_DOWN, version },
      ],
      delegatorPeerId: OTHER,
    });
  });

  it("names the peers that there are to who asks for none of them", async () => {
    await announce();
    const body = await refused(service("not an id", "echo"), "ERROR_CODE_PEER_NOT_FOUND");
    expect(body.choices).to.deep.equal([PROVIDER]);
  });

  for (const name of ["nope", "", "ECHO", "../echo"]) {
    it(`names at most ten services to who asks for "${name}"`, async () => {
      await announce({ inway: inwayAt("inway.test", 443, ...MANY) });
      const body = await refused(service(PROVIDER, name), "ERROR_CODE_SERVICE_NOT_FOUND");
      expect(body.choices).to.deep.equal(MANY.slice(0, 10));
    });
  }

  it("does not show the services of a peer whose leases have all ended", async () => {
    await announce();
    opened.clock.advance(LEASE_MS);
    await opened.registry.expire();
    await refused(service(PROVIDER, "echo"), "ERROR_CODE_PEER_NOT_FOUND");
  });
});
