// Checks fsc/revocation-lists.ts and fsc/fetch-list.ts: what is fetched and what is refused, over real
// sockets and from files, and what is left after a restart.
import { expect } from "chai";
import { createServer, type RequestListener, type Server } from "node:http";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { BundleSource } from "../../certs/bundle.js";
import { createLists, revokeCertificate } from "../../certs/ca-revocation.js";
import { openCa, type Ca } from "../../certs/ca.js";
import { GroupSource } from "../../certs/group.js";
import { readCertificates, writeListsPem } from "../../certs/pem.js";
import { readRevocationList } from "../../certs/revocation-list.js";
import type { Clock } from "../../core/clock.js";
import type { DialPolicy } from "../../core/dial.js";
import { Lifecycle } from "../../core/lifecycle.js";
import { fetchList, FetchError } from "../../fsc/fetch-list.js";
import { CHAINS_MAX } from "../../fsc/remembered-chains.js";
import { RevocationLists } from "../../fsc/revocation-lists.js";
import { LOCAL, Members } from "../support/members.js";
import { makeOddCa } from "../support/openssl.js";
import { recordedLog } from "../support/recorded-log.js";
import { makeList } from "../support/revocation.js";
import { until } from "../support/until.js";

const DAY_MS = 86_400_000;
const POLICY: DialPolicy = { ...LOCAL, hosts: new Map([["crl.test", "127.0.0.1"]]) };

