// A manager's FSC server on a real TLS port of loopback, with handlers that keep what they were asked and
// answer what a test says; and a client that sends bytes.
import { once } from "node:events";
import type { TLSSocket } from "node:tls";
import type { Bundle } from "../../certs/bundle.js";
import type { PeerIdentity } from "../../certs/identity.js";
import { admit, clientTls, serverTls } from "../../certs/tls.js";
import type { Contract, Submission } from "../../contracts/contract.js";
import { systemClock } from "../../core/clock.js";
import { dial } from "../../core/dial.js";
import { serveTls, type TlsListener } from "../../core/tls-server.js";
import type { FscLimits } from "../../fsc/fsc-limits.js";
import { FscServer } from "../../fsc/fsc-server.js";
import type { LogHandlers, WitnessHandlers } from "../../fsc/log-interface.js";
import type {
  CallingManager,
  ContractQuery,
  ListedPeer,
  ManagerEndpoint,
  ManagerHandlers,
  Page,
  PeerQuery,
  PublishedService,
  ServiceQuery,
  SubmissionKind,
  TokenForm,
} from "../../fsc/manager-interface.js";
import { LOCAL, type Members } from "./members.js";
import { recordedLog } from "./recorded-log.js";

const NOTHING = { items: [], nextCursor: undefined } as const;

/** Keeps what it was asked. Each answer can be set. */
export class RecordingHandlers implements ManagerHandlers {
  readonly announced: CallingManager[] = [];
  readonly received: {
    readonly kind: SubmissionKind;
    readonly submission: Submission;
    readonly from: CallingManager;
    readonly hashInUrl: string | undefined;
  }[] = [];
  readonly forms: { readonly form: TokenForm; readonly caller: PeerIdentity }[] = [];
  readonly queries: (ContractQuery | PeerQuery | ServiceQuery)[] = [];
  /** Called by `receive` and `announce` before they resolve. */
  work: () => Promise<void> = () => Promise.resolve();
  token: () => Promise<string> = () => Promise.resolve("a.b.c");
  contracts: (query: ContractQuery) => Page<Contract> = () => NOTHING;
  peers: Page<ListedPeer> = NOTHING;
  services: Page<PublishedService> = NOTHING;
  version = "2.0.0";

  constructor(readonly bundle: Bundle) {}

  announce(from: CallingManager): Promise<void> {
    this.announced.push(from);
    return this.work();
  }

  receive(
    kind: SubmissionKind,
    submission: Submission,
    from: CallingManager,
    hashInUrl: string | undefined,
  ): Promise<void> {
    this.received.push({ kind, submission, from, hashInUrl });
    return this.work();
  }

  listContracts(query: ContractQuery): Promise<Page<Contract>> {
    this.queries.push(query);
    return Promise.resolve(this.contracts(query));
  }

  issueToken(form: TokenForm, caller: PeerIdentity): Promise<string> {
    this.forms.push({ form, caller });
    return this.token();
  }

  describe() {
    const { peerId, name } = this.bundle.identity;
    const extensions = new Map([["EXTENSION_DELEGATION", "1.0.0"]]);
    return { peerId, name, fscVersion: this.version, extensions };
  }

  listPeers(query: PeerQuery): Promise<Page<ListedPeer>> {
    this.queries.push(query);
    return Promise.resolve(this.peers);
  }

  listServices(query: ServiceQuery): Promise<Page<PublishedService>> {
    this.queries.push(query);
    return Promise.resolve(this.services);
  }

  certificates() {
    return [this.bundle.chain];
  }
}

/** How a test manager is started. */
export interface TestManagerOptions {
  readonly limits?: Partial<FscLimits>;
  readonly allowAnyPort?: boolean;
  readonly logs?: LogHandlers;
  readonly witness?: WitnessHandlers;
}

/** The provider's manager, at inway.test. Whoever starts it closes it. */
export class TestManager {
  readonly log = recordedLog();

  private constructor(
    readonly handlers: RecordingHandlers,
    readonly server: FscServer,
    private readonly listener: TlsListener,
  ) {}

  static async start(members: Members, options: TestManagerOptions = {}): Promise<TestManager> {
    const { group } = members;
    const bundle = members.bundles.provider;
    const handlers = new RecordingHandlers(bundle);
    const { log } = recordedLog();
    const server = new FscServer({
      ...{ handlers, groups: { current: group }, log, clock: systemClock },
      ...options,
    });
    const listener = await serveTls({
      address: { host: "127.0.0.1", port: 0 },
      tls: () => serverTls(bundle, group, ["http/1.1"]),
      admit: (socket) => admit(socket, group),
      connected: (socket, caller) => server.accept(socket, caller),
      ...{ connectionsMax: 1000, log },
    });
    return new TestManager(handlers, server, listener);
  }

  /** Where it is, as another manager would have it. */
  get endpoint(): ManagerEndpoint {
    const { port } = this.listener.address;
    return {
      peerId: this.handlers.bundle.identity.peerId,
      address: { host: "inway.test", port },
    };
  }

  async close(): Promise<void> {
    await this.listener.close();
    await this.server.close();
  }
}

/** An HTTP answer, taken apart. */
export interface RawAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
}

/** Takes one answer with Content-Length out of the bytes of a connection. */
export const readAnswer = (bytes: Buffer): RawAnswer => {
  const end = bytes.indexOf("\r\n\r\n");
  const [first = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const headers = new Map(
    lines.map((line) => {
      const at = line.indexOf(":");
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()] as const;
    }),
  );
  const length = Number(headers.get("content-length") ?? 0);
  const status = Number(/^HTTP\/1\.1 ([0-9]{3}) /.exec(first)?.[1] ?? 0);
  return { status, headers, text: bytes.subarray(end + 4, end + 4 + length).toString() };
};

/** Opens a connection to a manager, as a peer. */
export const connectTo = async (
  { endpoint }: TestManager,
  as: Bundle,
  { group }: Members,
): Promise<TLSSocket> => {
  const socket = await dial({
    address: endpoint.address,
    policy: LOCAL,
    tls: clientTls(as, group, { peerId: endpoint.peerId, alpn: ["http/1.1"] }),
    timeoutMs: 20_000,
  });
  socket.on("error", () => undefined);
  return socket;
};

/** All that comes over a connection until the other side ends it. */
export const readToEnd = async (socket: TLSSocket): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  if (!socket.readableEnded && !socket.destroyed) {
    await Promise.race([once(socket, "end"), once(socket, "close")]);
  }
  socket.destroy();
  return Buffer.concat(chunks);
};

/** Sends a request to a manager as the other peer, and takes the one answer. */
export const askAsOther = async (
  manager: TestManager,
  request: Buffer,
  members: Members,
): Promise<RawAnswer> => {
  const socket = await connectTo(manager, members.bundles.other, members);
  socket.write(request);
  return readAnswer(await readToEnd(socket));
};

/** A request as bytes. */
export const requestText = (
  line: string,
  headers: Readonly<Record<string, string | readonly string[]>> = {},
  body: string | Buffer = "",
): Buffer => {
  const all: Readonly<Record<string, string | readonly string[]>> = {
    Host: "inway.test",
    Connection: "close",
    ...(body.length > 0 ? { "Content-Length": String(Buffer.byteLength(body)) } : {}),
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, values]) =>
    [values].flat().map((value) => `${name}: ${value}`),
  );
  const head = `${line} HTTP/1.1\r\n${lines.map((each) => `${each}\r\n`).join("")}\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(body)]);
};
