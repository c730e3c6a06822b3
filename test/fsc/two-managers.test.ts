// Two contract books that meet over the network as they will: our client, TLS with the group's certificates,
// our server, and a token at the end.
import { expect } from "chai";
import { admit, serverTls } from "../../certs/tls.js";
import { SIGNATURE_TYPES } from "../../contracts/signature.js";
import { tokenKeysOf, verifyToken } from "../../contracts/token-check.js";
import type { Address } from "../../core/address.js";
import { systemClock } from "../../core/clock.js";
import type { DialPolicy } from "../../core/dial.js";
import type { PeerId } from "../../core/names.js";
import { serveTls, type TlsListener } from "../../core/tls-server.js";
import { openManagerClient } from "../../fsc/fsc-client.js";
import { FscServer } from "../../fsc/fsc-server.js";
import {
  RemoteError,
  type ManagerClient,
  type ManagerHandlers,
} from "../../fsc/manager-interface.js";
import type { StoredContract } from "../../fsc/stored-contract.js";
import { issueToken } from "../../fsc/token-issuer.js";
import { connection, contentOf, ECHO } from "../support/fsc-contracts.js";
import { Certified, Organisation, silentLog } from "../support/organisations.js";
import { removeTemporaryFolders } from "../support/temporary.js";

const INWAYS = [{ host: "inway.test", port: 443 }];
const POLICY: DialPolicy = {
  ports: undefined,
  privateAddresses: true,
  hosts: new Map(["manager2.test", "manager3.test"].map((name) => [name, "127.0.0.1"])),
};

const listedOf = ({ content, signatures }: StoredContract) => {
  const of = (type: string): ReadonlyMap<PeerId, string> =>
    new Map(signatures.flatMap((each) => (each.type === type ? [[each.signer, each.jws]] : [])));
  const [accept, reject, revoke] = SIGNATURE_TYPES.map(of) as [
    ReadonlyMap<PeerId, string>,
    ReadonlyMap<PeerId, string>,
    ReadonlyMap<PeerId, string>,
  ];
  return { content, signatures: { accept, reject, revoke } };
};

/** What an organisation's manager will answer with, its book behind it. */
const handlersOf = (own: Organisation): ManagerHandlers => ({
  announce: ({ identity: { peerId: id, name }, address: managerAddress }) =>
    own.peers.note({ id, name, managerAddress }),
  receive: async (kind, submission, from, hashInUrl) => {
    await own.book.receive(kind, submission, from, hashInUrl);
  },
  listContracts: async (query, caller) => {
    const { items, nextCursor } = await own.book.list({ ...query, party: caller.peerId });
    return { items: items.map(listedOf), nextCursor };
  },
  issueToken: (form, caller) =>
    issueToken(
      {
        findGrant: (hash) => own.book.findGrant(hash),
        inwaysOf: (service) => (service === ECHO ? INWAYS : []),
        ...{ group: own.group, bundle: own.bundles.current, lifetimeSeconds: 600 },
        clock: systemClock,
      },
      form,
      caller,
    ),
  describe: () => ({
    ...{ peerId: own.peerId, name: "x", fscVersion: "2.0.0" },
    extensions: new Map<string, string>(),
  }),
  listPeers: (query) => own.peers.list(query),
  listServices: () => Promise.resolve({ items: [], nextCursor: undefined }),
  certificates: () => own.book.certificates(),
});

class Networked {
  private constructor(
    readonly own: Organisation,
    readonly address: Address,
    readonly client: ManagerClient,
    private readonly serving: { readonly listener: TlsListener; readonly server: FscServer },
  ) {}