describe("fsc/revocation-lists", function () {
  this.timeout(60_000);
  let members: Members;
  let ca: Ca;
  let answer: RequestListener;
  let server: Server;
  let url: string;
  let now = 0;
  let lines: readonly string[];
  const end: (() => Promise<void> | void)[] = [];
  const clock: Clock = { now: () => Date.now() + now, monotonic: () => performance.now() };

  beforeEach(async () => {
    now = 0;
    members = await Members.create();
    ca = await openCa(members.test.caDir);
    answer = (_, response) => response.writeHead(404).end();
    server = createServer((request, response) => answer(request, response));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://crl.test:${String((server.address() as AddressInfo).port)}/ca.crl`;
  });
  afterEach(async () => {
    for (const each of end.splice(0).reverse()) await each();
    server.closeAllConnections();
    server.close();
    await members.remove();
  });

  const pemOf = async (days = 7): Promise<string> => {
    const { root, issuing } = await createLists(ca, days);
    return writeListsPem([issuing, ...(root === undefined ? [] : [root])]);
  };
  const serve = (body: string | Buffer): void => {
    answer = (_, response) => response.end(body);
  };
  const start = async (sources: readonly string[], refreshMs = 50) => {
    const recorded = recordedLog();
    lines = recorded.lines;
    const lifecycle = new Lifecycle(recorded.log);
    end.push(() => lifecycle.stop());
    const groups = await GroupSource.open(members.test.groupFile, recorded.log);
    lifecycle.onStop("group", () => groups.close());
    const bundles = await BundleSource.open(members.peers.provider.files, groups, recorded.log);
    lifecycle.onStop("bundle", () => bundles.close());
    const lists = await RevocationLists.start({
      ...{ groups, bundles, sources, clock, lifecycle, refreshMs, log: recorded.log },
      ...{ policy: () => POLICY, folder: join(members.test.dir, "lists") },
    });
    return { lists, groups, lifecycle, recorded };
  };
  const logged = (text: RegExp): Promise<string> =>
    until(`a line with ${String(text)}`, () => lines.find((line) => text.test(line)));

  it("fetches the lists of every CA over http, hands them to the group and tells listeners", async () => {
    serve(await pemOf());
    const { lists, groups } = await start([url]);
    const told: number[] = [];
    lists.onChange((all) => told.push(all.length));
    await until("two lists", () => lists.current().length === 2);
    expect(groups.current.revocationLists).to.equal(lists.current());
    expect(told.at(-1) ?? 2).to.equal(2);
    expect(lists.problems()).to.deep.equal([]);
  });

  it("fetches from a file, follows it, and obeys what it says", async () => {
    const file = join(members.test.dir, "ca.crl");
    await writeFile(file, await pemOf());
    const { lists, groups } = await start([file]);
    await until("two lists", () => lists.current().length === 2);
    const [leaf] = members.bundles.other.chain;
    await revokeCertificate(ca, leaf?.serialNumber ?? "");
    await writeFile(file, await pemOf());
    await until("a newer list", () =>
      groups.current.revocationLists.some(({ crl }) => readRevocationList(crl).revoked.size === 1),
    );
  });

  it("fetches from where our own certificate says, in DER", async () => {
    const { issuing } = await createLists(ca, 7);
    serve(issuing);
    const stated = await openCa(members.test.caDir);
    await writeFile(join(stated.dir, "crl-url"), `${url}\n`);
    const peer = await members.test.peer({ peerId: "7".repeat(20), name: "X", names: ["x.test"] });
    members = Object.assign(members, { peers: { ...members.peers, provider: peer } });
    const { lists } = await start([]);
    await until("a list", () => lists.current().length === 1);
  });

  it("fetches the lists of another peer's issuers once their chain is known", async () => {
    serve((await createLists(ca, 7)).issuing);
    await writeFile(join(ca.dir, "crl-url"), `${url}\n`);
    const peer = await members.test.peer({ peerId: "7".repeat(20), name: "X", names: ["x.test"] });
    const { lists } = await start([]);
    lists.note(readCertificates(await readFile(peer.files.cert, "utf8"), 5));
    await until("a list", () => lists.current().length === 1);
  });

  it("fetches the list of a CA in use again when its chains had to make room for others", async () => {
    await writeFile(join(ca.dir, "crl-url"), `${url}\n`);
    let body = (await createLists(ca, 7)).issuing;
    answer = (request, response) => {
      if (request.url === "/ca.crl") response.end(body);
      else response.writeHead(404).end();
    };
    const peer = await members.test.peer({ peerId: "7".repeat(20), name: "X", names: ["x.test"] });
    const [leaf, issuing] = readCertificates(await readFile(peer.files.cert, "utf8"), 5);
    if (leaf === undefined || issuing === undefined) throw new Error("the chain is too short");
    const { lists, groups } = await start([]);
    lists.note([leaf, issuing]);
    await until("a list", () => lists.current().length === 1);
    const other = await openCa(members.test.caDir);
    await writeFile(join(other.dir, "crl-url"), `${url}.other\n`);
    const about = { peerId: "8".repeat(20), name: "Y", names: ["y.test"] };
    const stranger = await members.test.peer(about);
    const [theirs] = readCertificates(await readFile(stranger.files.cert, "utf8"), 5);
    if (theirs === undefined) throw new Error("there is no certificate");
    // Chains of any length are other chains: the certificates are not looked at here.
    for (let count = 1; count <= 2 * CHAINS_MAX; count++) {
      lists.note([theirs, ...Array.from({ length: count }, () => theirs)]);
    }
    await revokeCertificate(ca, leaf.serialNumber);
    body = (await createLists(ca, 7)).issuing;
    await until("the newer list", () =>
      groups.current.revocationLists.some(({ crl }) => readRevocationList(crl).revoked.size === 1),
    );
  });

  it("keeps a newer list when an older one comes, and after a restart with nobody to ask", async () => {
    const older = await pemOf();
    const newer = await pemOf();
    serve(newer);
    const first = await start([url]);
    await until("two lists", () => first.lists.current().length === 2);
    const numbers = (lists: RevocationLists): string[] =>
      lists.current().map(({ crl }) => String(readRevocationList(crl).number));
    const before = numbers(first.lists);
    let asked = 0;
    answer = (_, response) => {
      asked += 1;
      response.end(older);
    };
    await until("the older one to be fetched twice", () => asked > 2);
    expect(numbers(first.lists)).to.deep.equal(before);
    await first.lifecycle.stop();
    answer = (_, response) => response.writeHead(503).end();
    const second = await start([url]);
    expect(numbers(second.lists)).to.have.members(before);
    expect(second.groups.current.revocationLists).to.have.lengthOf(2);
    await logged(/it answered 503/);
    expect(second.lists.problems().join()).to.match(/it answered 503/);
  });

  it("does not complain of a source that is away for a while", async () => {
    serve(await pemOf());
    const { lists } = await start([url]);
    await until("two lists", () => lists.current().length === 2);
    answer = (_, response) => response.writeHead(503).end();
    await logged(/it answered 503/);
    expect(lists.problems()).to.deep.equal([]);
  });

  it("does not use what was kept on disk and changed there", async () => {
    serve(await pemOf());
    const first = await start([url]);
    await until("two lists", () => first.lists.current().length === 2);
    await first.lifecycle.stop();
    const folder = join(members.test.dir, "lists");
    for (const name of await readdir(folder)) await writeFile(join(folder, name), "changed");
    answer = (_, response) => response.writeHead(404).end();
    const second = await start([url]);
    expect(second.lists.current()).to.deep.equal([]);
    await logged(/kept revocation list is not used/);
  });

  it("warns a day before a list ends, and says when everything of its CA is refused", async () => {
    serve(await pemOf(7));
    const { lists } = await start([url]);
    await until("two lists", () => lists.current().length === 2);
    now = 5.9 * DAY_MS;
    expect(lists.problems()).to.deep.equal([]);
    now = 6.1 * DAY_MS;
    expect(lists.problems().join("\n")).to.match(/ends at .*; its certificates are refused from/);
    await logged(/its certificates are refused from/);
    now = 8.1 * DAY_MS;
    expect(lists.problems().join("\n")).to.match(/ended at .*: its certificates are refused/);
  });

  it("drops the lists of a CA that the group trusts no longer", async () => {
    serve(await pemOf());
    const { lists, groups } = await start([url]);
    await until("two lists", () => lists.current().length === 2);
    const other = await makeOddCa(join(members.test.dir, "next"), "Next", "P-256");
    await members.test.writeGroup({ trust_anchors: [await readFile(other.root.cert, "utf8")] });
    await until("the lists to go", () => lists.current().length === 0);
    expect(groups.current.revocationLists).to.deep.equal([]);
  });

  const bad: readonly (readonly [
    what: string,
    reason: RegExp,
    serves: () => Promise<string | Buffer>,
  ])[] = [
    [
      "a list of a CA that is not in use",
      /no CA in use here/,
      async () => {
        const odd = await makeOddCa(join(members.test.dir, "odd"), "Odd", "P-256");
        return makeList({ dir: join(members.test.dir, "odd", "list"), issuer: odd.issuing });
      },
    ],
    [
      "a list that names our CA and is signed by another",
      /no CA in use here/,
      async () => {
        const odd = await makeOddCa(join(members.test.dir, "odd"), "Odd", "rsa:2048");
        const subject = "/O=Test CA test/CN=Test CA test issuing CA";
        const { makeOdd, caExtensions } = await import("../support/openssl.js");
        const fake = await makeOdd({
          dir: join(members.test.dir, "odd", "fake"),
          subject,
          issuer: odd.root,
          extensions: caExtensions(0),
        });
        return makeList({ dir: join(members.test.dir, "odd", "list"), issuer: fake });
      },
    ],
    [
      "a list that is not valid yet",
      /not valid yet/,
      () =>
        makeList({
          dir: join(members.test.dir, "future"),
          issuer: members.test.issuer,
          thisUpdate: new Date(Date.now() + DAY_MS),
        }),
    ],
    ["something that is no list", /no PEM revocation list/, () => Promise.resolve("<html>")],
    ["DER that is no list", /not DER/, () => Promise.resolve(Buffer.from("300101", "hex"))],
    ["more lists than allowed", /allowed are 20/, async () => (await pemOf()).repeat(11)],
  ];
  for (const [what, reason, body] of bad) {
    it(`refuses ${what}`, async () => {
      serve(await body());
      const { lists } = await start([url]);
      expect(await logged(/not every revocation list/)).to.match(reason);
      expect(lists.current()).to.deep.equal([]);
      expect(lists.problems().join()).to.match(reason);
    });
  }

  const answers: readonly (readonly [what: string, reason: RegExp, answers: RequestListener])[] = [
    [
      "a redirect",
      /it answered 302/,
      (_, response) => response.writeHead(302, { Location: url }).end(),
    ],
    ["an error", /it answered 404/, (_, response) => response.writeHead(404).end()],
    [
      "a change of the protocol",
      /changed the protocol/,
      ({ socket }) =>
        void socket.write(
          "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
        ),
    ],
    [
      "an answer that ends early",
      /aborted|ends early/,
      (_, response) => {
        response.writeHead(200, { "Content-Length": "100" });
        response.write("x");
        setImmediate(() => response.destroy());
      },
    ],
    [
      "an answer without an end",
      /larger than/,
      (_, response) => {
        const more = (): void => {
          while (response.write(Buffer.alloc(1024 * 1024)));
        };
        response.on("drain", more);
        more();
      },
    ],
  ];
  for (const [what, reason, listener] of answers) {
    it(`refuses ${what}`, async () => {
      answer = listener;
      const refused = await fetchList(url, POLICY, AbortSignal.timeout(20_000)).catch(
        (error: unknown) => error,
      );
      expect(refused).to.be.instanceOf(FetchError);
      expect(String(refused)).to.match(reason);
    });
  }

  const places: readonly (readonly [
    what: string,
    reason: RegExp,
    source: () => string,
    policy: Partial<DialPolicy>,
  ])[] = [
    ["an address of this machine", /private or reserved/, () => url, { privateAddresses: false }],
    ["a port that is not the web's", /is not one of 80, 443/, () => url, { ports: [443, 8443] }],
    [
      "an address with a password",
      /host is not a name/,
      () => url.replace("crl.test", "a:b@crl.test"),
      {},
    ],
    ["a file that is not there", /no such file/, () => join(members.test.dir, "none"), {}],
    ["a server that does not speak TLS", /https:/, () => url.replace("http:", "https:"), {}],
  ];
  for (const [what, reason, source, policy] of places) {
    it(`does not fetch from ${what}`, async () => {
      const signal = AbortSignal.timeout(20_000);
      const refused = await fetchList(source(), { ...POLICY, ...policy }, signal).catch(
        (error: unknown) => error,
      );
      expect(refused).to.be.instanceOf(FetchError);
      expect(String(refused)).to.match(reason);
    });
  }
});
