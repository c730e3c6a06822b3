// Four organisations, each a consumer and a provider, with a contract in every state a contract can be in between every
// two of them: exactly the valid ones let anything pass. All through real processes, whose clock the test moves.
import { expect } from "chai";
import { join } from "node:path";
import { v7 } from "uuid";
import { proposeContent, type ContractContent } from "../../contracts/content.js";
import { isConnection } from "../../contracts/grant.js";
import { contentHash, grantHashes, type GrantHash } from "../../contracts/hash.js";
import { signToken, tokenFor } from "../../contracts/token.js";
import { openManagerClient } from "../../fsc/fsc-client.js";
import { RemoteError } from "../../fsc/manager-interface.js";
import {
  ServiceVisibility,
  type Contract,
} from "../../proto/gen/schakel/manager/v1/administration.js";
import { connectAsOutway, exchangeRaw } from "../support/as-outway.js";
import { FakedClock, faketimeLibrary, NO_FAKETIME } from "../support/faketime.js";
import { contractGroup, silentLog } from "../support/organisations.js";
import { PeerProcesses, type PeerProcess } from "../support/peer-processes.js";
import { skip } from "../support/skip.js";
import { RecordingSource } from "../support/source.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

const PEERS = 4;
const SERVICES = 4;
const HOUR = 3600;
const AT_ONCE = 8;
const SETTLED_MS = 60_000;
/** How soon a revocation counts on both sides. */
const REVOKED_MS = 5_000;

const STATES = [
  ...(["none", "proposed", "valid", "rejected", "revoked", "expired"] as const),
  ...(["not yet valid", "other key"] as const),
] as const;
type State = (typeof STATES)[number];

/** What a consumer's own outway says, and what the provider's manager says to whoever asks for a token. */
const REASONS: Readonly<Record<Exclude<State, "valid">, readonly [outway: RegExp, token: RegExp]>> =
  {
    none: [/the peer offers no service with this name/, /no contract of the client's peer has/],
    proposed: [/is PROPOSED/, /has not been accepted by all/],
    rejected: [/is REJECTED/, /has been rejected/],
    revoked: [/is REVOKED/, /has been revoked/],
    expired: [/is EXPIRED/, /has expired/],
    "not yet valid": [/is NOT_YET_VALID/, /is not valid yet/],
    "other key": [/names another outway's certificate/, /unauthorized_client/],
  };

/** One consumer, one service of another organisation, and the state of what is between them. */
interface Cell {
  readonly state: State;
  readonly consumer: PeerProcess;
  readonly provider: PeerProcess;
  readonly service: string;
  readonly content: ContractContent;
  readonly hash: string;
  readonly grantHash: GrantHash;
  /** Whoever proposes, and the other. Either may be the consumer. */
  readonly parties: readonly [PeerProcess, PeerProcess];
}

const kinds = { accept: 1, reject: 2, revoke: 3 } as const;

const inTurns = async <T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
): Promise<void> => {
  const left = [...items];
  const turn = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, turn));
};

const name = ({ consumer, provider, service, state }: Cell): string =>
  `${consumer.host} at ${service} of ${provider.host}, ${state}`;

