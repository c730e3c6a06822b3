// What a directory shows at each moment, from the contracts that it is told of, and which contracts it takes at all.
import { expect } from "chai";
import { readFile } from "node:fs/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parseGroup, type Group } from "../../certs/group.js";
import { CONTENT_BYTES_MAX, parseContent } from "../../contracts/content.js";
import { canonical } from "../../contracts/jcs.js";
import { parseJson } from "../../contracts/json.js";
import type { ContractDecision } from "../../contracts/state.js";
import type { PeerId, ServiceName } from "../../core/names.js";
import { notForDirectory, Publications } from "../../directory/publications.js";
import type { StoredContract } from "../../fsc/stored-contract.js";
import {
  connection,
  contentOf,
  held,
  publication,
  type PublicationOf,
} from "../support/fsc-contracts.js";
import { Members } from "../support/members.js";
import { MovedClock } from "../support/moved-clock.js";

const id = (digit: number): PeerId => `0000000000000000000${String(digit)}` as PeerId;
const DIRECTORY = id(1);
const PROVIDER = id(2);
const OTHER = id(3);

describe("directory/publications", () => {
  let members: Members;
  let group: Group;
  let clock: MovedClock;
  let publications: Publications;
  let told: PeerId[];

  before(async () => {
    members = await Members.create();
    group = parseGroup(await readFile(members.test.groupFile, "utf8"));
  });
  after(() => members.remove());
  beforeEach(() => {
    clock = new MovedClock();
    publications = new Publications(DIRECTORY, clock);
    told = [];
    publications.onChange((peer) => told.push(peer));
  });

  interface Publishing extends Partial<PublicationOf> {
    readonly decision?: ContractDecision;
    /** In seconds from now. */
    readonly from?: number;
    readonly until?: number;
  }
  const contract = (name: string, of: Publishing = {}): StoredContract => {
    const { decision, from = -60, until = 60, ...changes } = of;
    const grant = publication({ directory: DIRECTORY, service: PROVIDER, name, ...changes });
    const today = Math.floor(clock.now() / 1000);
    const validity = { not_before: today + from, not_after: today + until };
    return held(contentOf(group, [grant], { validity }), decision);
  };
  const shown = (): string[] =>
    publications.all().map(({ peerId, name }) => `${peerId.slice(-1)} ${name}`);
  const names = (peer = PROVIDER): string[] => [...publications.of(peer)].sort();

  it("shows what is accepted by all, ordered by peer and name, and tells of whose it is", () => {
    publications.note(contract("b"));
    publications.note(contract("a"));
    publications.note(contract("c", { service: OTHER }));
    expect(shown()).to.deep.equal(["2 a", "2 b", "3 c"]);
    expect(names()).to.deep.equal(["a", "b"]);
    expect(names(OTHER)).to.deep.equal(["c"]);
    expect(told).to.deep.equal([PROVIDER, PROVIDER, OTHER]);
  });

  const hidden: readonly (readonly [string, Publishing])[] = [
    ["is proposed only", { decision: "PROPOSED" }],
    ["was rejected", { decision: "REJECTED" }],
    ["was revoked", { decision: "REVOKED" }],
    ["has ended", { from: -60, until: -1 }],
    ["has not begun", { from: 10 }],
    ["is with another directory", { directory: OTHER }],
  ];
  for (const [what, of] of hidden) {
    it(`does not show a service whose contract ${what}`, () => {
      publications.note(contract("echo", of));
      expect(shown()).to.deep.equal([]);
      expect(names()).to.deep.equal([]);
    });
  }

  for (const decision of ["REVOKED", "REJECTED"] as const) {
    it(`shows a service no longer whose contract becomes ${decision}`, () => {
      const valid = contract("echo");
      publications.note(valid);
      told.length = 0;
      publications.note({ ...valid, decision });
      expect(shown()).to.deep.equal([]);
      expect(told).to.deep.equal([PROVIDER]);
    });
  }

  it("shows a service as long as one of its contracts is in force", () => {
    const [first, second] = [contract("echo"), contract("echo")];
    publications.note(first);
    publications.note(second);
    publications.note({ ...first, decision: "REVOKED" });
    expect(shown()).to.deep.equal(["2 echo"]);
    publications.note({ ...second, decision: "REVOKED" });
    expect(shown()).to.deep.equal([]);
  });

  it("begins and ends with the seconds that the contract names, by time alone", () => {
    publications.note(contract("echo", { from: 10, until: 20 }));
    const startOfSecond = clock.now() % 1000;
    const seen: (readonly [number, boolean])[] = [];
    for (const at of [9_999, 10_000, 20_999, 21_000]) {
      const passed = at - startOfSecond;
      clock.advance(passed - (seen.at(-1)?.[0] ?? 0));
      publications.recheck();
      seen.push([passed, names().length === 1]);
    }
    expect(seen.map(([, isShown]) => isShown)).to.deep.equal([false, true, true, false]);
  });

  it("tells of nobody when time has changed nothing", () => {
    publications.note(contract("echo"));
    told.length = 0;
    clock.advance(1_000);
    publications.recheck();
    expect(told).to.deep.equal([]);
    clock.advance(60_000);
    publications.recheck();
    expect(told).to.deep.equal([PROVIDER]);
    expect(shown()).to.deep.equal([]);
  });

  it("looks at everything again when the machine's clock was set back", () => {
    publications.note(contract("echo"));
    clock.jump(-3_600_000);
    publications.recheck();
    expect(shown()).to.deep.equal([]);
  });

  const STEPS: readonly (readonly [number, boolean])[] = [
    [-3_600_000, true],
    [-1_001, true],
    [-1_000, false],
    [0, false],
    [3_600_000, false],
  ];
  for (const [jumped, isBack] of STEPS) {
    it(`says ${isBack ? "" : "not "}that the clock was set back when it jumped ${jumped} ms, once`, () => {
      publications.note(contract("echo"));
      clock.jump(jumped);
      expect([publications.recheck(), publications.recheck()]).to.deep.equal([isBack, false]);
    });
  }

  it("keeps nothing of a contract in memory but what it shows", () => {
    const collect = ((): (() => void) => {
      setFlagsFromString("--expose-gc");
      return runInNewContext("gc") as () => void;
    })();
    const size = 500_000;
    const noteLarge = (count: number): void => {
      const echo = publication({
        ...{ directory: DIRECTORY, service: PROVIDER, name: `municipalities-${String(count)}` },
      });
      const large = publication({
        ...{ directory: OTHER, service: PROVIDER, name: "echo" },
        properties: { note: `${String(count)}${"x".repeat(size)}` },
      });
      const text = canonical(contentOf(group, [echo, large]));
      const { id: groupId, peerIdRule } = group;
      const bytes = { bytesMax: CONTENT_BYTES_MAX };
      const content = parseContent(parseJson(Buffer.from(text), bytes), { groupId, peerIdRule });
      publications.note(held(content));
    };
    noteLarge(0);
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let count = 1; count <= 40; count++) noteLarge(count);
    collect();
    expect(publications.of(PROVIDER).size).to.equal(41);
    expect(process.memoryUsage().heapUsed - before).to.be.below(10 * size);
  });

  it("says for whom a service is published", () => {
    publications.note(contract("echo", { delegator: OTHER }));
    expect(publications.all()).to.deep.equal([
      {
        ...{ peerId: PROVIDER, name: "echo", protocol: "PROTOCOL_TCP_HTTP_1.1" },
        ...{ delegator: OTHER, properties: undefined },
      },
    ]);
    expect(names(OTHER)).to.deep.equal([]);
    const delegators = ["echo", "other"].map((name) =>
      publications.delegatorOf(PROVIDER, name as ServiceName),
    );
    expect(delegators).to.deep.equal([OTHER, undefined]);
  });

  describe("notForDirectory", () => {
    const grantOf = (changes: Partial<PublicationOf> = {}) =>
      publication({ directory: DIRECTORY, service: PROVIDER, name: "echo", ...changes });

    it("takes services of others that are published here, for themselves or for others", () => {
      const content = contentOf(group, [
        grantOf(),
        grantOf({ name: "other" }),
        grantOf({ delegator: OTHER }),
      ]);
      expect(notForDirectory(content, DIRECTORY)).to.equal(undefined);
    });

    const refused: readonly (readonly [string, () => ReturnType<typeof publication>])[] = [
      ["publishes elsewhere", () => grantOf({ directory: OTHER })],
      ["publishes a service of the directory's own peer", () => grantOf({ service: DIRECTORY })],
      [
        "publishes in the name of the directory's own peer",
        () => grantOf({ delegator: DIRECTORY }),
      ],
      [
        "lets somebody call",
        () => connection({ outway: members.bundles.directory, service: members.bundles.provider }),
      ],
    ];
    for (const [what, grant] of refused) {
      it(`takes no contract with a grant that ${what}, also beside one that it takes`, () => {
        for (const grants of [[grant()], [grantOf({ name: "beside" }), grant()]]) {
          expect(notForDirectory({ grants }, DIRECTORY)).to.contain(`peer ${DIRECTORY} is`);
        }
      });
    }
  });
});
