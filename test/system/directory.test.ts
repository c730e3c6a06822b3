// A directory as a stranger meets it: a real process, and a client made of the .proto file alone.
import { status, type ServiceError } from "@grpc/grpc-js";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { loadBundle } from "../../certs/bundle.js";
import { loadGroup } from "../../certs/group.js";
import { contentHash } from "../../contracts/hash.js";
import { errorRow, type ErrorCode } from "../../core/errors.js";
import type { PeerId } from "../../core/names.js";
import { Processes, type Running } from "../../demo/processes.js";
import { contentOf, publication, signed } from "../support/fsc-contracts.js";
import { freePort } from "../support/network.js";
import { PeerManager } from "../support/peer-manager.js";
import { TestGroup, type TestPeer } from "../support/pki.js";
import { provoked } from "../support/provoked.js";
import { schakel } from "../support/schakel.js";
import { Stranger, type Message } from "../support/stranger.js";
import { until } from "../support/until.js";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const HOST = "directory.test";
const GROUP = "test";
const RESOLVED = `${HOST}=127.0.0.1,inway.test=127.0.0.1`;
const DAY_MS = 86_400_000;
const IDS = {
  directory: "00000000000000000001",
  provider: "00000000000000000002",
  other: "00000000000000000003",
} as const;
const GRPC: Readonly<Record<number, status>> = {
  400: status.INVALID_ARGUMENT,
  404: status.NOT_FOUND,
  409: status.FAILED_PRECONDITION,
  422: status.INVALID_ARGUMENT,
  429: status.RESOURCE_EXHAUSTED,
  500: status.INTERNAL,
};

/** The answer's JSON body, after everything of it that the table fixes was compared. */
const refusedWith = async (answer: Promise<unknown>, code: ErrorCode): Promise<Message> => {
  const error = await answer.then(
    () => expect.fail(`answered instead of ${code}`),
    (thrown: unknown) => thrown as ServiceError,
  );
  const row = errorRow(code);
  expect(error.metadata.get("fsc-error-code"), error.message).to.deep.equal([code]);
  expect(error.code).to.equal(GRPC[row.status]);
  const body = JSON.parse(String(error.metadata.get("schakel-error-bin")[0])) as Message;
  expect(body).to.include({
    code,
    domain: "ERROR_DOMAIN_DIRECTORY",
    location: "D1",
    hint: row.hint,
  });
  provoked(code);
  return body;
};

interface ListedService {
  readonly inways: readonly { readonly health: string }[];
}

const service = (name: string, more: Message = {}): Message => ({
  name,
  protocol: "PROTOCOL_TCP_HTTP_1_1",
  ...more,
});
const inway = (address = "inway.test:8443", ...services: readonly Message[]): Message => ({
  inway: { address, services: services.length === 0 ? [service("echo")] : services },
});

let sequence = Date.now();
const announcement = (changes: Message = {}): Message => ({
  group_id: GROUP,
  peer_id: IDS.provider,
  component: "inway-1",
  sequence: String(sequence++),
  issued_at_ms: String(Date.now()),
  valid_until_ms: String(Date.now() + DAY_MS),
  version: "9.9.9 of somebody else",
  ...("inway" in changes || "outway" in changes ? {} : inway()),
  ...changes,
});