describe(`system/matrix of ${String(PEERS)} peers, ${String(SERVICES)} services and ${String(STATES.length)} states`, function () {
  this.timeout(300_000);
  let clock: FakedClock;
  let all: PeerProcesses;
  let source: RecordingSource;
  let cells: readonly Cell[] = [];
  const oldTokens = new Map<Cell, string>();
  const stopping: (() => Promise<void>)[] = [];

  const of = (...states: readonly State[]): readonly Cell[] =>
    cells.filter(({ state }) => states.includes(state));

  const validityOf = (state: State, now: number) => {
    const begin = state === "not yet valid" ? now + 4 * HOUR : now - 60;
    const end = state === "expired" ? now + HOUR : now + 240 * HOUR;
    return { not_before: begin, not_after: end };
  };

  const cellOf = (at: number): Cell => {
    const [number, layer] = [Math.floor(at / STATES.length), at % STATES.length];
    const [mine, theirs] = [number % PEERS, Math.floor(number / PEERS)];
    const consumer = all.peer(mine);
    // Three services are of the three others, the fourth is a second one of the first of them.
    const provider = all.peer((mine + 1 + (theirs % (PEERS - 1))) % PEERS);
    // Of every service each of its consumers has a contract in another state.
    const state = STATES[(layer + mine + 2 * theirs) % STATES.length] ?? "none";
    const service = `${theirs < PEERS - 1 ? "parking" : "permits"}-${String(layer)}`;
    const other = all.peer((mine + 1) % PEERS);
    const { publicKeyThumbprint } = (state === "other key" ? other : consumer).bundle.identity;
    const now = Math.floor(clock.now() / 1000);
    const type = "OUTWAY_IDENTIFICATION_TYPE_PUBLIC_KEY_THUMBPRINT";
    const identification = { type, public_key_thumbprint: publicKeyThumbprint } as const;
    const grant = {
      type: "GRANT_TYPE_SERVICE_CONNECTION",
      outway: { peer_id: consumer.peerId, identification },
      service: { type: "SERVICE_TYPE_SERVICE", peer_id: provider.peerId, name: service },
    };
    const content = proposeContent(
      {
        ...{ iv: v7(), validity: validityOf(state, now), createdAt: now - 60 },
        grants: [{ data: grant }] as unknown as ContractContent["grants"],
      },
      contractGroup(all.group),
    );
    const [grantHash] = grantHashes(content).map(({ hash }) => hash);
    if (grantHash === undefined) throw new Error("a content without a grant");
    const parties =
      at % 3 === 0 ? ([provider, consumer] as const) : ([consumer, provider] as const);
    return {
      ...{ state, consumer, provider, service, content, grantHash, parties },
      hash: contentHash(content),
    };
  };

  const sign = (by: PeerProcess, { hash }: Cell, kind: keyof typeof kinds) =>
    by.ask("signContract", { hash, kind: kinds[kind] });

  /** Waits until both managers of each contract have so many signatures of it. */
  const settle = async (these: readonly Cell[], signatures: number): Promise<void> => {
    await until(
      `both sides to have ${String(signatures)} signatures of ${String(these.length)} contracts`,
      async () => {
        const lists = await Promise.all(all.peers.map((peer) => peer.contracts()));
        const has = (peer: PeerProcess, { hash }: Cell): boolean => {
          const found: Contract | undefined = lists[peer.index]?.get(hash);
          return (found?.signatures.length ?? 0) >= signatures;
        };
        return these.every((cell) => cell.parties.every((peer) => has(peer, cell)));
      },
      SETTLED_MS,
    );
  };

  const throughOutway = async ({ consumer, provider, service }: Cell) => {
    const at = `http://127.0.0.1:${String(consumer.ports.outway)}`;
    const path = `/${provider.peerId}/${service}/from/${consumer.host}`;
    const answer = await fetch(`${at}${path}`);
    return { status: answer.status, text: await answer.text() };
  };

  const askToken = ({ grantHash, provider }: Cell, by: PeerProcess): Promise<string> =>
    openManagerClient({
      ...{ groups: { current: all.group }, bundles: { current: by.bundle } },
      policy: () => ({ ports: undefined, privateAddresses: true, hosts: all.hosts }),
      ...{ ownAddress: undefined, log: silentLog },
      clock: { now: () => clock.now(), monotonic: () => performance.now() },
    }).token(provider.endpoint, grantHash);

  /** Asks an inway without an outway; the answer's first line and its error code. */
  const atInway = async ({ provider }: Cell, token: string | undefined, by: PeerProcess) => {
    const { host: servername, ports } = provider;
    const socket = await connectAsOutway({ port: ports.inway, servername, files: by.files });
    const authorization = token === undefined ? [] : [`Fsc-Authorization: Bearer ${token}`];
    const head = ["GET /direct HTTP/1.1", `Host: ${servername}`, "Connection: close"];
    const more = [`Fsc-Transaction-Id: ${v7()}`, ...authorization, "", ""];
    const answer = await exchangeRaw(socket, [...head, ...more].join("\r\n"), 5_000);
    const status = Number(/^HTTP\/1\.1 ([0-9]{3})/.exec(answer)?.[1]);
    return { status, code: /^fsc-error-code: *(\S+)/im.exec(answer)?.[1] };
  };

  /** A token that says what the grant says, made by somebody else than the provider's manager, with some peer's key. */
  const forged = async (
    { content, grantHash, consumer, provider }: Cell,
    { bundle: { key, chain } }: PeerProcess,
  ): Promise<string> => {
    const [grant] = content.grants.map(({ data }) => data);
    const [certificate] = chain;
    if (grant === undefined || !isConnection(grant) || certificate === undefined)
      throw new Error("no connection grant, or no certificate");
    const { certificateThumbprint } = consumer.bundle.identity;
    const inways = [{ host: provider.host, port: provider.ports.inway }];
    const now = clock.now();
    const token = tokenFor({
      ...{ content, grant, grantHash, inways, lifetimeSeconds: 600, now, certificateThumbprint },
    });
    return signToken({ ...token, expires: token.notBefore + 600 }, { key, certificate });
  };

  /** Calls all cells through the consumers' own outways: exactly those in these states pass. */
  const expectExactly = async (...passing: readonly State[]): Promise<void> => {
    source.requests.length = 0;
    const wrong: string[] = [];
    await inTurns(cells, async (cell) => {
      const { status, text } = await throughOutway(cell);
      const refusal = cell.state === "none" ? 404 : 403;
      if (status === (passing.includes(cell.state) ? 200 : refusal)) return;
      wrong.push(`${name(cell)}: ${String(status)} ${text}`);
    });
    expect(wrong).to.deep.equal([]);
    const seen = source.requests.map(({ target }) => target).toSorted();
    const expected = of(...passing).map(
      ({ consumer, provider, service }) => `/${provider.host}/${service}/from/${consumer.host}`,
    );
    expect(seen).to.deep.equal(expected.toSorted());
  };

  const prepareServices = () =>
    inTurns(
      [...new Map(cells.map((cell) => [`${cell.provider.host} ${cell.service}`, cell])).values()],
      async ({ provider, service }) => {
        const sourceUrl = `${source.url}/${provider.host}/${service}`;
        const about = { openapiPath: "", contact: "", inways: [], publishedIn: [] };
        const protocol = "PROTOCOL_TCP_HTTP_1.1";
        const visibility = ServiceVisibility.SERVICE_VISIBILITY_GROUP;
        await provider.ask("putService", {
          service: { name: service, sourceUrl, protocol, ...about, visibility },
        });
      },
    );

  before(async function () {
    const library = faketimeLibrary() ?? skip(this, NO_FAKETIME);
    clock = await FakedClock.create(join(temporaryFolder(), "clock"), library);
    source = await RecordingSource.start();
    stopping.push(() => source.stop());
    all = await PeerProcesses.start({ count: PEERS, command: "peer", env: clock.env });
    stopping.push(() => all.stop());
    cells = Array.from({ length: PEERS * SERVICES * STATES.length }, (_, at) => cellOf(at));
    await prepareServices();
    const contracts = cells.filter(({ state }) => state !== "none");
    await inTurns(contracts, ({ content, parties: [proposer] }) => proposer.propose(content));
    await settle(contracts, 1);
    const answered = contracts.filter(({ state }) => state !== "proposed");
    await inTurns(answered, (cell) =>
      sign(cell.parties[1], cell, cell.state === "rejected" ? "reject" : "accept"),
    );
    await settle(answered, 2);
  });

  after(async () => {
    for (const stop of stopping.toReversed()) await stop();
    removeTemporaryFolders();
  });

  it("has every pair of peer and service in every state", () => {
    for (const state of STATES) expect(of(state), state).to.have.length(PEERS * SERVICES);
    expect(new Set(cells.map(name)).size).to.equal(PEERS * SERVICES * STATES.length);
  });

  it("lets those pass that are valid now, also those that will be revoked or expire", async () => {
    const now = of("valid", "revoked", "expired");
    await inTurns(now, async (cell) => {
      await until(name(cell), async () => (await throughOutway(cell)).status === 200, SETTLED_MS);
      const token = await askToken(cell, cell.consumer);
      expect((await atInway(cell, token, cell.consumer)).status, name(cell)).to.equal(200);
      oldTokens.set(cell, token);
    });
    await expectExactly("valid", "revoked", "expired");
  });

  it("refuses what is revoked within five seconds on both sides, with a token of before too", async () => {
    const revoked = of("revoked");
    await inTurns(revoked, async (cell) => {
      await sign(cell.parties[revoked.indexOf(cell) % 2] ?? cell.consumer, cell, "revoke");
    });
    await settle(revoked, 3);
    await inTurns(revoked, async (cell) => {
      await until(
        name(cell),
        async () => {
          const outway = await throughOutway(cell);
          const inway = await atInway(cell, oldTokens.get(cell), cell.consumer);
          return outway.status === 403 && inway.status === 403;
        },
        REVOKED_MS,
      );
    });
    await expectExactly("valid", "expired");
  });

  it("lets exactly the valid ones pass when the clock has moved past the end of others", async () => {
    await clock.advance(2 * HOUR);
    await expectExactly("valid");
  });

  it("says at the consumer's own outway what stands against each", async () => {
    for (const cell of cells) {
      if (cell.state === "valid") continue;
      const { text } = await throughOutway(cell);
      expect(text, name(cell)).to.match(REASONS[cell.state][0]);
    }
  });

  it("gives a hostile consumer no token for any of the others, and its inway takes none that it has", async () => {
    source.requests.length = 0;
    await inTurns(cells, async (cell) => {
      const { consumer, provider, state } = cell;
      if (state === "valid") return;
      const refusal: unknown = await askToken(cell, consumer).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(refusal, name(cell)).to.be.instanceOf(RemoteError);
      expect(String(refusal), name(cell)).to.match(REASONS[state][1]);
      const answers = [
        [undefined, "401 ERROR_CODE_ACCESS_TOKEN_MISSING"],
        [await forged(cell, consumer), "401 ERROR_CODE_ACCESS_TOKEN_INVALID"],
        // Even one with the provider's own key: the inway asks for the contract's state itself.
        [await forged(cell, provider), "403 ERROR_CODE_ACCESS_DENIED"],
        [oldTokens.get(cell), "401 ERROR_CODE_ACCESS_TOKEN_EXPIRED"],
      ] as const;
      for (const [token, expected] of oldTokens.has(cell) ? answers : answers.slice(0, 3)) {
        const { status, code } = await atInway(cell, token, consumer);
        expect(`${String(status)} ${String(code)}`, name(cell)).to.equal(expected);
      }
    });
    expect(source.requests).to.deep.equal([]);
  });

  it("gives a hostile consumer with a valid contract a token, which serves nobody else", async () => {
    source.requests.length = 0;
    const valid = of("valid");
    await inTurns(valid, async (cell) => {
      const { consumer, provider } = cell;
      const token = await askToken(cell, consumer);
      expect((await atInway(cell, token, consumer)).status, name(cell)).to.equal(200);
      const thieves = all.peers.filter((peer) => peer !== consumer && peer !== provider);
      for (const thief of thieves) {
        const { status, code } = await atInway(cell, token, thief);
        expect(`${String(status)} ${String(code)}`, name(cell)).to.equal(
          "401 ERROR_CODE_ACCESS_TOKEN_INVALID",
        );
      }
    });
    expect(source.requests).to.have.length(valid.length);
  });

  it("lets those pass too that are valid when the clock has moved past their beginning", async () => {
    await clock.advance(3 * HOUR);
    await expectExactly("valid", "not yet valid");
  });
});
