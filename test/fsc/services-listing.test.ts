// Which services a directory shows, in which order, by which pages.
import { expect } from "chai";
import { readFile } from "node:fs/promises";
import { parseGroup, type Group } from "../../certs/group.js";
import type { ContractDecision } from "../../contracts/state.js";
import { SchakelError } from "../../core/errors.js";
import type { PeerId } from "../../core/names.js";
import type { PublishedService, ServiceQuery } from "../../fsc/manager-interface.js";
import {
  namedService,
  pageOfServices,
  publishedServices,
  publishingOf,
} from "../../fsc/services-listing.js";
import type { StoredContract } from "../../fsc/stored-contract.js";
import { contentOf, held, publication, type PublicationOf } from "../support/fsc-contracts.js";
import { TestGroup } from "../support/pki.js";

const id = (digit: number): PeerId => `0000000000000000000${String(digit)}` as PeerId;
const DIRECTORY = id(1);
const ADDRESS = { host: "manager.test", port: 8443 };
const ALL: ServiceQuery = {
  ...{ cursor: undefined, limit: 100, sortOrder: "ascending" },
  ...{ peerId: undefined, nameContains: undefined },
};

describe("fsc/services-listing", () => {
  let group: Group;
  let test: TestGroup;
  const now = Date.now();
  const today = Math.floor(now / 1000);

  before(async () => {
    test = await TestGroup.create();
    group = parseGroup(await readFile(test.groupFile, "utf8"));
  });

  after(() => test.remove());

  interface Publishing extends Partial<PublicationOf> {
    readonly decision?: ContractDecision;
    readonly from?: number;
    readonly until?: number;
    readonly createdAt?: number;
  }

  const published = (name: string, of: Publishing = {}): StoredContract => {
    const { decision, from = -60, until = 60, createdAt = -60, ...changes } = of;
    const grant = publication({ directory: DIRECTORY, service: id(2), name, ...changes });
    const validity = { not_before: today + from, not_after: today + until };
    return held(contentOf(group, [grant], { validity, createdAt: today + createdAt }), decision);
  };

  const peers = new Map(
    [2, 3, 4, 5, 6, 7, 8].map((digit) => [
      id(digit),
      { name: `Peer ${String(digit)}`, managerAddress: ADDRESS },
    ]),
  );
  const list = (...contracts: readonly StoredContract[]): readonly PublishedService[] =>
    publishedServices(
      contracts.map((contract) => publishingOf(contract, DIRECTORY)),
      now,
    ).map((service) => namedService(service, peers));

  const names = (services: readonly PublishedService[]): string[] =>
    services.map(({ peerId, name }) => `${peerId.slice(-1)}/${name}`);

  const HIDDEN: readonly (readonly [string, Publishing])[] = [
    ["is proposed only", { decision: "PROPOSED" }],
    ["has been rejected", { decision: "REJECTED" }],
    ["has been revoked", { decision: "REVOKED" }],
    ["has expired", { from: -60, until: -1 }],
    ["has not begun", { from: 10, until: 60 }],
    ["is with another directory", { directory: id(3) }],
  ];

  for (const [title, publishing] of HIDDEN) {
    it(`does not show a service whose contract ${title}`, () => {
      expect(list(published("echo", publishing))).to.deep.equal([]);
    });
  }

  it("shows what a valid contract says", () => {
    expect(list(published("echo"))).to.deep.equal([
      {
        ...{ peerId: id(2), peerName: "Peer 2", managerAddress: ADDRESS, name: "echo" },
        ...{ protocol: "PROTOCOL_TCP_HTTP_1.1", delegator: undefined, properties: undefined },
      },
    ]);
  });

  it("shows for whom a service is offered, and its properties", () => {
    const [service] = list(published("echo", { delegator: id(4), properties: { a: 1 } }));
    expect(service?.delegator).to.deep.equal({ peerId: id(4), name: "Peer 4" });
    expect({ ...service?.properties }).to.deep.equal({ a: 1 });
  });

  it("shows the id of a peer of which nothing is known", () => {
    const [service] = list(published("echo", { service: id(9), delegator: id(9) }));
    expect(service).to.include({ peerName: id(9), managerAddress: undefined });
    expect(service?.delegator?.name).to.equal(id(9));
  });

  it("shows a service once, as the newest of its contracts says, in whatever order they come", () => {
    const old = published("echo", { createdAt: -100, properties: { which: "old" } });
    const fresh = published("echo", { createdAt: -50, properties: { which: "fresh" } });
    const revoked = published("echo", { createdAt: -10, decision: "REVOKED" });
    for (const contracts of [
      [old, fresh, revoked],
      [revoked, fresh, old],
    ]) {
      const services = list(...contracts);
      expect(services.map(({ properties }) => ({ ...properties }))).to.deep.equal([
        { which: "fresh" },
      ]);
    }
  });

  it("shows every grant of a contract, and orders by peer and name", () => {
    const grants = ["b", "a", "C"].map((name) =>
      publication({ directory: DIRECTORY, service: id(3), name }),
    );
    const validity = { not_before: today - 60, not_after: today + 60 };
    const several = held(contentOf(group, grants, { validity, createdAt: today - 60 }));
    expect(names(list(several, published("z")))).to.deep.equal(["2/z", "3/C", "3/a", "3/b"]);
  });

  const some = (): readonly PublishedService[] =>
    list(
      published("Alpha"),
      published("beta"),
      published("alphabet", { service: id(3) }),
      published("gamma", { service: id(4) }),
    );

  const FILTERS: readonly (readonly [string, Partial<ServiceQuery>, readonly string[]])[] = [
    ["nothing", {}, ["2/Alpha", "2/beta", "3/alphabet", "4/gamma"]],
    ["a peer", { peerId: id(2) }, ["2/Alpha", "2/beta"]],
    ["a part of the name in any case", { nameContains: "ALPHA" }, ["2/Alpha", "3/alphabet"]],
    [
      "a peer or a name",
      { peerId: id(4), nameContains: "BET" },
      ["2/beta", "3/alphabet", "4/gamma"],
    ],
    ["a peer without services", { peerId: id(5) }, []],
    ["a name that is no pattern", { nameContains: "." }, []],
    [
      "the other order",
      { sortOrder: "descending" },
      ["4/gamma", "3/alphabet", "2/beta", "2/Alpha"],
    ],
  ];

  for (const [title, query, expected] of FILTERS) {
    it(`filters by ${title}`, () => {
      const page = pageOfServices(some(), { ...ALL, ...query });
      expect(names(page.items)).to.deep.equal(expected);
      expect(page.nextCursor).to.equal(undefined);
    });
  }

  for (const sortOrder of ["ascending", "descending"] as const) {
    for (const limit of [1, 2, 3, 4, 5]) {
      it(`gives everything once by pages of ${String(limit)}, ${sortOrder}`, () => {
        const query = { ...ALL, limit, sortOrder };
        const found: string[] = [];
        let cursor: string | undefined;
        do {
          const page = pageOfServices(some(), { ...query, cursor });
          expect(page.items.length).to.be.at.most(limit).and.at.least(1);
          found.push(...names(page.items));
          cursor = page.nextCursor;
        } while (cursor !== undefined);
        const whole = names(pageOfServices(some(), { ...ALL, sortOrder }).items);
        expect(found).to.deep.equal(whole);
      });
    }
  }

  it("goes on after a service that has gone meanwhile", () => {
    const { nextCursor } = pageOfServices(some(), { ...ALL, limit: 2 });
    const left = some().filter(({ name }) => name !== "beta");
    const page = pageOfServices(left, { ...ALL, cursor: nextCursor });
    expect(names(page.items)).to.deep.equal(["3/alphabet", "4/gamma"]);
  });

  for (const cursor of ["x", "W10", "WzEsMl0", "eyJhIjoxfQ", "bnVsbA", "~~~"]) {
    it(`refuses the cursor ${cursor}, which it did not give`, () => {
      expect(() => pageOfServices(some(), { ...ALL, cursor }))
        .to.throw(SchakelError, /cursor/)
        .with.property("code", "ERROR_CODE_REQUEST_INVALID");
    });
  }
});
