// Probes: what counts as up, that nothing is ever forwarded, and that a probe dials as everybody does.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer as createPlainServer, type Server } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { expect } from "chai";
import { loadBundle, type Bundle } from "../../certs/bundle.js";
import { serverTls } from "../../certs/tls.js";
import type { ComponentName } from "../../core/names.js";
import type { DialPolicy } from "../../core/dial.js";
import { Prober } from "../../directory/probe.js";
import { inwayAt, LOCAL, Members, ROLES } from "../support/members.js";
import { openRegistry, type Opened } from "../support/registries.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

const INWAY = `${ROLES.provider.peerId}/inway/inway-1`;
const PROBE = "schakel-probe/1";

describe("directory/probe", () => {
  let members: Members;
  let opened: Opened;
  const ended: (() => Promise<void> | void)[] = [];
  before(async () => {
    members = await Members.create();
  });
  after(() => members.remove());
  beforeEach(async () => {
    opened = await openRegistry(members, { anyPort: true });
    ended.push(() => opened.close());
  });
  afterEach(async () => {
    for (const end of ended.splice(0).reverse()) await end();
    removeTemporaryFolders();
  });

  const listening = async (server: Server, sockets: { destroy(): void }[]): Promise<number> => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    ended.push(() => {
      sockets.forEach((socket) => socket.destroy());
      server.close();
    });
    return (server.address() as AddressInfo).port;
  };

  /** A server in an inway's place that does this with each connection; also what it saw of them. */
  const inway = async (
    act: (socket: TLSSocket) => void,
    { bundle = members.bundles.provider, alpn = [PROBE, "http/1.1"] } = {},
  ) => {
    const sockets: TLSSocket[] = [];
    const seen = { alpn: [] as (string | false | null)[], bytes: 0 };
    const server = createServer(serverTls(bundle, members.group, alpn), (socket) => {
      sockets.push(socket);
      seen.alpn.push(socket.alpnProtocol);
      socket.on("error", () => undefined);
      socket.on("data", (chunk: Buffer) => (seen.bytes += chunk.length));
      act(socket);
    });
    server.on("tlsClientError", () => undefined);
    return { seen, port: await listening(server, sockets) };
  };
  const announceAt = (port: number, sequence = 1000): Promise<void> =>
    opened.registry.announce(
      members.sign({ sequence, inway: inwayAt("inway.test", port, "echo") }),
      members.bundles.provider.identity,
    );
  const probing = (policy: DialPolicy = LOCAL, timeoutMs = 5_000): void => {
    const { registry, clock, around } = opened;
    const { groups, bundles, log } = around;
    const prober = new Prober({
      ...{ groups, bundles, registry, clock, log, timeoutMs },
      policy: () => policy,
      intervalMs: 10_000,
    });
    ended.push(() => prober.close());
  };
  const health = () => opened.registry.current.entry(INWAY)?.health;
  /** Resolves when the prober has gone round: it has found a new inway of this name. */
  const roundDone = async (name: string): Promise<void> => {
    const { port } = await inway((socket) => socket.end("ready\n"));
    const component = name as ComponentName;
    await opened.registry.announce(
      members.sign({ component, inway: inwayAt("inway.test", port, "echo") }),
      members.bundles.provider.identity,
    );
    const key = `${ROLES.provider.peerId}/inway/${name}`;
    await until("a round", () => opened.registry.current.entry(key)?.health === "up");
  };
  const found = (): Promise<string> =>
    until("a probe's result", () => (health() === "unknown" ? undefined : health()));
  const reason = (): string | undefined =>
    opened.around.lines.find((line) => line.includes("an inway is down"));

  it("finds an inway up that says so, and sends it not a byte", async () => {
    const { port, seen } = await inway((socket) => socket.end("ready\n"));
    await announceAt(port);
    probing();
    expect(await found()).to.equal("up");
    expect(seen).to.deep.equal({ alpn: [PROBE], bytes: 0 });
  });

  const down: readonly {
    readonly what: string;
    readonly act?: (socket: TLSSocket) => void;
    readonly bundle?: () => Promise<Bundle> | Bundle;
    readonly alpn?: readonly string[];
    readonly says: RegExp;
  }[] = [
    { what: "it is not ready", act: (socket) => socket.end("unready\n"), says: /not ready/ },
    { what: "it closes without a word", act: (socket) => socket.end(), says: /not ready/ },
    { what: "it says something else", act: (socket) => socket.end("ready"), says: /not ready/ },
    {
      what: "it never stops talking",
      act: (socket) => void setInterval(() => socket.write("ready".repeat(99)), 1).unref(),
      says: /not ready/,
    },
    { what: "it does not answer in time", act: () => undefined, says: /no answer to the probe/ },
    {
      what: "it speaks no probes, and forwards HTTP",
      act: (socket) => socket.end("ready\n"),
      alpn: ["http/1.1"],
      says: /ALPN|alpn|no application protocol/,
    },
    {
      what: "it knows no ALPN, and says that it is ready all the same",
      act: (socket) => socket.end("ready\n"),
      alpn: [],
      says: /does not answer probes \(ALPN\)/,
    },
    {
      what: "another peer answers there, with its name in the certificate",
      act: (socket) => socket.end("ready\n"),
      bundle: async () => {
        const impostor = await members.test.peer({ ...ROLES.other, names: ["inway.test"] });
        return loadBundle(impostor.files, members.group);
      },
      says: /the peer that answered is 00000000000000000003, expected is 00000000000000000002/,
    },
    {
      what: "a certificate without its name answers",
      act: (socket) => socket.end("ready\n"),
      bundle: () => members.bundles.other,
      says: /the peer that answered|is not in the certificate/,
    },
  ];
  for (const { what, act = () => undefined, bundle, alpn, says } of down) {
    it(`finds an inway down when ${what}`, async () => {
      const { port, seen } = await inway(act, {
        ...(bundle === undefined ? {} : { bundle: await bundle() }),
        ...(alpn === undefined ? {} : { alpn: [...alpn] }),
      });
      await announceAt(port);
      probing(LOCAL, 500);
      expect(await found()).to.equal("down");
      expect(seen.bytes).to.equal(0);
      expect(reason()).to.match(says);
      // Health ranks and removes nothing.
      expect(opened.registry.current.entry(INWAY)?.live).to.equal(true);
    });
  }

  const undialled: readonly (readonly [string, Partial<DialPolicy>])[] = [
    ["a private address where those are refused", { privateAddresses: false }],
    ["a port that may not be dialled", { ports: [443] }],
  ];
  for (const [what, policy] of undialled) {
    it(`does not dial ${what}`, async () => {
      let connections = 0;
      const server = createPlainServer((socket) => {
        connections += 1;
        socket.destroy();
      });
      await announceAt(await listening(server, []));
      probing({ ...LOCAL, ...policy });
      expect(await found()).to.equal("down");
      expect(reason()).to.match(/is not dialled/);
      expect(connections).to.equal(0);
    });
  }

  it("probes again when the interval has passed, and at once what was announced anew", async () => {
    let answer = "ready\n";
    const { port, seen } = await inway((socket) => socket.end(answer));
    await announceAt(port);
    probing();
    expect(await found()).to.equal("up");
    answer = "unready\n";
    opened.clock.advance(7_999);
    await roundDone("a");
    expect(health()).to.equal("up");
    opened.clock.advance(4_001);
    await until("the inway to be down", () => health() === "down");
    answer = "ready\n";
    await announceAt(port, 1001);
    await until("the inway to be up", () => health() === "up");
    expect(seen.alpn).to.have.length(3);
  });

  it("probes an inway of another peer while those of one peer let their probes wait", async () => {
    const waiting = await inway(() => undefined);
    for (let at = 0; at < 20; at++) {
      const component = `slow-${String(at)}` as ComponentName;
      await opened.registry.announce(
        members.sign({ component, inway: inwayAt("inway.test", waiting.port, "echo") }),
        members.bundles.provider.identity,
      );
    }
    const bundle = members.bundles.other;
    const { port } = await inway((socket) => socket.end("ready\n"), { bundle });
    await opened.registry.announce(
      members.sign({ inway: inwayAt("inway.other.test", port, "echo") }, bundle),
      bundle.identity,
    );
    probing(LOCAL, 60_000);
    const key = `${ROLES.other.peerId}/inway/inway-1`;
    await until(
      "the other peer's inway",
      () => opened.registry.current.entry(key)?.health === "up",
    );
    await until("the slow ones", () => waiting.seen.alpn.length >= 4);
    expect(waiting.seen.alpn).to.have.length(4);
  });

  it("probes no outway and nothing that is gone", async () => {
    const { port, seen } = await inway((socket) => socket.end("ready\n"));
    const { identity } = members.bundles.provider;
    await opened.registry.announce(members.sign({ inway: undefined }), identity);
    await announceAt(port);
    opened.clock.advance(30_000);
    await opened.registry.expire();
    probing();
    await roundDone("a");
    expect(seen.alpn).to.deep.equal([]);
  });
});
