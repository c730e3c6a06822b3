// The contract book from the side of its own organisation: proposing, deciding, finding, delivering, renewing.
import { expect } from "chai";
import type { ContractContent } from "../../contracts/content.js";
import type { GrantData } from "../../contracts/grant.js";
import { contentHash, type GrantHash } from "../../contracts/hash.js";
import { SchakelError } from "../../core/errors.js";
import { Lifecycle } from "../../core/lifecycle.js";
import type { BookQuery } from "../../fsc/contract-list.js";
import { DELIVERY_LEASE_MS } from "../../fsc/delivery.js";
import { RemoteError, type PeerDescription } from "../../fsc/manager-interface.js";
import { MovedClock } from "../support/moved-clock.js";
import {
  Certified,
  connection,
  contentFor,
  contentsOf,
  delegatedConnection,
  directClient,
  openOrganisations,
  silentLog,
  type Organisation,
} from "../support/organisations.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

const ALL: BookQuery = {
  ...{ cursor: undefined, limit: 1000, sortOrder: "ascending" },
  ...{ grantType: undefined, grantHashes: [] },
};

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof SchakelError) return error.code;
    throw error;
  }
  return "none";
};

describe("fsc/contract-book", () => {
  let certified: Certified;
  let clock: MovedClock;
  let all: readonly Organisation[];
  let anna: Organisation;
  let ben: Organisation;
  let carl: Organisation;

  before(async () => {
    certified = await Certified.create(3, 2);
  });
  after(async () => {
    await certified.remove();
    removeTemporaryFolders();
  });
  beforeEach(async () => {
    clock = new MovedClock();
    all = await openOrganisations(certified, 3, clock);
    [anna, ben, carl] = all as [Organisation, Organisation, Organisation];
  });
  afterEach(async () => {
    for (const each of all) await each.close();
  });

  const content = (changes: Parameters<typeof contentFor>[3] = {}): ContractContent =>
    contentFor(certified.group, clock.now(), [connection(anna.peerId, ben.peerId)], changes);
  const reopen = async (
    of: Organisation,
    changes: Partial<ReturnType<typeof directClient>> = {},
    options: Parameters<Organisation["open"]>[2] = {},
  ): Promise<void> => {
    await of.close();
    await of.open(clock, { ...directClient(all, of), ...changes }, options);
  };
  const decisionAt = async (of: Organisation, hash: ReturnType<typeof contentHash>) =>
    (await of.book.get(hash))?.decision;

  it("brings a contract of three from proposed to accepted to revoked at all of them, telling listeners", async () => {
    const grants = [delegatedConnection(anna.peerId, ben.peerId, carl.peerId)];
    const { contract, created } = await anna.book.propose(
      contentFor(certified.group, clock.now(), grants),
    );
    const { hash } = contract;
    const told: string[] = [];
    ben.book.onChange(({ decision, signatures }) =>
      told.push(`${decision} ${String(signatures.length)}`),
    );
    expect(created).to.equal(true);
    await anna.book.deliverDue();
    await ben.book.decide(hash, "accept");
    await ben.book.deliverDue();
    expect(await decisionAt(anna, hash)).to.equal("PROPOSED");
    await carl.book.decide(hash, "accept");
    await carl.book.deliverDue();
    for (const each of all) expect(await decisionAt(each, hash)).to.equal("ACCEPTED");
    await anna.book.decide(hash, "revoke");
    await anna.book.deliverDue();
    for (const each of all) expect(await decisionAt(each, hash)).to.equal("REVOKED");
    expect(told).to.deep.equal(["PROPOSED 1", "PROPOSED 2", "ACCEPTED 3", "REVOKED 4"]);
    expect((await anna.book.deliveries(hash)).map(({ deliveredAt }) => deliveredAt)).not.to.include(
      undefined,
    );
  });

  it("proposes the same content once and decides the same once", async () => {
    const of = content();
    expect((await anna.book.propose(of)).created).to.equal(true);
    await anna.book.deliverDue();
    const proposed = await contentsOf(anna.db);
    expect((await anna.book.propose(of)).created).to.equal(false);
    expect(await contentsOf(anna.db)).to.deep.equal(proposed);
    const hash = contentHash(of);
    const first = await Promise.all([
      ben.book.decide(hash, "accept"),
      ben.book.decide(hash, "accept"),
    ]);
    expect(first.map(({ changed }) => changed)).to.have.members([true, false]);
    expect((await ben.book.decide(hash, "accept")).changed).to.equal(false);
  });

  it("refuses decisions that the state does not allow, and an unknown contract", async () => {
    const of = content();
    const hash = contentHash(of);
    expect(await codeOf(anna.book.decide(hash, "accept"))).to.equal(
      "ERROR_CODE_CONTRACT_NOT_FOUND",
    );
    await anna.book.propose(of);
    await anna.book.deliverDue();
    await ben.book.decide(hash, "accept");
    expect(await codeOf(ben.book.decide(hash, "reject"))).to.equal("ERROR_CODE_CONTRACT_DECIDED");
    await ben.book.decide(hash, "revoke");
    await ben.book.deliverDue();
    for (const type of ["reject", "revoke"] as const) {
      expect(await codeOf(anna.book.decide(hash, type))).to.equal("ERROR_CODE_CONTRACT_DECIDED");
    }
    const ended = content({ seconds: 60 });
    await anna.book.propose(ended);
    await anna.book.deliverDue();
    clock.advance(62_000);
    expect(await codeOf(ben.book.decide(contentHash(ended), "accept"))).to.equal(
      "ERROR_CODE_CONTRACT_DECIDED",
    );
  });

  it("proposes nothing that a receiver would refuse", async () => {
    const before = await contentsOf(anna.db);
    const others = contentFor(certified.group, clock.now(), [connection(ben.peerId, carl.peerId)]);
    expect(await codeOf(anna.book.propose(others))).to.equal(
      "ERROR_CODE_SUBMITTING_PEER_NOT_PART_OF_CONTRACT",
    );
    expect(await codeOf(anna.book.propose(content({ seconds: -5 })))).to.equal(
      "ERROR_CODE_CONTRACT_INVALID",
    );
    expect(await contentsOf(anna.db)).to.deep.equal(before);
    const { iv } = (await anna.book.propose(content())).contract.content;
    expect(await codeOf(anna.book.propose(content({ iv, seconds: 99 })))).to.equal(
      "ERROR_CODE_CONTRACT_INVALID",
    );
  });

  it("tries again with growing waits of at most 300 s, also after a restart, and says why", async () => {
    const down = { submit: () => Promise.reject(new Error("connect ECONNREFUSED")) };
    await reopen(anna, down);
    const { contract } = await anna.book.propose(content({ seconds: 86_400 }));
    const waits: number[] = [];
    for (let at = 0; at < 12; at++) {
      await anna.book.deliverDue();
      const [delivery] = await anna.book.deliveries(contract.hash);
      expect(delivery?.lastError).to.equal("connect ECONNREFUSED");
      expect(delivery?.attempts).to.equal(at + 1);
      waits.push(delivery!.nextAttemptAt! - clock.now());
      clock.advance(waits.at(-1)!);
      await reopen(anna, down);
      clock.advance(DELIVERY_LEASE_MS);
    }
    expect(waits[0]).to.be.within(500, 1000);
    expect(waits[11]).to.be.within(150_000, 300_000);
    await reopen(anna);
    clock.advance(DELIVERY_LEASE_MS);
    await anna.book.deliverDue();
    const [delivery] = await anna.book.deliveries(contract.hash);
    expect(delivery?.lastError).to.equal(undefined);
    expect(delivery?.deliveredAt).to.equal(clock.now());
    expect(await decisionAt(ben, contract.hash)).to.equal("PROPOSED");
  });

  it("stops when the contract has ended", async () => {
    let tries = 0;
    const submit = () => Promise.reject(new Error(`try ${String((tries += 1))}`));
    await reopen(anna, { submit });
    const { contract } = await anna.book.propose(content({ seconds: 60 }));
    await anna.book.deliverDue();
    clock.advance(62_000);
    await anna.book.deliverDue();
    expect(tries).to.equal(1);
    const [delivery] = await anna.book.deliveries(contract.hash);
    expect(delivery?.nextAttemptAt).to.equal(undefined);
    expect(delivery?.deliveredAt).to.equal(undefined);
  });

  it("waits for the address of a party, and delivers as soon as it is known", async () => {
    await anna.db.deleteFrom("fsc_peer").execute();
    const { contract } = await anna.book.propose(content());
    await anna.book.deliverDue();
    const [waiting] = await anna.book.deliveries(contract.hash);
    expect(waiting?.lastError).to.contain("not known where the manager");
    expect(waiting?.attempts).to.equal(1);
    await anna.meet([ben]);
    await anna.book.deliverDue();
    expect(await decisionAt(ben, contract.hash)).to.equal("PROPOSED");
  });

  it("asks a manager that does not answer once a round, and each of its contracts in turn", async () => {
    const asked: string[] = [];
    await reopen(anna, {
      submit: (_to, _kind, _submission, hash) => {
        asked.push(hash);
        return Promise.reject(new Error("connect ETIMEDOUT"));
      },
    });
    for (let at = 0; at < 3; at++) await anna.book.propose(content());
    for (let round = 0; round < 3; round++) {
      await anna.book.deliverDue();
      clock.advance(300_000);
    }
    expect(asked).to.have.lengthOf(3);
    expect(new Set(asked)).to.have.lengthOf(3);
  });

  it("lets other parties come first when one has taken long, and goes on with it afterwards", async () => {
    const sentTo: string[] = [];
    const { submit } = directClient(all, anna);
    const slowly: typeof submit = (to, ...rest) => {
      sentTo.push(to.peerId === ben.peerId ? "ben" : "carl");
      if (to.peerId === ben.peerId) clock.advance(600);
      return submit(to, ...rest);
    };
    const limits = { partiesAtOnce: 1, partyRoundMs: 1_000 };
    await reopen(anna, { submit: slowly }, { limits });
    for (let made = 0; made < 5; made += 1) await anna.book.propose(content());
    clock.advance(1);
    const grants = [connection(anna.peerId, carl.peerId)];
    await anna.book.propose(contentFor(certified.group, clock.now(), grants));
    for (let round = 0; round < 4; round += 1) await anna.book.deliverDue();
    expect(sentTo).to.deep.equal(["ben", "ben", "carl", "ben", "ben", "ben"]);
    expect(await anna.book.deliveriesWaiting()).to.equal(0);
  });

  it("shows both versions when the other side has another version of FSC", async () => {
    const { caller } = ben;
    const endpoint = { peerId: caller.identity.peerId, address: caller.address };
    const old: PeerDescription = {
      peerId: ben.peerId,
      name: "",
      fscVersion: "1.1.2",
      extensions: new Map(),
    };
    await reopen(anna, {
      submit: () =>
        Promise.reject(new RemoteError(endpoint, 422, "ERROR_CODE_UNKNOWN_FSC_VERSION", "no")),
      peer: () => Promise.resolve(old),
    });
    const { contract } = await anna.book.propose(content());
    await anna.book.deliverDue();
    const [delivery] = await anna.book.deliveries(contract.hash);
    expect(delivery?.lastError).to.contain("understands FSC 1.1.2");
    expect(delivery?.lastError).to.contain("ours understands FSC 2.0.0");
  });

  it("proposes with POST, and sends all other signatures with PUT", async () => {
    const kinds: string[] = [];
    for (const each of [anna, ben]) {
      const { submit } = directClient(all, each);
      await reopen(each, {
        submit: (to, kind, ...rest) => {
          kinds.push(kind);
          return submit(to, kind, ...rest);
        },
      });
    }
    const { contract } = await anna.book.propose(content());
    await anna.book.deliverDue();
    await ben.book.decide(contract.hash, "accept");
    await ben.book.deliverDue();
    anna.bundles.replace(certified.bundles[0]![1]!);
    clock.advance(DELIVERY_LEASE_MS);
    await anna.book.deliverDue();
    await anna.book.decide(contract.hash, "revoke");
    await anna.book.deliverDue();
    expect(kinds).to.deep.equal(["propose", "accept", "accept", "revoke"]);
  });

  it("accepts anew what is open or in force when its certificate is replaced, and lists the former one", async () => {
    const [running, revoked, short] = [content(), content(), content({ seconds: 30 })];
    for (const of of [running, revoked, short]) await anna.book.propose(of);
    await anna.book.decide(contentHash(revoked), "revoke");
    await anna.book.deliverDue();
    clock.advance(31_000 + 1000);
    const former = anna.bundles.current.identity.certificateThumbprint;
    const next = certified.bundles[0]![1]!;
    anna.bundles.replace(next);
    const listed = () =>
      anna.book.certificates().map(([first]) => first!.fingerprint256.replaceAll(":", ""));
    expect(listed()).to.have.lengthOf(2);
    await anna.book.deliverDue();
    expect(listed()).to.have.lengthOf(2);
    const usedAt = async (of: Organisation, hash: ReturnType<typeof contentHash>) =>
      (await of.book.get(hash))?.signatures.map((each) => each.certificateThumbprint);
    const { certificateThumbprint: latest } = next.identity;
    for (const each of [anna, ben]) {
      expect(await usedAt(each, contentHash(running))).to.deep.equal([latest]);
      expect(await usedAt(each, contentHash(revoked))).to.deep.equal([former, former]);
      expect(await usedAt(each, contentHash(short))).to.deep.equal([former]);
    }
    const after = await contentsOf(anna.db);
    await anna.book.deliverDue();
    expect(await contentsOf(anna.db)).to.deep.equal(after);
  });

  it("makes again what a certificate signed that was taken back at once", async () => {
    await anna.book.deliverDue();
    const first = anna.bundles.current;
    anna.bundles.replace(certified.bundles[0]![1]!);
    const { contract } = await anna.book.propose(content());
    anna.bundles.replace(first);
    await anna.book.deliverDue();
    const { certificateThumbprint } = first.identity;
    for (const each of [anna, ben]) {
      const held = await each.book.get(contract.hash);
      expect(held?.signatures).to.have.lengthOf(1);
      expect(held?.signatures[0]).to.include({ certificateThumbprint });
    }
  });

  it("finds contracts by all filters, page by page, in both directions", async () => {
    const made: ContractContent[] = [];
    for (const service of ["parking", "waste", "parking"]) {
      const grants = [connection(anna.peerId, ben.peerId, service)];
      made.push(contentFor(certified.group, clock.now(), grants));
    }
    made.push(
      contentFor(certified.group, clock.now(), [connection(anna.peerId, carl.peerId)], {
        seconds: 5,
      }),
    );
    for (const of of made) await anna.book.propose(of);
    const hashes = made.map(contentHash);
    await anna.book.decide(hashes[1]!, "revoke");
    clock.advance(10_000);
    const found = async (query: Partial<BookQuery>): Promise<number[]> => {
      const { items } = await anna.book.list({ ...ALL, ...query });
      return items.map(({ hash }) => hashes.indexOf(hash));
    };
    expect(await found({})).to.deep.equal([0, 1, 2, 3]);
    expect(await found({ sortOrder: "descending" })).to.deep.equal([3, 2, 1, 0]);
    expect(await found({ party: carl.peerId })).to.deep.equal([3]);
    expect(await found({ serviceName: "waste" })).to.deep.equal([1]);
    expect(await found({ state: "PROPOSED" })).to.deep.equal([0, 2]);
    expect(await found({ state: "REVOKED" })).to.deep.equal([1]);
    expect(await found({ state: "REJECTED" })).to.deep.equal([3]);
    expect(await found({ state: "VALID" })).to.deep.equal([]);
    expect(await found({ waitingFor: ben.peerId })).to.deep.equal([0, 2]);
    expect(await found({ waitingFor: anna.peerId })).to.deep.equal([]);
    expect(await found({ grantType: "GRANT_TYPE_SERVICE_PUBLICATION" })).to.deep.equal([]);
    const grant = (await anna.book.get(hashes[2]!))!.grants[0]!.hash;
    const grantHashes = [grant];
    expect(await found({ grantHashes, grantType: "GRANT_TYPE_SERVICE_PUBLICATION" })).to.deep.equal(
      [2],
    );
    expect(await found({ grantHashes, party: carl.peerId })).to.deep.equal([]);
    const first = await anna.book.list({ ...ALL, limit: 3 });
    const second = await anna.book.list({ ...ALL, limit: 3, cursor: first.nextCursor });
    expect([first.items.length, second.items.length]).to.deep.equal([3, 1]);
    expect(second.nextCursor).to.equal(undefined);
    expect((await anna.book.findGrant(grant))?.contract.hash).to.equal(hashes[2]);
    const unknown = `${grant.slice(0, -1)}${grant.endsWith("A") ? "Q" : "A"}` as GrantHash;
    expect(await anna.book.findGrant(unknown)).to.equal(undefined);
    for (const text of [hashes[1]!, hashes[1]!.slice(5, 20)]) {
      expect((await anna.book.findByPrefix(text)).map(({ hash }) => hash)).to.deep.equal([
        hashes[1],
      ]);
    }
    expect(await anna.book.findByPrefix("%")).to.deep.equal([]);
  });

  it("ends a page before contracts that are too large together, and goes on after it", async () => {
    const hashes: string[] = [];
    for (const name of ["one", "two", "three"]) {
      const grant = {
        ...{ type: "GRANT_TYPE_SERVICE_PUBLICATION", directory: { peer_id: ben.peerId } },
        service: { peer_id: anna.peerId, name, protocol: "PROTOCOL_TCP_HTTP_1.1" },
        properties: { note: "x".repeat(900_000) },
      } as unknown as GrantData;
      const of = contentFor(certified.group, clock.now(), [grant]);
      hashes.push((await anna.book.propose(of)).contract.hash);
    }
    for (const sortOrder of ["ascending", "descending"] as const) {
      const first = await anna.book.list({ ...ALL, sortOrder });
      const rest = await anna.book.list({ ...ALL, sortOrder, cursor: first.nextCursor });
      const found = [...first.items, ...rest.items].map(({ hash }) => hash);
      expect(first.items).to.have.length(2);
      expect(sortOrder === "ascending" ? found : found.reverse()).to.deep.equal(hashes);
      expect(rest.nextCursor).to.equal(undefined);
    }
  });

  for (const [what, query] of [
    ["a limit of 0", { limit: 0 }],
    ["a limit of 1001", { limit: 1001 }],
    ["a cursor of its own making", { cursor: "x" }],
    ["a cursor that is no place in the list", { cursor: Buffer.from("1.5").toString("base64url") }],
    [
      "too many grant hashes",
      { grantHashes: Array.from({ length: 1001 }, () => "$" as GrantHash) },
    ],
  ] as const) {
    it(`refuses a list with ${what}`, async () => {
      expect(await codeOf(anna.book.list({ ...ALL, ...query }))).to.equal(
        "ERROR_CODE_REQUEST_INVALID",
      );
    });
  }

  it("delivers by itself until the life cycle stops it", async () => {
    const lifecycle = new Lifecycle(silentLog);
    await reopen(anna, {}, { lifecycle });
    const { contract } = await anna.book.propose(content());
    await until("the contract at the other side", () => ben.book.get(contract.hash));
    await ben.book.decide(contract.hash, "accept");
    await ben.book.deliverDue();
    await anna.book.decide(contract.hash, "revoke");
    await until(
      "the revocation at the other side",
      async () => (await decisionAt(ben, contract.hash)) === "REVOKED",
    );
    await lifecycle.stop();
  });

  it("lets one process deliver at a time, and another one when the first is silent", async () => {
    const sent: string[] = [];
    const client = (name: string) => ({
      submit: () => {
        sent.push(name);
        return Promise.reject(new Error("not now"));
      },
    });
    await reopen(anna, client("first"));
    const { contract } = await anna.book.propose(content());
    await anna.book.deliverDue();
    await reopen(anna, client("second"));
    clock.advance(2_000);
    await anna.book.deliverDue();
    expect(sent).to.deep.equal(["first"]);
    clock.advance(DELIVERY_LEASE_MS);
    await anna.book.deliverDue();
    expect(sent).to.deep.equal(["first", "second"]);
    expect((await anna.book.deliveries(contract.hash))[0]?.attempts).to.equal(2);
  });

  it("writes nothing of a try when another process has taken over meanwhile", async () => {
    let release = (): void => undefined;
    await reopen(anna, { submit: () => new Promise((resolve) => (release = resolve)) });
    const { contract } = await anna.book.propose(content());
    const late = anna.book.deliverDue();
    await until(
      "the try",
      async () => (await anna.db.selectFrom("fsc_lease").selectAll().execute()).length,
    );
    await new Promise((resolve) => setImmediate(resolve));
    await anna.db.updateTable("fsc_lease").set({ token: 9, holder: "another" }).execute();
    release();
    await late;
    const [delivery] = await anna.book.deliveries(contract.hash);
    expect([delivery?.attempts, delivery?.deliveredAt]).to.deep.equal([0, undefined]);
  });
});