  static async open(certified: Certified, index: number): Promise<Networked> {
    const own = new Organisation(certified, index);
    const { group, bundles } = own;
    const groups = { current: group };
    const clock = systemClock;
    const server = new FscServer({
      ...{ handlers: handlersOf(own), groups, log: silentLog, clock, allowAnyPort: true },
    });
    const listener = await serveTls({
      address: { host: "127.0.0.1", port: 0 },
      tls: () => serverTls(bundles.current, group, ["http/1.1"]),
      admit: (socket) => admit(socket, group),
      connected: (socket, caller) => server.accept(socket, caller),
      ...{ connectionsMax: 100, log: silentLog },
    });
    const address = { host: own.address.host, port: listener.address.port };
    const client = openManagerClient({
      ...{ groups, bundles, policy: () => POLICY, ownAddress: address, clock, log: silentLog },
    });
    await own.open(clock, client);
    return new Networked(own, address, client, { listener, server });
  }

  get endpoint() {
    return { peerId: this.own.peerId, address: this.address };
  }

  async close(): Promise<void> {
    await this.serving.listener.close();
    await this.serving.server.close();
    await this.own.close();
  }
}

describe("fsc, two managers", function () {
  this.timeout(60_000);
  let certified: Certified;
  let consumer: Networked;
  let provider: Networked;

  before(async () => {
    certified = await Certified.create(3, 1);
  });

  after(async () => {
    await certified.remove();
    removeTemporaryFolders();
  });

  beforeEach(async () => {
    // The first is the directory that the group names, which is somewhere else.
    consumer = await Networked.open(certified, 1);
    provider = await Networked.open(certified, 2);
    await consumer.client.announce(provider.endpoint);
    await provider.client.announce(consumer.endpoint);
  });

  afterEach(async () => {
    await consumer.close();
    await provider.close();
  });

  const agree = async (): Promise<StoredContract> => {
    const [outway, service] = [consumer, provider].map(({ own }) => own.bundles.current);
    const grant = connection({ outway: outway!, service: service! });
    const content = contentOf(certified.group, [grant]);
    const { contract } = await consumer.own.book.propose(content);
    await consumer.own.book.deliverDue();
    await provider.own.book.decide(contract.hash, "accept");
    await provider.own.book.deliverDue();
    await provider.own.book.deliverDue();
    return (await consumer.own.book.get(contract.hash))!;
  };

  it("agree on a contract, and one gets a token that the other's inway takes", async () => {
    const contract = await agree();
    expect(contract.decision).to.equal("ACCEPTED");
    const token = await consumer.client.token(provider.endpoint, contract.grants[0]!.hash);
    const verdict = await verifyToken(token, {
      keys: tokenKeysOf([provider.own.bundles.current.chain[0]!]),
      ...{ groupId: certified.group.id, peerIdRule: certified.group.peerIdRule },
      servicePeerId: provider.own.peerId,
      certificateThumbprint: consumer.own.bundles.current.identity.certificateThumbprint,
      now: Date.now(),
    });
    expect(verdict.ok, JSON.stringify(verdict)).to.equal(true);
  });

  it("list the contract to each other, with both signatures", async () => {
    const { hash } = await agree();
    const query = { cursor: undefined, limit: 10, sortOrder: "descending" } as const;
    const every = { ...query, grantType: undefined, grantHashes: [] };
    for (const [asking, asked] of [
      [consumer, provider],
      [provider, consumer],
    ] as const) {
      const { items } = await asking.client.contracts(asked.endpoint, every);
      expect(items.map(({ signatures }) => [...signatures.accept.keys()].sort())).to.deep.equal([
        [consumer.own.peerId, provider.own.peerId].sort(),
      ]);
      expect((await asked.own.book.get(hash))?.decision).to.equal("ACCEPTED");
    }
  });

  it("give no token after a revocation, and say why", async () => {
    const { hash, grants } = await agree();
    await consumer.own.book.decide(hash, "revoke");
    await consumer.own.book.deliverDue();
    const error: unknown = await consumer.client
      .token(provider.endpoint, grants[0]!.hash)
      .catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(RemoteError);
    expect(error).to.include({ status: 400, code: "invalid_grant" });
    expect((error as RemoteError).detail).to.contain("revoked");
  });
});