describe("system/directory", function () {
  this.timeout(60_000);
  const processes = new Processes();
  const ended: (() => void)[] = [];
  let group: TestGroup;
  let peers: Readonly<Record<keyof typeof IDS, TestPeer>>;
  let data: string;
  let directory: Running;
  let port = 0;
  let provider: Stranger;
  let other: Stranger;

  const start = async (...more: readonly string[]): Promise<void> => {
    const { cert, key } = peers.directory.files;
    directory = await processes.start("directory", [
      ...[CLI, "directory", "--group", group.groupFile, "--cert", cert, "--key", key],
      ...["--data", data, "--listen", `127.0.0.1:${String(port)}`],
      ...["--health-listen", "127.0.0.1:0", "--log-format", "json", "--probe-interval", "1h"],
      ...["--components-per-peer-max", "3", "--components-max", "4"],
      ...["--watchers-per-peer-max", "1", ...more],
    ]);
    await directory.waitForLine(({ fields }) => fields["msg"] === "listening", 20_000);
    provider = new Stranger(group, peers.provider, HOST, port);
    other = new Stranger(group, peers.other, HOST, port);
  };
  /** Publishes the provider's services, with rules that let its manager be at a port of this machine. */
  const publish = async (): Promise<void> => {
    const hosts = new Map([HOST, "inway.test"].map((name) => [name, "127.0.0.1"] as const));
    const policy = { ports: undefined, privateAddresses: true, hosts };
    const known = await loadGroup(group.groupFile);
    const bundle = await loadBundle(peers.provider.files, known);
    const manager = await PeerManager.start(known, bundle, policy);
    const to = { peerId: IDS.directory as PeerId, address: { host: HOST, port } };
    const grants = ["echo", "b.2"].map((name) =>
      publication({ directory: to.peerId, service: manager.peerId, name }),
    );
    await start("--allow-private-addresses", "--allow-any-port", "--resolve", RESOLVED);
    try {
      const content = contentOf(known, grants);
      const submission = await signed(content, bundle);
      await manager.client.submit(to, "propose", submission, contentHash(content));
      const query = { cursor: undefined, limit: 10, sortOrder: "ascending" } as const;
      const wanted = { ...query, peerId: undefined, nameContains: undefined };
      await until("both services to be published", async () => {
        return (await manager.client.services(to, wanted)).items.length === 2;
      });
    } finally {
      await manager.close();
      provider.close();
      other.close();
      await directory.stop();
    }
  };
  const announce = (changes: Message = {}, from = provider): Promise<Message> =>
    from.call("Announce", { announcement: from.sign(announcement(changes)) });
  /** All services, without what the probes find: that comes in its own time. */
  const services = async (): Promise<unknown> => {
    const { services: found } = await provider.call("ListServices", { group_id: GROUP });
    const text = JSON.stringify(found, (name, value: unknown) =>
      name === "health" ? undefined : value,
    );
    return JSON.parse(text) as unknown;
  };

  before(async () => {
    port = await freePort();
    const address = `${HOST}:${String(port)}`;
    group = await TestGroup.create({ directories: [{ peer_id: IDS.directory, address }] });
    peers = {
      directory: await group.peer({ peerId: IDS.directory, name: "Directory", names: [HOST] }),
      provider: await group.peer({ peerId: IDS.provider, name: "Ütrecht", names: ["inway.test"] }),
      other: await group.peer({ peerId: IDS.other, name: "Other", names: ["other.test"] }),
    };
    data = join(group.dir, "data");
    await mkdir(data);
    await publish();
    await start();
  });
  afterEach(() => ended.splice(0).forEach((end) => end()));
  after(async () => {
    provider.close();
    other.close();
    await processes.stopAll();
    await group.remove();
  });

  it("takes an announcement that was signed as the .proto file says, and lists it", async () => {
    const answer = await announce(inway("inway.test:8443", service("echo"), service("b.2")));
    expect(answer).to.deep.equal({ lease_ms: "30000" });
    const { peers: listed } = await other.call("ListPeers", { group_id: GROUP });
    expect(listed).to.deep.equal([{ id: IDS.provider, name: "Ütrecht", inways: 1, services: 2 }]);
    const request = { group_id: GROUP, peer_id: IDS.provider, service_name: "echo" };
    const { service: found } = await other.call("GetService", request);
    expect(found).to.have.nested.property("inways[0]").that.includes({
      component: "inway-1",
      address: "inway.test:8443",
      version: "9.9.9 of somebody else",
    });
  });

  it("streams everything first and then what changes, byte for byte as it was signed", async () => {
    const stream = other.watch({ group_id: GROUP });
    ended.push(() => stream.cancel());
    stream.on("error", () => undefined);
    const messages: Message[] = [];
    stream.on("data", (message: Message) => messages.push(message));
    await until("the catalogue", () => messages.some((each) => each["snapshot_complete"] === true));
    const signed = provider.sign(announcement());
    await provider.call("Announce", { announcement: signed });
    const entries = () =>
      messages
        .filter((each) => each["snapshot"] !== true)
        .flatMap((each) => (each["upserted"] ?? []) as { readonly announcement: typeof signed }[]);
    const sent = await until("the change", () =>
      // Beside it comes what the directory's probe has found of the announcement before.
      entries().find(({ announcement: { announcement } }) =>
        announcement.equals(signed.announcement),
      ),
    );
    expect(sent.announcement).to.deep.equal(signed);
  });

  for (const method of ["ListPeers", "ListServices", "GetService", "Withdraw"]) {
    it(`refuses ${method} for another group`, async () => {
      const request = { group_id: "another", component: "inway-1", kind: "COMPONENT_KIND_INWAY" };
      const body = await refusedWith(
        provider.call(method, request),
        "ERROR_CODE_INCORRECT_GROUP_ID",
      );
      expect(body["message"]).to.contain("this is the group test");
    });
  }

  it("refuses a stream of another group", async () => {
    const stream = other.watch({ group_id: "another" });
    stream.on("data", () => undefined);
    const failed = once(stream, "end").then(() => undefined);
    failed.catch(() => undefined);
    await refusedWith(failed, "ERROR_CODE_INCORRECT_GROUP_ID");
  });

  const refused: readonly (readonly [string, Message, ErrorCode])[] = [
    ["made for another group", { group_id: "another" }, "ERROR_CODE_INCORRECT_GROUP_ID"],
    ["in another peer's name", { peer_id: IDS.other }, "ERROR_CODE_ANNOUNCEMENT_INVALID"],
    ["without a component", { component: "" }, "ERROR_CODE_ANNOUNCEMENT_INVALID"],
    ["of a component ../x", { component: "../x" }, "ERROR_CODE_ANNOUNCEMENT_INVALID"],
    ["without a version", { version: "" }, "ERROR_CODE_ANNOUNCEMENT_INVALID"],
    ["without a sequence number", { sequence: "0" }, "ERROR_CODE_ANNOUNCEMENT_INVALID"],
    [
      "with a sequence over 2^53 - 1",
      { sequence: "9007199254740992" },
      "ERROR_CODE_ANNOUNCEMENT_INVALID",
    ],
    [
      "that is no longer valid",
      { valid_until_ms: String(Date.now() - 1) },
      "ERROR_CODE_ANNOUNCEMENT_INVALID",
    ],
    [
      "valid for ever",
      { valid_until_ms: String(Date.now() + 3650 * DAY_MS) },
      "ERROR_CODE_ANNOUNCEMENT_INVALID",
    ],
    [
      "of tomorrow",
      { issued_at_ms: String(Date.now() + DAY_MS) },
      "ERROR_CODE_ANNOUNCEMENT_INVALID",
    ],
    [
      "of a service without protocol",
      inway("inway.test:8443", { name: "x" }),
      "ERROR_CODE_ANNOUNCEMENT_INVALID",
    ],
    [
      "of a service twice",
      inway("inway.test:8443", service("x"), service("x")),
      "ERROR_CODE_ANNOUNCEMENT_INVALID",
    ],
    ["of another peer's address", inway("other.test:8443"), "ERROR_CODE_ADDRESS_NOT_ALLOWED"],
    ["of a name below ours", inway("a.inway.test:8443"), "ERROR_CODE_ADDRESS_NOT_ALLOWED"],
    ["of an IP address", inway("127.0.0.1:8443"), "ERROR_CODE_ADDRESS_NOT_ALLOWED"],
    ["of a port that is not the group's", inway("inway.test:22"), "ERROR_CODE_ADDRESS_NOT_ALLOWED"],
    ["of no address", inway(""), "ERROR_CODE_ADDRESS_NOT_ALLOWED"],
  ];
  for (const [what, changes, code] of refused) {
    it(`refuses an announcement ${what}, and keeps the one before`, async () => {
      const before = await services();
      await refusedWith(announce(changes), code);
      expect(await services()).to.deep.equal(before);
    });
  }

  it("refuses an announcement whose bytes were changed after signing", async () => {
    const signed = provider.sign(announcement());
    const changed = Buffer.from(signed.announcement);
    const last = changed.length - 1;
    changed.writeUInt8(changed.readUInt8(last) ^ 1, last);
    await refusedWith(
      provider.call("Announce", { announcement: { ...signed, announcement: changed } }),
      "ERROR_CODE_ANNOUNCEMENT_INVALID",
    );
  });

  it("refuses what one peer signed and another sends", async () => {
    const body = await refusedWith(
      other.call("Announce", { announcement: provider.sign(announcement()) }),
      "ERROR_CODE_ANNOUNCEMENT_INVALID",
    );
    expect(body["message"]).to.contain(`peer ${IDS.provider} signed it, peer ${IDS.other} sent it`);
  });

  for (const restarted of [false, true]) {
    const when = restarted ? ", also after a kill and a restart" : "";
    it(`refuses an older announcement and names the number to use${when}`, async () => {
      const old = provider.sign(announcement({ component: "inway-1" }));
      const known = String(sequence);
      await announce();
      if (restarted) {
        provider.close();
        other.close();
        directory.kill("SIGKILL");
        await directory.exited;
        await start();
      }
      const again = provider.call("Announce", { announcement: old });
      const body = await refusedWith(again, "ERROR_CODE_ANNOUNCEMENT_OUTDATED");
      expect(body["choices"]).to.deep.equal([String(Number(known) + 1)]);
      await provider.call("Withdraw", {
        ...{ group_id: GROUP, kind: "COMPONENT_KIND_INWAY", component: "inway-1" },
      });
      await refusedWith(
        provider.call("Announce", { announcement: old }),
        "ERROR_CODE_ANNOUNCEMENT_OUTDATED",
      );
      await announce();
    });
  }

  it("refuses other bytes with a sequence number that is known", async () => {
    const same = String(sequence);
    await announce();
    await refusedWith(
      announce({ sequence: same, version: "other" }),
      "ERROR_CODE_ANNOUNCEMENT_OUTDATED",
    );
  });

  const requests: readonly (readonly [string, string, Message])[] = [
    ["no announcement", "Announce", {}],
    ["a page of 1001", "ListPeers", { page_size: 1001 }],
    ["a page token of its own making", "ListServices", { page_token: "not a token" }],
    ["a text of 256 characters", "ListPeers", { name_contains: "x".repeat(256) }],
    ["a withdrawal of no kind", "Withdraw", { component: "inway-1" }],
    ["a withdrawal without a name", "Withdraw", { kind: "COMPONENT_KIND_INWAY" }],
  ];
  for (const [what, method, request] of requests) {
    it(`refuses ${what}, naming the field`, async () => {
      await refusedWith(
        provider.call(method, { group_id: GROUP, ...request }),
        "ERROR_CODE_REQUEST_INVALID",
      );
    });
  }

  it("names the peers and services that there are to who asks for one that is not", async () => {
    const ask = (request: Message): Promise<Message> =>
      other.call("GetService", { group_id: GROUP, ...request });
    const noPeer = ask({ peer_id: "00000000000000009999", service_name: "echo" });
    expect(await refusedWith(noPeer, "ERROR_CODE_PEER_NOT_FOUND"))
      .to.have.property("choices")
      .that.deep.equals([IDS.provider]);
    const noService = ask({ peer_id: IDS.provider, service_name: "nope" });
    expect(await refusedWith(noService, "ERROR_CODE_SERVICE_NOT_FOUND"))
      .to.have.property("choices")
      .that.deep.equals(["echo"]);
  });

  describe("schakel directory query", () => {
    const query = (...args: readonly string[]) => {
      const { cert, key } = peers.other.files;
      const files = ["--group", group.groupFile, "--cert", cert, "--key", key];
      const dialling = ["--allow-private-addresses", "--allow-any-port"];
      // Before the arguments: of an option that is given twice the last one counts.
      const given = ["--resolve", `${HOST}=127.0.0.1`, ...args];
      return schakel(["directory", "query", ...given, ...files, ...dialling]);
    };

    it("prints peers and services for people, and for programs", async () => {
      const { stdout } = await query("services", "--name", "ECH");
      expect(stdout).to.match(
        /^PEER +NAME +SERVICE +INWAY +HEALTH\n0+2 +Ütrecht +echo +inway\.test/,
      );
      const { stdout: listed } = await query("peers", "--json");
      expect(JSON.parse(listed)).to.have.nested.property("[0].id", IDS.provider);
      await until("the probe's result", async () => {
        const args = ["--peer", IDS.provider, "--service", "echo", "--json"];
        const one = JSON.parse((await query("service", ...args)).stdout) as ListedService;
        return one.inways[0]?.health === "HEALTH_DOWN";
      });
    });

    it("says what the directory answered when it refuses", async () => {
      const { code, stdout, stderr } = await query(
        ...["service", "--peer", IDS.provider, "--service", "nope"],
      );
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: "" });
      expect(stderr).to.contain("the directory answered: the peer offers no service");
    });

    const wrong: readonly (readonly string[])[] = [
      ["nonsense"],
      ["service", "--peer", IDS.provider],
      ["peers", "--directory", "00000000000000009999"],
      ["peers", "--resolve", "nonsense"],
    ];
    for (const args of wrong) {
      it(`refuses ${args.join(" ")} with exit code 2`, async () => {
        const { code, stdout, stderr } = await query(...args);
        expect({ code, stdout }, stderr).to.deep.equal({ code: 2, stdout: "" });
        expect(stderr).to.match(/^schakel: error: /);
      });
    }
  });

  it("refuses more components than a peer and the group may have", async () => {
    await announce({ component: "inway-2" });
    await announce({ component: "outway-1", outway: {} });
    const fourth = await refusedWith(
      announce({ component: "inway-4" }),
      "ERROR_CODE_LIMIT_EXCEEDED",
    );
    expect(fourth["message"]).to.contain("a peer may announce 3 components");
    const outway = { peer_id: IDS.other, outway: {} };
    await announce({ ...outway, component: "a" }, other);
    const fifth = announce({ ...outway, component: "b" }, other);
    const body = await refusedWith(fifth, "ERROR_CODE_LIMIT_EXCEEDED");
    expect(body["message"]).to.contain("the group may have 4 components");
  });

  it("refuses a second stream of a peer that may have one", async () => {
    const first = provider.watch({ group_id: GROUP });
    ended.push(() => first.cancel());
    first.on("error", () => undefined);
    await once(first, "data");
    const second = provider.watch({ group_id: GROUP });
    second.on("data", () => undefined);
    await refusedWith(once(second, "end"), "ERROR_CODE_LIMIT_EXCEEDED");
  });

  it("says nothing of its insides when its database is broken, and goes on when it is whole", async () => {
    const database = new DatabaseSync(join(data, "directory.db"));
    ended.push(() => database.close());
    database.exec("ALTER TABLE directory_component RENAME TO moved");
    const body = await refusedWith(announce(), "ERROR_CODE_INTERNAL");
    expect(JSON.stringify(body)).not.to.match(/table|sql|directory_component/i);
    const line = directory.lines.find(({ fields }) => fields["msg"] === "a call failed");
    expect(JSON.stringify(line?.fields)).to.contain("no such table");
    expect(await services()).to.have.length(1);
    database.exec("ALTER TABLE moved RENAME TO directory_component");
    await announce();
  });
});
