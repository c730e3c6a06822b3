// The work flow of organisations over real FSC connections: request, approve, reject, withdraw, revoke, rules
// and delegation.
import { expect } from "chai";
import {
  ContractStateName as State,
  SignatureKind as Kind,
  type RequestAccessRequest,
} from "../../proto/gen/schakel/manager/v1/administration.js";
import { accessRequest, Organisations, service, type Organisation } from "../support/managers.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

const WAIT_MS = 60_000;
const {
  CONTRACT_STATE_NAME_PROPOSED: PROPOSED,
  CONTRACT_STATE_NAME_VALID: VALID,
  CONTRACT_STATE_NAME_REJECTED: REJECTED,
  CONTRACT_STATE_NAME_REVOKED: REVOKED,
} = State;
const {
  SIGNATURE_KIND_ACCEPT: ACCEPT,
  SIGNATURE_KIND_REJECT: REJECT,
  SIGNATURE_KIND_REVOKE: REVOKE,
} = Kind;

const EVERY = {
  ...{ state: State.CONTRACT_STATE_NAME_UNSPECIFIED, peerId: "", serviceName: "" },
  ...{ grantType: "", waitingForUs: false, pageSize: 1000, pageToken: "" },
};

/** Waits until a contract has a state at an organisation. */
const reaches = (at: Organisation, hash: string, state: State) =>
  until(
    `contract ${hash.slice(0, 15)} to be in state ${state} at ${at.peer.name}`,
    async () => {
      const { contracts } = await at.call("listContracts", EVERY);
      return contracts.find((each) => each.hash === hash && each.state === state);
    },
    WAIT_MS,
  );

