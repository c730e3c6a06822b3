// What the catalogue shows, through real processes: a directory, and the manager of a provider that publishes with it.
import type { ServiceError } from "@grpc/grpc-js";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { X509Certificate } from "node:crypto";
import { expect } from "chai";
import { loadBundle, type Bundle } from "../../certs/bundle.js";
import { loadGroup, type Group } from "../../certs/group.js";
import { clientTls } from "../../certs/tls.js";
import type { ErrorCode } from "../../core/errors.js";
import { dial } from "../../core/dial.js";
import type { PeerId } from "../../core/names.js";
import { RemoteError, type ManagerEndpoint } from "../../fsc/manager-interface.js";
import {
  ContractStateName,
  ServiceVisibility,
  SignatureKind,
} from "../../proto/gen/schakel/manager/v1/administration.js";
import { contentOf, publication, signed } from "../support/fsc-contracts.js";
import { contentHash } from "../../contracts/hash.js";
import { PEERS, RESOLVE } from "../support/network-peers.js";
import { Network } from "../support/network.js";
import { PeerManager } from "../support/peer-manager.js";
import { provoked } from "../support/provoked.js";
import { makeList } from "../support/revocation.js";
import { schakel } from "../support/schakel.js";
import { Stranger, type Message } from "../support/stranger.js";
import { temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

const { directory: DIRECTORY, provider: PROVIDER, consumer: CONSUMER } = PEERS;
const GROUP = "test";
const PROTOCOL = "PROTOCOL_TCP_HTTP_1.1";
const POLICY = {
  ports: undefined,
  privateAddresses: true,
  hosts: new Map(RESOLVE.split(",").map((each) => each.split("=") as [string, string])),
};
const WAIT_MS = 30_000;
/** A service's end must show within seconds, also on a machine that is busy. */
const GONE_MS = 10_000;
const ALL = { cursor: undefined, limit: 100, sortOrder: "ascending" } as const;

describe("system/publication", function () {
  this.timeout(180_000);
  const flags: string[] = [];
  let network: Network;
  let group: Group;
  /** A peer without a manager process: it says to the directory what a test wants said. */
  let other: PeerManager;
  let otherBundle: Bundle;
  let endpoint: ManagerEndpoint;
  let provider: Stranger;
  let stream: ReturnType<Stranger["watch"]>;
  /** What each message of the stream said is published of the provider's inway. */
  const streamed: (readonly string[])[] = [];

  before(async () => {
    network = await Network.prepare({ flags: { directory: flags } });
    group = await loadGroup(network.group.groupFile);
    otherBundle = await loadBundle(network.peers.consumer.files, group);
    other = await PeerManager.start(group, otherBundle, POLICY);
    const address = { host: DIRECTORY.host, port: network.directoryPort };
    endpoint = { peerId: DIRECTORY.peerId as PeerId, address };
    await network.startDirectory();
    await network.startManager("provider");
    await begin();
  });
  after(async () => {
    stream.cancel();
    provider.close();
    await other.close();
    await network.stop();
  });

  /** The provider as its inway and as somebody who watches. */
  const begin = async (): Promise<void> => {
    provider = new Stranger(network.group, network.peers.provider, ...at());
    stream = provider.watch({ group_id: GROUP });
    stream.on("error", () => undefined);
    stream.on("data", (message: Message) => {
      for (const each of (message["upserted"] ?? []) as Message[]) {
        streamed.push((each["published_services"] ?? []) as string[]);
      }
    });
    await once(stream, "data");
    streamed.length = 0;
    await announce("echo", "secret");
  };
  const at = (): [string, number] => [DIRECTORY.host, network.directoryPort];
  const restart = async (...changed: readonly string[]): Promise<void> => {
    stream.cancel();
    provider.close();
    await network.member("directory").running.stop();
    flags.splice(0, flags.length, ...changed);
    await network.startDirectory();
    await begin();
  };

  let sequence = Date.now();
  const announce = (...names: readonly string[]): Promise<Message> => {
    const services = names.map((name) => ({ name, protocol: "PROTOCOL_TCP_HTTP_1_1" }));
    return provider.call("Announce", {
      announcement: provider.sign({
        ...{ group_id: GROUP, peer_id: PROVIDER.peerId, component: "inway-1", version: "1" },
        ...{ sequence: String(sequence++), issued_at_ms: String(Date.now()) },
        valid_until_ms: String(Date.now() + 3_600_000),
        inway: { address: `${PROVIDER.host}:8443`, services },
      }),
    });
  };

  /** The names of the provider's services in each of the three ways in which a directory shows them. */
  const listed = async (): Promise<readonly string[]> => {
    const { services } = await provider.call("ListServices", { group_id: GROUP });
    return ((services ?? []) as { readonly service: { readonly name: string } }[]).map(
      ({ service }) => service.name,
    );
  };
  const listedToManagers = async (): Promise<readonly string[]> => {
    const query = { ...ALL, peerId: undefined, nameContains: undefined };
    const { items } = await other.client.services(endpoint, query);
    return items.map(({ name }) => name);
  };
  const shown = async () => ({
    listed: await listed(),
    managers: await listedToManagers(),
    streamed: streamed.at(-1) ?? [],
  });
  const untilShown = async (...names: readonly string[]): Promise<void> => {
    const wanted = JSON.stringify({ listed: names, managers: names, streamed: names });
    let last = "";
    await until(
      `${names.join(", ") || "nothing"} to be shown everywhere`,
      async () => (last = JSON.stringify(await shown())) === wanted,
      names.length === 0 ? GONE_MS : WAIT_MS,
    ).catch((error: unknown) => {
      throw new Error(`${last} is shown`, { cause: error });
    });
  };

  /** Proposes a publication at the provider's manager, as its people do. */
  const publish = async (name: string, validitySeconds = 86_400n): Promise<string> => {
    const administrator = await network.administrator("provider");
    const service = {
      ...{ name, sourceUrl: "http://127.0.0.1:9", protocol: PROTOCOL, openapiPath: "" },
      ...{ contact: "", inways: [], publishedIn: [] },
      visibility: ServiceVisibility.SERVICE_VISIBILITY_GROUP,
    };
    await administrator.call("putService", { service });
    const { contract } = await administrator.call("publishService", {
      ...{ name, directoryPeerId: DIRECTORY.peerId, delegatorPeerId: "" },
      validitySeconds,
    });
    if (contract === undefined) throw new Error("the manager answered without a contract");
    return contract.hash;
  };
  const revoke = async (hash: string): Promise<void> => {
    const administrator = await network.administrator("provider");
    await administrator.call("signContract", { hash, kind: SignatureKind.SIGNATURE_KIND_REVOKE });
  };
  const isFirst = (text: string): string => text.slice(0, 21);

  it("shows a service that its peer publishes, and never one that an inway announces alone", async () => {
    expect(await shown()).to.deep.equal({ listed: [], managers: [], streamed: [] });
    const hash = await publish("echo");
    await untilShown("echo");
    const query = { ...ALL, peerId: undefined, nameContains: "ECH" };
    const [first] = (await other.client.services(endpoint, query)).items;
    expect(first).to.deep.include({
      ...{ peerId: PROVIDER.peerId, peerName: PROVIDER.name, name: "echo", protocol: PROTOCOL },
      delegator: undefined,
    });
    const get = { group_id: GROUP, peer_id: PROVIDER.peerId, service_name: "secret" };
    const error: unknown = await provider
      .call("GetService", get)
      .catch((thrown: unknown) => thrown);
    expect((error as ServiceError).metadata.get("fsc-error-code")).to.deep.equal([
      "ERROR_CODE_SERVICE_NOT_FOUND",
    ]);
    await revoke(hash);
    await untilShown();
  });

  it("shows what is published also after a kill and a restart, and what was withdrawn not", async () => {
    const withdrawn = await publish("secret");
    await publish("echo");
    await untilShown("echo", "secret");
    await revoke(withdrawn);
    await untilShown("echo");
    const { running } = network.member("directory");
    running.kill("SIGKILL");
    await running.exited;
    await restart();
    await untilShown("echo");
  });

  it("shows a service no longer when time has ended its contract", async () => {
    await publish("secret", 6n);
    await untilShown("echo", "secret");
    await untilShown("echo");
  });

  it("takes the addresses of managers, and lists them by filters with the names of their certificates", async () => {
    await other.client.announce(endpoint);
    const names = async (changes: {
      readonly nameContains?: string;
      readonly peerIds?: readonly PeerId[];
    }): Promise<readonly string[]> => {
      const query = { ...ALL, nameContains: undefined, peerIds: [], ...changes };
      return (await other.client.peers(endpoint, query)).items.map(({ name }) => name);
    };
    await until("both to be listed", async () => (await names({})).length === 2, WAIT_MS);
    expect(await names({})).to.deep.equal([PROVIDER.name, CONSUMER.name]);
    expect(await names({ nameContains: "ÜTRECHT" })).to.deep.equal([CONSUMER.name]);
    expect(await names({ nameContains: "%" })).to.deep.equal([]);
    expect(await names({ peerIds: [PROVIDER.peerId as PeerId] })).to.deep.equal([PROVIDER.name]);
    const query = { ...ALL, nameContains: undefined, peerIds: [otherBundle.identity.peerId] };
    const [found] = (await other.client.peers(endpoint, query)).items;
    expect(found?.managerAddress).to.deep.equal(other.caller.address);
  });

  const grantOf = (changes: Partial<Parameters<typeof publication>[0]>) =>
    publication({
      ...{ directory: DIRECTORY.peerId as PeerId, service: CONSUMER.peerId as PeerId },
      ...{ name: "refused", ...changes },
    });
  const refused: readonly (readonly [
    string,
    readonly Parameters<typeof publication>[0][],
    ErrorCode,
  ])[] = [
    [
      "that names another directory",
      [{ ...grantData(), directory: PROVIDER.peerId as PeerId }],
      "ERROR_CODE_RECEIVING_PEER_NOT_PART_OF_CONTRACT",
    ],
    [
      "that names another directory too",
      [grantData(), { ...grantData(), directory: PROVIDER.peerId as PeerId }],
      "ERROR_CODE_CONTRACT_INVALID",
    ],
    [
      "in the name of a peer that is no part of it",
      [{ ...grantData(), service: PROVIDER.peerId as PeerId }],
      "ERROR_CODE_SUBMITTING_PEER_NOT_PART_OF_CONTRACT",
    ],
    [
      "in the directory's own name",
      [{ ...grantData(), delegator: DIRECTORY.peerId as PeerId }],
      "ERROR_CODE_CONTRACT_INVALID",
    ],
  ];
  for (const [what, grants, code] of refused) {
    it(`refuses a publication ${what}, and keeps nothing of it`, async () => {
      const content = contentOf(group, grants.map(grantOf));
      const submission = await signed(content, otherBundle);
      const error: unknown = await other.client
        .submit(endpoint, "propose", submission, contentHash(content))
        .catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(RemoteError).with.property("code", code);
      const query = { ...ALL, grantType: undefined, grantHashes: [] };
      expect((await other.client.contracts(endpoint, query)).items).to.deep.equal([]);
    });
  }

  it("says in whose name a service is published, once that peer has agreed", async () => {
    const administrator = await network.administrator("provider");
    const { contract } = await administrator.call("publishService", {
      ...{ name: "secret", directoryPeerId: DIRECTORY.peerId, validitySeconds: 3600n },
      delegatorPeerId: CONSUMER.peerId,
    });
    const hash = contract?.hash ?? "";
    const query = { ...ALL, grantType: undefined, grantHashes: [] };
    const found = await until(
      "the delegator to be asked",
      async () => (await other.client.contracts(endpoint, query)).items[0],
      WAIT_MS,
    );
    expect(await listed()).to.deep.equal(["echo"]);
    const submission = await signed(found.content, otherBundle);
    await other.client.submit(endpoint, "accept", submission, contentHash(found.content));
    await untilShown("echo", "secret");
    const get = { group_id: GROUP, peer_id: PROVIDER.peerId, service_name: "secret" };
    const { service } = await provider.call("GetService", get);
    expect(service).to.have.property("delegator_peer_id", CONSUMER.peerId);
    const services = { ...ALL, peerId: undefined, nameContains: "secret" };
    const [shownToManagers] = (await other.client.services(endpoint, services)).items;
    expect(shownToManagers?.delegator).to.deep.equal({
      ...{ peerId: CONSUMER.peerId, name: CONSUMER.name },
    });
    await revoke(hash);
    await untilShown("echo");
  });

  it("answers managers that name no protocol, and those that would take HTTP/2 too", async () => {
    for (const alpn of [[], ["h2", "http/1.1"]]) {
      const socket = await dial({
        ...{ address: endpoint.address, policy: POLICY, timeoutMs: WAIT_MS },
        tls: clientTls(otherBundle, group, { peerId: endpoint.peerId, alpn }),
      });
      socket.write("GET /v1/peer HTTP/1.1\r\nHost: directory.test\r\nConnection: close\r\n\r\n");
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      expect(Buffer.concat(chunks).toString()).to.match(/^HTTP\/1\.1 200 /);
    }
  });

  describe("that holds publications", () => {
    const publications = (...args: readonly string[]) => {
      const as = (role: "directory" | "provider") => {
        const { cert, key } = network.peers[role].files;
        return ["--cert", cert, "--key", key];
      };
      const [verb = "", ...rest] = args;
      const own = rest.includes("--cert") ? [] : as("directory");
      const files = ["--group", network.group.groupFile, ...own, "--resolve", RESOLVE];
      const dialling = ["--allow-private-addresses", "--allow-any-port"];
      return schakel(["directory", "publications", verb, ...files, ...dialling, ...rest]);
    };
    let hash: string;

    before(async () => {
      await restart("--publications", "held");
      hash = await publish("secret");
      await until(
        "the contract to wait",
        async () => (await publications("list", "--waiting")).stdout.includes("secret"),
        WAIT_MS,
      );
    });

    it("shows none that waits, and lists it to its own people", async () => {
      await untilShown("echo");
      const { stdout } = await publications("list", "--waiting", "--state", "proposed");
      const [, line = "", ...more] = stdout.split("\n");
      expect(line)
        .to.contain(`'${isFirst(hash)}'`)
        .and.contain("proposed  for us");
      expect(line).to.contain(`${PROVIDER.name} (${PROVIDER.peerId})  secret`);
      expect(more).to.deep.equal([""]);
      const all = JSON.parse((await publications("list", "--json")).stdout) as Message[];
      expect(all.map(({ state }) => state)).to.include.members([
        ...["PUBLICATION_STATE_PROPOSED", "PUBLICATION_STATE_VALID", "PUBLICATION_STATE_REVOKED"],
      ]);
    });

    for (const [method, request] of [
      ["ListPublications", {}],
      ["DecidePublication", { contract_hash: "$1$1$1234567", decision: 1 }],
    ] as const) {
      it(`refuses ${method} of another peer`, async () => {
        const error: unknown = await provider
          .call(method, { group_id: GROUP, ...request })
          .catch((thrown: unknown) => thrown);
        const { metadata } = error as ServiceError;
        expect(metadata.get("fsc-error-code")).to.deep.equal(["ERROR_CODE_ROLE_NOT_ALLOWED"]);
        const body = JSON.parse(String(metadata.get("schakel-error-bin")[0])) as Message;
        expect(body).to.include({ domain: "ERROR_DOMAIN_DIRECTORY", location: "D1" });
        provoked("ERROR_CODE_ROLE_NOT_ALLOWED");
      });
    }

    it("shows it when it is approved, once, and no longer when it is revoked", async () => {
      const approved = await publications("approve", isFirst(hash));
      expect(approved.stdout, approved.stderr)
        .to.contain("Approved the publication")
        .and.contain("is valid now");
      await untilShown("echo", "secret");
      const again = await publications("approve", hash);
      expect(again.stdout).to.contain("Nothing has changed");
      const late = await publications("reject", hash);
      expect(late).to.deep.include({ code: 1, stdout: "" });
      expect(late.stderr).to.contain("does not allow this decision");
      const revoked = await publications("revoke", hash);
      expect(revoked.stdout).to.contain("Revoked the publication").and.contain("is revoked now");
      await untilShown("echo");
    });

    it("never shows one that is rejected, and tells its peer", async () => {
      const administrator = await network.administrator("provider");
      // Until its peer knows that the first has ended, it would name that one again.
      await until(
        "the peer to know of the end of the first",
        async () => {
          const { contract } = await administrator.call("getContract", { hash });
          return contract?.state === ContractStateName.CONTRACT_STATE_NAME_REVOKED;
        },
        WAIT_MS,
      );
      const unwanted = await publish("secret");
      await until(
        "the contract to come",
        async () => (await publications("list", "--waiting")).stdout.includes(isFirst(unwanted)),
        WAIT_MS,
      );
      const rejected = await publications("reject", unwanted);
      expect(rejected.stdout).to.contain("is rejected now");
      await until(
        "the peer to know",
        async () => {
          const { contract } = await administrator.call("getContract", { hash: unwanted });
          return contract?.signatures.some(({ peerId }) => peerId === DIRECTORY.peerId);
        },
        WAIT_MS,
      );
      await untilShown("echo");
    });

    const wrong: readonly (readonly [string, readonly string[], number, string])[] = [
      ["a hash that nobody has", ["approve", "$1$1$0000000000"], 1, "no contract with this hash"],
      ["a hash that is too short", ["approve", "$1$1$"], 1, "allowed are 10 to 100"],
      ["no hash", ["approve"], 2, "missing required argument"],
      ["a state that there is not", ["list", "--state", "lost"], 2, "Allowed choices are"],
      ["nonsense", ["nonsense"], 2, "error"],
    ];
    for (const [what, args, code, text] of wrong) {
      it(`refuses ${what} with exit code ${String(code)}`, async () => {
        const result = await publications(...args);
        expect(result, result.stderr).to.deep.include({ code, stdout: "" });
        expect(result.stderr).to.contain(text);
      });
    }
  });

  it("counts what it has published and what has not been delivered", async () => {
    const { healthPort } = network.member("directory");
    const page = await (await fetch(`http://127.0.0.1:${String(healthPort)}/metrics`)).text();
    expect(page).to.match(/^schakel_directory_services_published 1$/m);
    expect(page).to.match(/^schakel_directory_deliveries_waiting \d+$/m);
    expect(page).to.match(/^schakel_directory_revocation_list_problems 0$/m);
    expect(page).to.match(/^schakel_directory_manager_connections \d+$/m);
  });

  // Last of all: the provider is out of the group after it.
  describe("with revocation lists", () => {
    it("refuses and ends the connections of a peer that a revocation list names, and warns of a list that is not there", async () => {
      const file = join(temporaryFolder(), "issuing.crl");
      await restart("--revocation-lists", `${file}.missing,${file}`);
      const { healthPort, running } = network.member("directory");
      await until("a warning", async () => {
        const ready = await fetch(`http://127.0.0.1:${String(healthPort)}/health/ready`);
        const { warnings } = (await ready.json()) as { readonly warnings?: Message };
        return ready.status === 200 && String(warnings?.["revocation lists"]).includes("missing");
      });
      const { serialNumber } = new X509Certificate(
        await readFile(network.peers.provider.files.cert),
      );
      const dir = temporaryFolder();
      const ended = once(stream, "end").catch((error: unknown) => error);
      await writeFile(
        file,
        await makeList({ dir, issuer: network.group.issuer, revoked: [serialNumber] }),
      );
      await ended;
      await running.waitForLine(
        ({ fields }) => String(fields["reason"]).includes("revoked"),
        WAIT_MS,
      );
      const error: unknown = await provider
        .call("ListPeers", { group_id: GROUP })
        .catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(Error);
      expect(await listedToManagers()).to.deep.equal(["echo"]);
    });
  });
});

/** A publication with this directory by the peer that the tests speak for. */
function grantData(): Parameters<typeof publication>[0] {
  return {
    ...{ directory: DIRECTORY.peerId as PeerId, service: CONSUMER.peerId as PeerId },
    name: "refused",
  };
}
