// Tokens from a manager, asked for over FSC: for a contract in force, with the connected inways in them, and
// verified as an inway does with the keys that the manager lists.
import { expect } from "chai";
import { BundleSource } from "../../certs/bundle.js";
import { GroupSource } from "../../certs/group.js";
import { openManager } from "../../component/manager-channel.js";
import type { GrantHash } from "../../contracts/hash.js";
import { tokenKeysOf, verifyToken } from "../../contracts/token-check.js";
import { systemClock } from "../../core/clock.js";
import { formatAddress } from "../../core/address.js";
import { openManagerClient } from "../../fsc/fsc-client.js";
import type { ManagerClient, RemoteError } from "../../fsc/manager-interface.js";
import { SignatureKind } from "../../proto/gen/schakel/manager/v1/administration.js";
import { ComponentServiceClient } from "../../proto/gen/schakel/manager/v1/component.js";
import { accessRequest, Organisations, service, type Organisation } from "../support/managers.js";
import { recordedLog } from "../support/recorded-log.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

describe("tokens from a manager", function () {
  this.timeout(60_000);
  let network: Organisations;
  let provider: Organisation;
  let consumer: Organisation;
  let groups: GroupSource;
  let bundles: BundleSource;
  let client: ManagerClient;
  let inway: ComponentServiceClient;
  let hash: string;
  let grant: GrantHash;

  before(async () => {
    network = await Organisations.start(3);
    provider = network.at(1);
    consumer = network.at(2);
    const { log } = recordedLog();
    groups = await GroupSource.open(network.group.groupFile, log);
    bundles = await BundleSource.open(consumer.peer.files, groups, log);
    const { publicKeyThumbprint } = bundles.current.identity;
    await provider.call("putService", { service: service({ inways: ["inway-1"] }) });
    const hosts = new Map(network.all.map(({ address }) => [address.host, "127.0.0.1"]));
    const policy = () => ({ ports: undefined, privateAddresses: true, hosts });
    client = openManagerClient({
      ...{ groups, bundles, policy, ownAddress: undefined, clock: systemClock, log },
    });
    inway = await openManager(ComponentServiceClient, {
      bundle: await provider.pki.bundle("inway", "inway-1"),
      address: provider.manager.internalAddress,
    });
    const { contract } = await consumer.call(
      "requestAccess",
      accessRequest({ peerId: provider.peerId, publicKeyThumbprint }),
    );
    hash = contract?.hash ?? "";
    grant = (contract?.grantHashes[0] ?? "") as GrantHash;
    await until("the request to arrive", async () =>
      provider.call("getContract", { hash }).catch(() => undefined),
    );
  });

  after(async () => {
    inway.close();
    bundles.close();
    groups.close();
    await network.remove();
    removeTemporaryFolders();
  });

  const token = () =>
    client.token({ peerId: provider.peer.peerId as never, address: provider.address }, grant);

  const refusal = async (): Promise<string | undefined> => {
    try {
      await token();
    } catch (error) {
      return `${(error as RemoteError).code ?? ""}: ${(error as RemoteError).detail}`;
    }
    return undefined;
  };

  const decide = (kind: SignatureKind) => provider.call("signContract", { hash, kind });

  it("are refused before the contract is accepted", async () => {
    expect(await refusal()).to.match(/^invalid_grant: .*not been accepted/);
  });

  it("are refused while no inway offers the service", async () => {
    await decide(SignatureKind.SIGNATURE_KIND_ACCEPT);
    expect(await refusal()).to.match(/^invalid_scope: no inway offers the service echo now/);
  });

  it("name the connected inways, and are verified with the keys that components are told", async () => {
    const source = await BundleSource.open(provider.peer.files, groups, recordedLog().log);
    const stream = inway.watchState({
      ...{ groupId: groups.current.id, version: "1.0.0" },
      certificateChain: source.current.chain.map(({ raw }) => raw),
      address: formatAddress(provider.address),
    });
    stream.on("error", () => undefined);
    stream.resume();
    const text = await until("a token", () => token().catch(() => undefined));
    const verdict = await verifyToken(text, {
      ...{ groupId: groups.current.id, peerIdRule: groups.current.peerIdRule },
      servicePeerId: source.current.identity.peerId,
      certificateThumbprint: bundles.current.identity.certificateThumbprint,
      keys: tokenKeysOf(provider.manager.state.feed.tokenSigners()),
      now: Date.now(),
    });
    expect(verdict.ok ? verdict.token.inways : verdict.reason).to.deep.equal([provider.address]);
    const { components } = await provider.call("listComponents", {});
    expect(components.map(({ role, name, connected }) => [role, name, connected])).to.deep.equal([
      ["inway", "inway-1", true],
    ]);
    source.close();
    stream.cancel();
  });

  it("are refused to whoever is no party of the contract", async () => {
    const { log } = recordedLog();
    const stranger = await BundleSource.open(network.at(0).peer.files, groups, log);
    const hosts = new Map([[provider.address.host, "127.0.0.1"]]);
    const asking = openManagerClient({
      ...{ groups, bundles: stranger, ownAddress: undefined, clock: systemClock, log },
      policy: () => ({ ports: undefined, privateAddresses: true, hosts }),
    });
    const error: unknown = await asking
      .token({ peerId: provider.peerId as never, address: provider.address }, grant)
      .catch((thrown: unknown) => thrown);
    stranger.close();
    expect(error).to.have.property("code", "invalid_scope");
  });

  it("are refused once the contract is revoked", async () => {
    await decide(SignatureKind.SIGNATURE_KIND_REVOKE);
    expect(await refusal()).to.match(/^invalid_grant: .*revoked/);
  });
});
