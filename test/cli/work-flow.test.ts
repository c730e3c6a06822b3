// The commands of the work flow as people run them: real processes against real managers of three organisations.
import { expect } from "chai";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Organisations, OUTWAY_KEY, type Organisation } from "../support/managers.js";
import { schakel, type CommandResult } from "../support/schakel.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

const WAIT_MS = 60_000;

interface Shown {
  readonly hash: string;
  readonly state: string;
  readonly summary: readonly string[];
  readonly grant_hashes: readonly string[];
  readonly missing_peer_ids: readonly string[];
  readonly own_peer_id: string;
  readonly content: { readonly validity: { readonly not_before: number; not_after: number } };
}

interface Acted {
  readonly created?: boolean;
  readonly changed?: boolean;
  readonly contract: Shown;
}

describe("the work flow on the command line", function () {
  this.timeout(180_000);
  let network: Organisations;
  let directory: Organisation;
  let provider: Organisation;
  let consumer: Organisation;
  const identities = new Map<string, string>();
  let key = 0;

  /** A key that no other test asks for. */
  const newKey = (): string => (key += 1).toString(16).padStart(64, "0");

  const identity = async (at: Organisation, role: "cli" | "inway" = "cli"): Promise<string> => {
    const known = `${at.peerId} ${role}`;
    const { internalAddress: manager } = at.manager;
    const dir = identities.get(known) ?? (await at.pki.identity(role, role, { manager }));
    identities.set(known, dir);
    return dir;
  };

  const run = async (at: Organisation, ...args: readonly string[]): Promise<CommandResult> =>
    schakel([...args, "--identity", await identity(at)]);

  const printed = async (at: Organisation, ...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(at, ...args);
    expect(code, `${args.join(" ")}: ${stderr}`).to.equal(0);
    return stdout;
  };

  const json = async <T>(at: Organisation, ...args: readonly string[]): Promise<T> =>
    JSON.parse(await printed(at, ...args, "--json")) as T;

  const act = (at: Organisation, ...args: readonly string[]): Promise<Acted> => json(at, ...args);

  const request = (...more: readonly string[]): Promise<Acted> =>
    act(consumer, "access", "request", provider.peerId, "echo", "--public-key", newKey(), ...more);

  const arrives = (at: Organisation, hash: string, state: string): Promise<Shown> =>
    until(
      `${hash.slice(0, 15)} to be ${state} at ${at.peer.name}`,
      async () => {
        const { code, stdout } = await run(at, "contract", "show", hash, "--json");
        const contract = code === 0 ? (JSON.parse(stdout) as Shown) : undefined;
        return contract?.state === state ? contract : undefined;
      },
      WAIT_MS,
    );

  before(async () => {
    network = await Organisations.start(3);
    directory = network.at(0);
    provider = network.at(1);
    consumer = network.at(2);
    await printed(provider, "service", "add", "echo", "--url", "http://127.0.0.1:9000");
  });

  after(async () => {
    await network.remove();
    removeTemporaryFolders();
  });

  describe("service", () => {
    it("adds a service once, changes it, lists and removes it", async () => {
      const add = ["service", "add", "land", "--url", "http://127.0.0.1:9001", "--inway", "b"];
      const first = await json<{ changed: boolean }>(provider, ...add, "--inway", "a");
      const again = await json<{ changed: boolean }>(provider, ...add, "--inway", "a");
      const other = await json<{ changed: boolean }>(provider, ...add);
      expect([first, again, other].map(({ changed }) => changed)).to.deep.equal([
        ...[true, false, true],
      ]);
      const text = await printed(provider, "service", "list");
      expect(text).to.match(/^NAME +SOURCE +INWAYS +PUBLISHED IN +CONTACT\n/);
      expect(text).to.match(/^echo +http:\/\/127\.0\.0\.1:9000 +all +-$/m);
      expect(text).to.match(/^land +http:\/\/127\.0\.0\.1:9001 +b +-$/m);
      await printed(provider, "service", "remove", "land");
      expect(await printed(provider, "service", "list")).not.to.contain("land");
    });

    it("publishes a service by one contract, which withdrawing it ends", async () => {
      await printed(provider, "service", "add", "shown", "--url", "http://127.0.0.1:9002");
      const { contract, created } = await act(provider, "service", "publish", "shown");
      expect({ created, state: contract.state }).to.deep.equal({
        created: true,
        state: "proposed",
      });
      const again = await act(provider, "service", "publish", "shown", "--valid", "52w");
      expect([again.created, again.contract.hash]).to.deep.equal([false, contract.hash]);

      await arrives(directory, contract.hash, "proposed");
      const waiting = run(provider, "service", "publish", "shown", "--wait", "--timeout", "60s");
      await printed(directory, "contract", "sign", contract.hash, "--accept");
      expect((await waiting).code).to.equal(0);
      expect(await printed(provider, "service", "list")).to.match(
        new RegExp(`^shown .* ${directory.peerId}$`, "m"),
      );

      const withdrawn = await printed(provider, "service", "withdraw", "shown");
      expect(withdrawn).to.contain("Ended the contract").and.to.contain(contract.hash);
      await arrives(directory, contract.hash, "revoked");
      expect(await printed(provider, "service", "withdraw", "shown")).to.contain(
        "nothing has changed",
      );
    });

    it("withdraws no service of another peer that has the same name", async () => {
      const { contract } = await act(provider, "service", "publish", "echo");
      await arrives(directory, contract.hash, "proposed");
      await printed(directory, "service", "add", "echo", "--url", "http://127.0.0.1:9003");
      expect(await printed(directory, "service", "withdraw", "echo")).to.contain(
        "nothing has changed",
      );
      await arrives(directory, contract.hash, "proposed");
      await printed(directory, "service", "remove", "echo");
    });
  });

  describe("access", () => {
    it("asks once, is approved while the consumer waits, and is revoked", async () => {
      const ask = ["access", "request", provider.peerId, "echo", "--public-key", newKey()];
      const { contract, created } = await act(consumer, ...ask, "--valid", "30d");
      const again = await act(consumer, ...ask, "--valid", "30d");
      expect([created, again.created]).to.deep.equal([true, false]);
      expect(again.contract.hash).to.equal(contract.hash);
      const { not_before: from, not_after: to } = contract.content.validity;
      expect(to - from).to.equal(30 * 24 * 3600);

      const waiting = run(consumer, ...ask, "--valid", "30d", "--wait", "--timeout", "60s");
      await arrives(provider, contract.hash, "proposed");
      const list = await printed(provider, "access", "list", "--waiting");
      const line = list.split("\n").find((each) => each.includes(contract.hash.slice(0, 21)));
      expect(line).to.match(/^'\$1\$1\$.{16}' +proposed .* uses echo of 0+2 +us$/);
      await printed(provider, "access", "approve", contract.hash);
      const { code, stdout, stderr } = await waiting;
      expect(code, stderr).to.equal(0);
      expect(stderr).to.contain(`waiting for the signature of ${provider.peerId}`);
      expect(stdout).to.contain("It is in force.");

      await printed(provider, "access", "revoke", contract.hash);
      await arrives(consumer, contract.hash, "revoked");
      const renewed = await act(consumer, ...ask, "--valid", "30d");
      expect(renewed.created).to.equal(true);
    });

    it("shows what a contract says, who signed and who is missing, and takes the begin of a hash", async () => {
      const { contract } = await request();
      for (const hash of [contract.hash.slice(0, 20), `$1$1$${contract.hash.slice(5, 17)}`]) {
        const text = await printed(consumer, "access", "show", hash);
        expect(text).to.match(/^says +Organisation 3 \(0+3\) may use the service "echo"/);
        expect(text).to.match(/^state +proposed$/m);
        expect(text).to.match(/^signed +accept by Organisation 3 \(0+3\), 20[0-9-]+T[0-9:]+Z$/m);
        expect(text).to.match(/^missing +0+2$/m);
        expect(text).to.contain(`grant       '${String(contract.grant_hashes[0])}'`);
      }
    });

    it("lets a waiting consumer know that it was rejected", async () => {
      const { contract } = await request();
      await arrives(provider, contract.hash, "proposed");
      await printed(provider, "access", "reject", contract.hash);
      await arrives(consumer, contract.hash, "rejected");
      const text = await printed(consumer, "access", "show", contract.hash);
      expect(text).to.contain("It was rejected by Organisation 2");
    });

    it("withdraws a request that nobody has decided", async () => {
      const { contract } = await request();
      const first = await act(consumer, "access", "withdraw", contract.hash);
      const again = await act(consumer, "access", "withdraw", contract.hash);
      expect([first.changed, again.changed]).to.deep.equal([true, false]);
      await arrives(provider, contract.hash, "revoked");
    });

    it("ends waiting with the time, and says who has not signed", async () => {
      const ask = ["access", "request", provider.peerId, "echo", "--public-key", newKey()];
      const { code, stdout, stderr } = await run(consumer, ...ask, "--wait", "--timeout", "1s");
      expect([code, stdout]).to.deep.equal([1, ""]);
      expect(stderr).to.match(
        /schakel: error: after 1 s .* still waiting for the signature of 0+2/,
      );
      expect(stderr).to.contain("schakel: hint: ");
    });

    it("ends waiting with exit code 1 when the request is rejected", async () => {
      const wanted = newKey();
      const ask = ["access", "request", provider.peerId, "echo", "--public-key", wanted];
      const { contract } = await act(consumer, ...ask);
      const waiting = run(consumer, ...ask, "--wait", "--timeout", "60s");
      await arrives(provider, contract.hash, "proposed");
      await printed(provider, "access", "reject", contract.hash);
      const { code, stdout, stderr } = await waiting;
      // The request may have been rejected before the second one was made: then that one is new and waits in vain.
      expect([code, stdout]).to.deep.equal([1, ""]);
      expect(stderr).to.match(/is rejected|still waiting/);
    });

    it("accepts by a rule without a person", async () => {
      await printed(provider, "service", "add", "open", "--url", "http://127.0.0.1:9004");
      const add = ["access", "rule", "add", "--service", "open", "--longest", "30d"];
      const first = await json<{ created: boolean; rule: { id: string } }>(provider, ...add);
      const again = await json<{ created: boolean; rule: { id: string } }>(provider, ...add);
      expect([first.created, again.created, again.rule.id]).to.deep.equal([
        ...[true, false, first.rule.id],
      ]);
      expect(await printed(provider, "access", "rule", "list")).to.match(/ every +open +30d$/m);
      const ask = ["access", "request", provider.peerId, "open", "--public-key", OUTWAY_KEY];
      const { contract } = await act(consumer, ...ask, "--valid", "30d", "--wait");
      expect(contract.state).to.equal("valid");
      await printed(provider, "access", "rule", "remove", first.rule.id);
      expect(await json(provider, "access", "rule", "list")).to.deep.equal([]);
    });
  });

  describe("contract", () => {
    it("proposes a contract from standard input, once", async () => {
      const { contract } = await request();
      const { validity, ...content } = contract.content;
      const changed = { ...content, validity: { ...validity, not_after: validity.not_after - 60 } };
      Reflect.deleteProperty(changed, "iv");
      Reflect.deleteProperty(changed, "created_at");
      const file = join(temporaryFolder(), "contract.json");
      await writeFile(file, JSON.stringify(changed));
      const first = await act(consumer, "contract", "propose", file);
      const dir = await identity(consumer);
      const again = await schakel(["contract", "propose", "-", "--json", "--identity", dir], {
        input: JSON.stringify(changed),
      });
      expect(again.code, again.stderr).to.equal(0);
      const second = JSON.parse(again.stdout) as Acted;
      expect([first.created, second.created]).to.deep.equal([true, false]);
      expect(second.contract.hash).to.equal(first.contract.hash);
    });

    it("lists by state, peer, service, grant type and whose signature is missing", async () => {
      const { contract } = await request();
      await arrives(provider, contract.hash, "proposed");
      const filters: readonly (readonly [readonly string[], boolean])[] = [
        [["--waiting"], true],
        [["--state", "proposed", "--peer", consumer.peerId, "--service", "echo"], true],
        [["--grant-type", "GRANT_TYPE_SERVICE_CONNECTION"], true],
        [["--state", "valid"], false],
        [["--peer", directory.peerId], false],
        [["--service", "other"], false],
        [["--grant-type", "GRANT_TYPE_SERVICE_PUBLICATION"], false],
      ];
      for (const [filter, isFound] of filters) {
        const found = await json<Shown[]>(provider, "contract", "list", ...filter);
        const hashes = found.map(({ hash }) => hash);
        expect(hashes.includes(contract.hash), filter.join(" ")).to.equal(isFound);
      }
    });
  });

  it("adds, lists and removes clients; the token alone goes to standard output", async () => {
    const { stdout, stderr } = await run(consumer, "client", "add", "case-system");
    expect(stdout).to.match(/^[A-Za-z0-9_-]{43}\n$/);
    expect(stderr).to.contain("shown this once").and.not.to.contain(stdout.trim());
    expect(await printed(consumer, "client", "add", "by-cert", "--certificate")).to.equal("");
    const text = await printed(consumer, "client", "list");
    expect(text)
      .to.match(/^case-system +every$/m)
      .and.not.to.contain(stdout.trim());
    await printed(consumer, "client", "remove", "case-system");
    expect(await json<{ name: string }[]>(consumer, "client", "list")).to.deep.equal([
      { name: "by-cert", grant_hashes: [] },
    ]);
  });

  it("lists the peers, the components and what was done in whose name", async () => {
    const peers = await printed(consumer, "peers", "list", "--name", "organisation 2");
    expect(peers).to.match(/^PEER +NAME +MANAGER +SEEN +FSC\n0+2 +Organisation 2 +manager2\.test:/);
    expect(await json(consumer, "component", "list")).to.deep.equal([]);
    const { code } = await run(consumer, "client", "remove", "nobody", "--user", "j.jansen");
    expect(code).to.equal(0);
    const [last] = await json<Record<string, unknown>[]>(consumer, "audit", "list", "-n", "1");
    expect(last).to.deep.include({
      ...{ user: "j.jansen", component: "cli/cli", action: "RemoveClient", outcome: "succeeded" },
    });
    const [head = "", ...lines] = (await printed(consumer, "audit", "list", "--all")).split("\n");
    expect(head).to.match(/^NO +WHEN +WHO +WITH +WHAT +OUTCOME +ON$/);
    const removal = lines.find((line) => line.includes(" j.jansen "));
    expect(removal).to.match(/ cli\/cli +RemoveClient +succeeded +\{"name":"nobody"\}$/);
  });

  describe("refusals", () => {
    let pending = "";
    let ended = "";
    let published = "";
    before(async () => {
      pending = (await request()).contract.hash;
      ended = (await request()).contract.hash;
      await printed(consumer, "access", "withdraw", ended);
      await printed(provider, "service", "add", "held", "--url", "http://127.0.0.1:9005");
      published = (await act(provider, "service", "publish", "held")).contract.hash;
      await arrives(provider, pending, "proposed");
    });

    const refused: readonly (readonly [string, () => readonly string[], 1 | 2, RegExp])[] = [
      [
        "an unknown hash",
        () => ["contract", "show", "$1$1$nothing-here"],
        1,
        /CONTRACT|no contract/,
      ],
      ["a hash that is too short", () => ["contract", "show", "$1$1$abc"], 1, /8 characters/],
      [
        "a begin that several hashes have",
        () => ["contract", "sign", "$1$1$", "--accept"],
        1,
        /5 characters/,
      ],
      ["no decision", () => ["contract", "sign", pending], 2, /--accept, --reject and --revoke/],
      [
        "two decisions",
        () => ["contract", "sign", pending, "--accept", "--reject"],
        2,
        /cannot be used with/,
      ],
      [
        "a decided contract",
        () => ["contract", "sign", ended, "--accept"],
        1,
        /is revoked[\s\S]*hint: .*final/,
      ],
      ["approving what has ended", () => ["access", "approve", ended], 1, /is revoked/],
      ["rejecting our own request", () => ["access", "reject", pending], 1, /access withdraw/],
      [
        "revoking what nobody has signed but us",
        () => ["access", "revoke", pending],
        1,
        /access withdraw/,
      ],
      [
        "an unknown peer",
        () => ["access", "request", "00000000000000000099", "echo", "--public-key", OUTWAY_KEY],
        1,
        /99[\s\S]*known: /,
      ],
      [
        "something that is no peer id",
        () => ["access", "request", "x", "echo"],
        1,
        /peer_id is "x"/,
      ],
      [
        "no outway to ask for",
        () => ["access", "request", provider.peerId, "echo"],
        1,
        /none was ever connected/,
      ],
      [
        "two ways to name an outway",
        () => ["access", "request", provider.peerId, "echo", "--outway", "a", "--domain", "b.test"],
        1,
        /one of them/,
      ],
      [
        "a length and an end",
        () => [
          "access",
          "request",
          provider.peerId,
          "echo",
          "--valid",
          "1d",
          "--until",
          "2099-01-01T00:00:00Z",
        ],
        2,
        /cannot be used with/,
      ],
      [
        "a wrong length",
        () => ["access", "request", provider.peerId, "echo", "--valid", "soon"],
        2,
        /Allowed is a time/,
      ],
      [
        "a moment without zone",
        () => ["access", "request", provider.peerId, "echo", "--from", "2099-01-01T00:00:00"],
        2,
        /RFC 3339/,
      ],
      [
        "an end that has passed",
        () => [
          "access",
          "request",
          provider.peerId,
          "echo",
          "--public-key",
          OUTWAY_KEY,
          "--until",
          "2001-01-01T00:00:00Z",
        ],
        1,
        /not_after/,
      ],
      [
        "--timeout without --wait",
        () => ["access", "request", provider.peerId, "echo", "--timeout", "5s"],
        2,
        /goes with --wait/,
      ],
      ["an unknown state", () => ["contract", "list", "--state", "new"], 2, /Allowed choices/],
      [
        "a file that is not there",
        () => ["contract", "propose", "/nonexistent.json"],
        1,
        /cannot be read/,
      ],
      [
        "a rule without an end",
        () => ["access", "rule", "add", "--service", "echo"],
        2,
        /--longest/,
      ],
      [
        "publishing an unknown service",
        () => ["service", "publish", "nothing"],
        1,
        /no service|SERVICE/i,
      ],
      [
        "withdrawing an unknown service",
        () => ["service", "withdraw", "nothing"],
        1,
        /there is no service nothing/,
      ],
      [
        "removing an unknown service",
        () => ["service", "remove", "nothing"],
        1,
        /schakel: error: /,
      ],
      [
        "a source URL with a password",
        () => ["service", "add", "x", "--url", "http://a:b@c"],
        1,
        /source_url/,
      ],
      [
        "a client's grant that is none",
        () => ["client", "add", "y", "--grant", "x"],
        1,
        /grant hash/,
      ],
      ["a client's name that is taken", () => ["client", "add", "by-cert"], 1, /schakel: error: /],
      [
        "a user that is no ASCII",
        () => ["contract", "list", "--user", "Zoë"],
        2,
        /printable ASCII/,
      ],
    ];
    for (const [what, args, expected, says] of refused) {
      it(`refuses ${what} with exit code ${String(expected)}`, async () => {
        const { code, stdout, stderr } = await run(consumer, ...args());
        expect([code, stdout], stderr).to.deep.equal([expected, ""]);
        expect(stderr)
          .to.match(/^schakel: error: /)
          .and.match(says);
        expect(stderr).not.to.match(/^\s+at /m);
      });
    }

    it("does not approve a publication as access", async () => {
      const { code, stderr } = await run(provider, "access", "approve", published);
      expect(code).to.equal(1);
      expect(stderr).to.match(/gives no access[\s\S]*hint: .*contract sign/);
    });

    it("refuses content that is too large without sending it", async () => {
      const dir = await identity(consumer);
      const { code, stderr } = await schakel(["contract", "propose", "-", "--identity", dir], {
        input: "x".repeat(1024 * 1024 + 1),
      });
      expect(code).to.equal(1);
      expect(stderr).to.contain("standard input holds more than 1048576 bytes");
    });

    it("refuses an identity of another role, and says which one is right", async () => {
      const dir = await identity(consumer, "inway");
      const { code, stdout, stderr } = await schakel(["access", "list", "--identity", dir]);
      expect([code, stdout]).to.deep.equal([1, ""]);
      expect(stderr).to.match(
        /schakel: error: .*role.*\n[\s\S]*hint: --identity names a folder with the role cli/,
      );
    });

    it("refuses an identity of another organisation", async () => {
      const { internalAddress: manager } = consumer.manager;
      const dir = await provider.pki.identity("cli", "stranger", { manager });
      const { code, stderr } = await schakel(["access", "list", "--identity", dir]);
      expect(code).to.equal(1);
      expect(stderr).to.match(/^schakel: error: the manager cannot be reached: /);
    });

    it("says which identity folder it looked for", async () => {
      const empty = join(temporaryFolder(), "empty");
      await mkdir(empty);
      const { code, stderr } = await schakel(["access", "list"], { cwd: empty });
      expect(code).to.equal(1);
      expect(stderr).to.contain("identities/cli").and.to.contain("hint: --identity");
    });

    it("takes the identity folder from the environment, and refuses a variable it does not know", async () => {
      const dir = await identity(consumer);
      const right = await schakel(["peers", "list"], { env: { SCHAKEL_CLI_IDENTITY: dir } });
      expect(right.code, right.stderr).to.equal(0);
      const wrong = await schakel(["peers", "list"], { env: { SCHAKEL_CLI_IDENTITI: dir } });
      expect(wrong.code).to.equal(2);
      expect(wrong.stderr).to.contain("SCHAKEL_CLI_IDENTITI: there is no setting with this name");
    });

    it("says that the manager is away, and where it was expected", async () => {
      const manager = { host: "127.0.0.1", port: 1 };
      const dir = await consumer.pki.identity("cli", "lost", { manager });
      const { code, stdout, stderr } = await schakel(["service", "list", "--identity", dir]);
      expect([code, stdout]).to.deep.equal([1, ""]);
      expect(stderr).to.match(/^schakel: error: the manager cannot be reached: .*127\.0\.0\.1:1/);
      expect(stderr).to.contain(`${dir}/manager`);
    });
  });
});