describe("the work flow between managers", function () {
  this.timeout(180_000);
  let network: Organisations;
  let directory: Organisation;
  let provider: Organisation;
  let consumer: Organisation;
  let third: Organisation;
  let key = 0;

  /** A key that no other test asks for. */
  const newKey = (): string => (key += 1).toString(16).padStart(64, "0");

  const request = async (changes: Partial<RequestAccessRequest> = {}, by = consumer) => {
    const { contract, created } = await by.call(
      "requestAccess",
      accessRequest({ peerId: provider.peerId, publicKeyThumbprint: newKey(), ...changes }),
    );
    if (contract === undefined) throw new Error("the answer has no contract");
    return { hash: contract.hash, contract, created };
  };

  const sign = (by: Organisation, hash: string, kind: Kind) =>
    by.call("signContract", { hash, kind });

  before(async () => {
    network = await Organisations.start(4);
    directory = network.at(0);
    provider = network.at(1);
    consumer = network.at(2);
    third = network.at(3);
    await provider.call("putService", { service: service() });
  });

  after(async () => {
    await network.remove();
    removeTemporaryFolders();
  });

  it("brings a request to the provider, whose approval makes it valid on both sides", async () => {
    const { hash, contract, created } = await request();
    expect(created).to.equal(true);
    expect(contract.state).to.equal(PROPOSED);
    expect(contract.missingPeerIds).to.deep.equal([provider.peerId]);
    const arrived = await reaches(provider, hash, PROPOSED);
    expect(arrived.missingPeerIds).to.deep.equal([provider.peerId]);
    expect(arrived.summary[0]).to.match(
      /^Organisation 3 \(0{19}3\) may use the service "echo" of Organisation 2 \(0{19}2\), with the outway with the public key 0{63}1\.$/,
    );
    const signed = await sign(provider, hash, ACCEPT);
    expect(signed.changed).to.equal(true);
    expect(signed.contract?.state).to.equal(VALID);
    const valid = await reaches(consumer, hash, VALID);
    expect(valid.signatures.map(({ peerId, kind }) => [peerId, kind])).to.have.deep.members([
      [consumer.peerId, ACCEPT],
      [provider.peerId, ACCEPT],
    ]);
    expect(valid.missingPeerIds).to.be.empty;
    expect(valid.summary.at(-1)).to.equal("It is in force.");
    expect((await sign(provider, hash, ACCEPT)).changed).to.equal(false);
  });

  it("lets the provider reject a request, for good", async () => {
    const { hash } = await request();
    await reaches(provider, hash, PROPOSED);
    await sign(provider, hash, REJECT);
    await reaches(consumer, hash, REJECTED);
    for (const [who, kind] of [
      [provider, ACCEPT],
      [consumer, REVOKE],
    ] as const) {
      const error: unknown = await sign(who, hash, kind).catch((thrown: unknown) => thrown);
      expect(error).to.have.property("code", "ERROR_CODE_CONTRACT_DECIDED");
    }
  });

  it("lets whoever asked withdraw a request", async () => {
    const { hash } = await request();
    await reaches(provider, hash, PROPOSED);
    await sign(consumer, hash, REVOKE);
    await reaches(provider, hash, REVOKED);
    const error: unknown = await sign(provider, hash, ACCEPT).catch((thrown: unknown) => thrown);
    expect(error).to.have.property("code", "ERROR_CODE_CONTRACT_DECIDED");
  });

  it("lets either side revoke what was agreed", async () => {
    for (const [by, other] of [
      [provider, consumer],
      [consumer, provider],
    ] as const) {
      const { hash } = await request();
      await reaches(provider, hash, PROPOSED);
      await sign(provider, hash, ACCEPT);
      await reaches(consumer, hash, VALID);
      await sign(by, hash, REVOKE);
      await reaches(other, hash, REVOKED);
    }
  });

  it("names the contract that waits or is valid when the same is asked again", async () => {
    const publicKeyThumbprint = newKey();
    const first = await request({ publicKeyThumbprint });
    const again = await request({ publicKeyThumbprint: publicKeyThumbprint.toUpperCase() });
    expect([again.hash, again.created]).to.deep.equal([first.hash, false]);
    await reaches(provider, first.hash, PROPOSED);
    await sign(provider, first.hash, ACCEPT);
    await reaches(consumer, first.hash, VALID);
    const valid = await request({ publicKeyThumbprint });
    expect([valid.hash, valid.created]).to.deep.equal([first.hash, false]);
  });

  it("makes one contract of many requests at the same time", async () => {
    const publicKeyThumbprint = newKey();
    const all = await Promise.all(
      Array.from({ length: 5 }, () => request({ publicKeyThumbprint })),
    );
    expect(new Set(all.map(({ hash }) => hash)).size).to.equal(1);
    expect(all.filter(({ created }) => created)).to.have.length(1);
  });

  it("makes another contract where the one that is there does not serve", async () => {
    const publicKeyThumbprint = newKey();
    const now = BigInt(Math.floor(Date.now() / 1000));
    const first = await request({ publicKeyThumbprint, notAfter: now + 1000n });
    const cases: Partial<RequestAccessRequest>[] = [
      { publicKeyThumbprint, notAfter: now + 2000n },
      { publicKeyThumbprint, notBefore: now - 5000n, notAfter: now + 900n },
      { publicKeyThumbprint },
      { publicKeyThumbprint: newKey() },
      { publicKeyThumbprint: "", domainName: "outway.consumer.test" },
    ];
    for (const changes of cases) {
      const { hash, created } = await request(changes);
      expect([hash === first.hash, created]).to.deep.equal([false, true]);
    }
  });

  it("asks again after a rejection", async () => {
    const publicKeyThumbprint = newKey();
    const { hash } = await request({ publicKeyThumbprint });
    await reaches(provider, hash, PROPOSED);
    await sign(provider, hash, REJECT);
    await reaches(consumer, hash, REJECTED);
    expect((await request({ publicKeyThumbprint })).created).to.equal(true);
  });

  it("accepts by a rule, also what waits when the rule is made, and says so in the audit log", async () => {
    const waiting = await request({}, third);
    await reaches(provider, waiting.hash, PROPOSED);
    const wanted = { id: "", serviceName: "echo", validitySecondsMax: 400n * 86_400n };
    const rule = { ...wanted, peerId: third.peerId };
    const added = await provider.call("addAccessRule", { rule });
    await reaches(third, waiting.hash, VALID);
    expect((await provider.call("addAccessRule", { rule })).created).to.equal(false);

    const later = await request({}, third);
    await reaches(third, later.hash, VALID);
    const other = await request({});
    await reaches(provider, other.hash, PROPOSED);
    const tooLong = await request(
      { notAfter: BigInt(Math.floor(Date.now() / 1000)) + 401n * 86_400n },
      third,
    );
    await reaches(provider, tooLong.hash, PROPOSED);

    const { records } = await provider.call("listAuditRecords", { pageSize: 1000, pageToken: "" });
    const byRule = records.filter(({ user }) => user.startsWith("rule "));
    expect(
      byRule.map(({ user, component, action, subject, outcome }) => ({
        user,
        component,
        action,
        subject,
        outcome,
      })),
    ).to.deep.equal(
      [later, waiting].map(({ hash }) => ({
        ...{ user: `rule ${added.rule?.id ?? ""}`, component: "", action: "SignContract" },
        ...{ subject: JSON.stringify({ hash, kind: "accept" }), outcome: "succeeded" },
      })),
    );

    await provider.call("removeAccessRule", { id: added.rule?.id ?? "" });
    const last = await request({}, third);
    await reaches(provider, last.hash, PROPOSED);
    await provider.manager.state.automatic.settled();
    for (const { hash } of [other, tooLong, last]) await reaches(provider, hash, PROPOSED);
  });

  it("delegates a connection to another's outway, with three signatures", async () => {
    const { hash, contract } = await request({ outwayPeerId: third.peerId });
    expect(contract.missingPeerIds).to.have.members([provider.peerId, third.peerId]);
    await reaches(third, hash, PROPOSED);
    await sign(third, hash, ACCEPT);
    await reaches(provider, hash, PROPOSED);
    await sign(provider, hash, ACCEPT);
    for (const each of [consumer, provider, third]) {
      const valid = await reaches(each, hash, VALID);
      expect(valid.signatures).to.have.length(3);
      expect(valid.summary[0]).to.contain("acting for Organisation 3");
    }
  });

  it("delegates connection and service both, with four signatures", async () => {
    const { hash, contract } = await request({
      ...{ delegatorPeerId: third.peerId, serviceDelegatorPeerId: directory.peerId },
    });
    expect(contract.missingPeerIds).to.have.members([
      ...[provider.peerId, third.peerId, directory.peerId],
    ]);
    for (const each of [provider, third, directory]) {
      await reaches(each, hash, PROPOSED);
      await sign(each, hash, ACCEPT);
    }
    for (const each of [provider, third, directory, consumer]) {
      expect((await reaches(each, hash, VALID)).signatures).to.have.length(4);
    }
  });

  it("publishes a service in the only directory, once, and shows where it is published", async () => {
    const publish = () =>
      provider.call("publishService", {
        ...{ name: "echo", directoryPeerId: "", validitySeconds: 0n, delegatorPeerId: "" },
      });
    const { contract, created } = await publish();
    const again = await publish();
    expect([created, again.created]).to.deep.equal([true, false]);
    expect(again.contract?.hash).to.equal(contract?.hash);
    const published = async () =>
      (await provider.call("listServices", {})).services[0]?.publishedIn;
    expect(await published()).to.deep.equal([]);
    const hash = contract?.hash ?? "";
    await reaches(directory, hash, PROPOSED);
    await sign(directory, hash, ACCEPT);
    await reaches(provider, hash, VALID);
    expect(await published()).to.deep.equal([directory.peerId]);
    await sign(provider, hash, REVOKE);
    expect(await published()).to.deep.equal([]);
  });

  it("publishes in the name of another, with three signatures", async () => {
    const { contract } = await provider.call("publishService", {
      ...{ name: "echo", directoryPeerId: directory.peerId, validitySeconds: 86_400n },
      delegatorPeerId: third.peerId,
    });
    const hash = contract?.hash ?? "";
    for (const each of [directory, third]) {
      await reaches(each, hash, PROPOSED);
      await sign(each, hash, ACCEPT);
    }
    for (const each of [directory, third, provider]) {
      expect((await reaches(each, hash, VALID)).signatures).to.have.length(3);
    }
  });

  it("proposes a content that somebody wrote, once", async () => {
    const now = Math.floor(Date.now() / 1000);
    const outway = {
      peer_id: consumer.peerId,
      identification: {
        type: "OUTWAY_IDENTIFICATION_TYPE_DOMAIN_NAME",
        domain_name: "hand.written.test",
      },
    };
    const data = {
      ...{ type: "GRANT_TYPE_SERVICE_CONNECTION", outway },
      service: { type: "SERVICE_TYPE_SERVICE", peer_id: provider.peerId, name: "echo" },
    };
    const content = Buffer.from(
      JSON.stringify({
        ...{ group_id: "test", hash_algorithm: "HASH_ALGORITHM_SHA3_512" },
        ...{ validity: { not_before: now, not_after: now + 1000 }, grants: [{ data }] },
      }),
    );
    const first = await consumer.call("proposeContract", { content });
    const again = await consumer.call("proposeContract", { content });
    expect([first.created, again.created]).to.deep.equal([true, false]);
    expect(again.contract?.hash).to.equal(first.contract?.hash);
    const whole = await consumer.call("proposeContract", {
      content: first.contract?.content ?? Buffer.of(),
    });
    expect(whole.created).to.equal(false);
    await reaches(provider, first.contract?.hash ?? "", PROPOSED);
  });

  it("delivers what was signed while the other manager was away, and shows that it waits", async () => {
    await provider.stop();
    const { hash } = await request();
    const shown = await until(
      "a failed delivery to be shown",
      async () => {
        const { contract } = await consumer.call("getContract", { hash });
        return contract?.deliveries.find(({ lastError }) => lastError !== "");
      },
      WAIT_MS,
    );
    expect(shown.peerId).to.equal(provider.peerId);
    expect(shown.attempts).to.be.greaterThan(0);
    await provider.start();
    await reaches(provider, hash, PROPOSED);
    await until("nothing to wait", async () => {
      const { contract } = await consumer.call("getContract", { hash });
      return contract?.deliveries.length === 0;
    });
  });

  it("knows the peers that have announced themselves, with the version that they speak", async () => {
    const { peers } = await until("every peer to be known", async () => {
      const found = await consumer.call("listPeers", {
        ...{ nameContains: "", pageSize: 0, pageToken: "" },
      });
      const [first] = found.peers.filter(({ id }) => id === provider.peerId);
      return found.peers.length === 3 && first?.fscVersion === "2.0.0" ? found : undefined;
    });
    expect(peers.map(({ id }) => id)).to.deep.equal([
      ...[directory.peerId, provider.peerId, third.peerId],
    ]);
  });
});
