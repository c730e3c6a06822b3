// The commands of the work flow as people run them: real processes against real managers of three organisations.
import { expect } from "chai";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CommandLine, type Acted, type ShownContract } from "../support/command-line.js";
import { Organisations, OUTWAY_KEY, type Organisation } from "../support/managers.js";
import { schakel } from "../support/schakel.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

describe("the work flow on the command line", function () {
  this.timeout(180_000);
  let network: Organisations;
  let directory: Organisation;
  let provider: Organisation;
  let consumer: Organisation;
  const cli = new CommandLine();

  /** The hash of the request for a key, once the provider has it. */
  const asked = (wanted: string): Promise<string> =>
    until("the request to arrive", async () => {
      const waiting = await cli.json<ShownContract[]>(provider, "access", "list", "--waiting");
      return waiting.find(({ summary }) => summary.join().includes(wanted))?.hash;
    });

  before(async () => {
    network = await Organisations.start(3);
    directory = network.at(0);
    provider = network.at(1);
    consumer = network.at(2);
    await cli.printed(provider, "service", "add", "echo", "--url", "http://127.0.0.1:9000");
  });

  after(async () => {
    await network.remove();
    removeTemporaryFolders();
  });

  describe("service", () => {
    it("adds a service once, changes it, lists and removes it", async () => {
      const add = [
        "service",
        "add",
        "land",
        "--url",
        "http://127.0.0.1:9001",
        "--inway",
        "b",
        "--visibility",
        "private",
      ];
      const first = await cli.json<{ changed: boolean }>(provider, ...add, "--inway", "a");
      const again = await cli.json<{ changed: boolean }>(provider, ...add, "--inway", "a");
      const other = await cli.json<{ changed: boolean }>(provider, ...add);
      expect([first, again, other].map(({ changed }) => changed)).to.deep.equal([
        ...[true, false, true],
      ]);
      const text = await cli.printed(provider, "service", "list");
      expect(text).to.match(/^NAME +SOURCE +INWAYS +VISIBILITY +PUBLISHED IN +CONTACT\n/);
      expect(text).to.match(/^echo +http:\/\/127\.0\.0\.1:9000 +all +group +-$/m);
      expect(text).to.match(/^land +http:\/\/127\.0\.0\.1:9001 +b +private +-$/m);
      await cli.printed(provider, "service", "remove", "land");
      expect(await cli.printed(provider, "service", "list")).not.to.contain("land");
    });

    it("publishes a service by one contract, which withdrawing it ends", async () => {
      await cli.printed(provider, "service", "add", "shown", "--url", "http://127.0.0.1:9002");
      const { contract, created } = await cli.act(provider, "service", "publish", "shown");
      expect({ created, state: contract.state }).to.deep.equal({
        created: true,
        state: "proposed",
      });
      const again = await cli.act(provider, "service", "publish", "shown", "--valid", "52w");
      expect([again.created, again.contract.hash]).to.deep.equal([false, contract.hash]);

      await cli.arrives(directory, contract.hash, "proposed");
      const waiting = cli.run(
        provider,
        "service",
        "publish",
        "shown",
        "--wait",
        "--timeout",
        "60s",
      );
      await cli.printed(directory, "contract", "sign", contract.hash, "--accept");
      expect((await waiting).code).to.equal(0);
      expect(await cli.printed(provider, "service", "list")).to.match(
        new RegExp(`^shown .* ${directory.peerId}$`, "m"),
      );

      const withdrawn = await cli.printed(provider, "service", "withdraw", "shown");
      expect(withdrawn).to.contain("Ended the contract").and.to.contain(contract.hash);
      await cli.arrives(directory, contract.hash, "revoked");
      expect(await cli.printed(provider, "service", "withdraw", "shown")).to.contain(
        "nothing has changed",
      );
    });

    it("withdraws no service of another peer that has the same name", async () => {
      const { contract } = await cli.act(provider, "service", "publish", "echo");
      await cli.arrives(directory, contract.hash, "proposed");
      await cli.printed(directory, "service", "add", "echo", "--url", "http://127.0.0.1:9003");
      expect(await cli.printed(directory, "service", "withdraw", "echo")).to.contain(
        "nothing has changed",
      );
      await cli.arrives(directory, contract.hash, "proposed");
      await cli.printed(directory, "service", "remove", "echo");
    });
  });

  describe("access", () => {
    it("asks once, is approved once, and is revoked", async () => {
      const ask = ["access", "request", provider.peerId, "echo", "--public-key", cli.newKey()];
      const { contract, created } = await cli.act(consumer, ...ask, "--valid", "30d");
      const again = await cli.act(consumer, ...ask, "--valid", "30d");
      expect([created, again.created]).to.deep.equal([true, false]);
      expect(again.contract.hash).to.equal(contract.hash);
      const { not_before: from, not_after: to } = contract.content.validity;
      expect(to - from).to.equal(30 * 24 * 3600);

      await cli.arrives(provider, contract.hash, "proposed");
      const list = await cli.printed(provider, "access", "list", "--waiting");
      const line = list.split("\n").find((each) => each.includes(contract.hash.slice(0, 21)));
      expect(line).to.match(/^'\$1\$1\$.{16}' +proposed .* uses echo of 0+2 +us$/);
      expect((await cli.act(provider, "access", "approve", contract.hash)).changed).to.equal(true);
      expect((await cli.act(provider, "access", "approve", contract.hash)).changed).to.equal(false);
      await cli.arrives(consumer, contract.hash, "valid");
      await cli.printed(provider, "access", "revoke", contract.hash);
      await cli.arrives(consumer, contract.hash, "revoked");
      const renewed = await cli.act(consumer, ...ask, "--valid", "30d");
      expect(renewed.created).to.equal(true);
    });

    it("waits until the provider has approved, and says meanwhile for whom", async () => {
      const wanted = cli.newKey();
      const ask = ["access", "request", provider.peerId, "echo", "--public-key", wanted];
      const waiting = cli.run(consumer, ...ask, "--wait", "--timeout", "60s");
      await cli.printed(provider, "access", "approve", await asked(wanted));
      const { code, stdout, stderr } = await waiting;
      expect(code, stderr).to.equal(0);
      expect(stderr).to.contain(`waiting for the signature of ${provider.peerId}`);
      expect(stdout).to.contain("It is in force.");
    });

    it("shows what a contract says, who signed and who is missing, and takes the begin of a hash", async () => {
      const { contract } = await cli.request(consumer, provider);
      for (const hash of [contract.hash.slice(0, 20), `$1$1$${contract.hash.slice(5, 17)}`]) {
        const text = await cli.printed(consumer, "access", "show", hash);
        expect(text).to.match(/^says +Organisation 3 \(0+3\) may use the service "echo"/);
        expect(text).to.match(/^state +proposed$/m);
        expect(text).to.match(/^signed +accept by Organisation 3 \(0+3\), 20[0-9-]+T[0-9:]+Z$/m);
        expect(text).to.match(/^missing +0+2$/m);
        expect(text).to.contain(`grant       '${String(contract.grant_hashes[0])}'`);
      }
    });

    it("lets a waiting consumer know that it was rejected", async () => {
      const { contract } = await cli.request(consumer, provider);
      await cli.arrives(provider, contract.hash, "proposed");
      await cli.printed(provider, "access", "reject", contract.hash);
      await cli.arrives(consumer, contract.hash, "rejected");
      const text = await cli.printed(consumer, "access", "show", contract.hash);
      expect(text).to.contain("It was rejected by Organisation 2");
    });

    it("withdraws a request that nobody has decided", async () => {
      const { contract } = await cli.request(consumer, provider);
      const first = await cli.act(consumer, "access", "withdraw", contract.hash);
      const again = await cli.act(consumer, "access", "withdraw", contract.hash);
      expect([first.changed, again.changed]).to.deep.equal([true, false]);
      await cli.arrives(provider, contract.hash, "revoked");
    });

    it("ends waiting with the time, and says who has not signed", async () => {
      const ask = ["access", "request", provider.peerId, "echo", "--public-key", cli.newKey()];
      const { code, stdout, stderr } = await cli.run(consumer, ...ask, "--wait", "--timeout", "1s");
      expect([code, stdout]).to.deep.equal([1, ""]);
      expect(stderr).to.match(
        /schakel: error: after 1 s .* still waiting for the signature of 0+2/,
      );
      expect(stderr).to.contain("schakel: hint: ");
    });

    it("ends waiting with exit code 1 when the request is rejected", async () => {
      const wanted = cli.newKey();
      const ask = ["access", "request", provider.peerId, "echo", "--public-key", wanted];
      const waiting = cli.run(consumer, ...ask, "--wait", "--timeout", "60s");
      const hash = await asked(wanted);
      await cli.printed(provider, "access", "reject", hash);
      const { code, stdout, stderr } = await waiting;
      expect([code, stdout]).to.deep.equal([1, ""]);
      expect(stderr).to.contain(`schakel: error: the contract '${hash}' is rejected\n`);
    });

    it("waits after approving until the others have signed too, and ends with the time", async () => {
      const ask = ["access", "request", provider.peerId, "echo", "--public-key", cli.newKey()];
      const delegated = [...ask, "--on-behalf-of", directory.peerId];
      const { hash } = (await cli.act(consumer, ...delegated)).contract;
      await cli.arrives(provider, hash, "proposed");
      await cli.arrives(directory, hash, "proposed");
      const approve = ["access", "approve", hash, "--wait", "--timeout"];
      const early = await cli.run(provider, ...approve, "1s");
      expect([early.code, early.stdout]).to.deep.equal([1, ""]);
      expect(early.stderr).to.match(/error: after 1 s .* still waiting for the signature of 0+1/);
      const missing = `waiting for the signature of ${directory.peerId}`;
      const waiting = await cli.saying(provider, missing, ...approve, "60s");
      const sign = ["contract", "sign", hash, "--accept", "--wait", "--timeout", "60s"];
      const last = await cli.act(directory, ...sign);
      expect([last.changed, last.contract.state]).to.deep.equal([true, "valid"]);
      const { code, stdout, stderr } = await waiting.ended;
      expect(code, stderr).to.equal(0);
      expect(stdout).to.contain("It is in force.");
    });

    it("ends waiting after an acceptance when another party rejects", async () => {
      const ask = ["access", "request", provider.peerId, "echo", "--public-key", cli.newKey()];
      const delegated = [...ask, "--on-behalf-of", directory.peerId];
      const { hash } = (await cli.act(consumer, ...delegated)).contract;
      await cli.arrives(provider, hash, "proposed");
      await cli.arrives(directory, hash, "proposed");
      const sign = ["contract", "sign", hash, "--accept"];
      await cli.printed(provider, ...sign);
      const waiting = cli.run(provider, ...sign, "--wait", "--timeout", "60s");
      await cli.printed(directory, "access", "reject", hash);
      const { code, stdout, stderr } = await waiting;
      expect([code, stdout]).to.deep.equal([1, ""]);
      expect(stderr).to.contain("is rejected");
    });

    it("accepts by a rule without a person", async () => {
      await cli.printed(provider, "service", "add", "open", "--url", "http://127.0.0.1:9004");
      const add = ["access", "rule", "add", "--service", "open", "--longest", "30d"];
      const first = await cli.json<{ created: boolean; rule: { id: string } }>(provider, ...add);
      const again = await cli.json<{ created: boolean; rule: { id: string } }>(provider, ...add);
      expect([first.created, again.created, again.rule.id]).to.deep.equal([
        ...[true, false, first.rule.id],
      ]);
      expect(await cli.printed(provider, "access", "rule", "list")).to.match(/ every +open +30d$/m);
      const ask = ["access", "request", provider.peerId, "open", "--public-key", OUTWAY_KEY];
      const { contract } = await cli.act(consumer, ...ask, "--valid", "30d", "--wait");
      expect(contract.state).to.equal("valid");
      await cli.printed(provider, "access", "rule", "remove", first.rule.id);
      expect(await cli.json(provider, "access", "rule", "list")).to.deep.equal([]);
    });
  });

  describe("contract", () => {
    it("proposes a contract from standard input, once", async () => {
      const { contract } = await cli.request(consumer, provider);
      const { validity, ...content } = contract.content;
      const changed = { ...content, validity: { ...validity, not_after: validity.not_after - 60 } };
      Reflect.deleteProperty(changed, "iv");
      Reflect.deleteProperty(changed, "created_at");
      const file = join(temporaryFolder(), "contract.json");
      await writeFile(file, JSON.stringify(changed));
      const first = await cli.act(consumer, "contract", "propose", file);
      const dir = await cli.identity(consumer);
      const again = await schakel(["contract", "propose", "-", "--json", "--identity", dir], {
        input: JSON.stringify(changed),
      });
      expect(again.code, again.stderr).to.equal(0);
      const second = JSON.parse(again.stdout) as Acted;
      expect([first.created, second.created]).to.deep.equal([true, false]);
      expect(second.contract.hash).to.equal(first.contract.hash);
      const waiting = cli.act(consumer, "contract", "propose", file, "--wait", "--timeout", "1m");
      await cli.arrives(provider, first.contract.hash, "proposed");
      await cli.act(provider, "access", "approve", first.contract.hash);
      expect((await waiting).contract.state).to.equal("valid");
    });

    it("lists by state, peer, service, grant type and whose signature is missing", async () => {
      const { contract } = await cli.request(consumer, provider);
      await cli.arrives(provider, contract.hash, "proposed");
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
        const found = await cli.json<ShownContract[]>(provider, "contract", "list", ...filter);
        const hashes = found.map(({ hash }) => hash);
        expect(hashes.includes(contract.hash), filter.join(" ")).to.equal(isFound);
      }
    });
  });

  it("adds, lists and removes clients; the token alone goes to standard output", async () => {
    const { stdout, stderr } = await cli.run(consumer, "client", "add", "case-system");
    expect(stdout).to.match(/^[A-Za-z0-9_-]{43}\n$/);
    expect(stderr).to.contain("shown this once").and.not.to.contain(stdout.trim());
    expect(await cli.printed(consumer, "client", "add", "by-cert", "--certificate")).to.equal("");
    const text = await cli.printed(consumer, "client", "list");
    expect(text)
      .to.match(/^case-system +every$/m)
      .and.not.to.contain(stdout.trim());
    await cli.printed(consumer, "client", "remove", "case-system");
    expect(await cli.json<{ name: string }[]>(consumer, "client", "list")).to.deep.equal([
      { name: "by-cert", grant_hashes: [] },
    ]);
  });

  it("lists the peers, the components and what was done in whose name", async () => {
    const peers = await cli.printed(consumer, "peers", "list", "--name", "organisation 2");
    expect(peers).to.match(
      /^PEER +NAME +MANAGER +SEEN +FSC +REFUSED LAST\n0+2 +Organisation 2 +manager2\.test:/,
    );
    expect(await cli.json(consumer, "component", "list")).to.deep.equal([]);
    const { code } = await cli.run(consumer, "client", "remove", "nobody", "--user", "j.jansen");
    expect(code).to.equal(0);
    const [last] = await cli.json<Record<string, unknown>[]>(consumer, "audit", "list", "-n", "1");
    expect(last).to.deep.include({
      ...{ user: "j.jansen", component: "cli/cli", action: "RemoveClient", outcome: "succeeded" },
    });
    const [head = "", ...lines] = (await cli.printed(consumer, "audit", "list", "--all")).split(
      "\n",
    );
    expect(head).to.match(/^NO +WHEN +WHO +WITH +WHAT +OUTCOME +ON$/);
    const removal = lines.find((line) => line.includes(" j.jansen "));
    expect(removal).to.match(/ cli\/cli +RemoveClient +succeeded +\{"name":"nobody"\}$/);
  });
});
