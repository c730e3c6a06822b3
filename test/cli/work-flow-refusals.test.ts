// What the commands of the work flow refuse, and what they say then.
import { expect } from "chai";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { CommandLine } from "../support/command-line.js";
import { Organisations, OUTWAY_KEY, type Organisation } from "../support/managers.js";
import { schakel } from "../support/schakel.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";

describe("refusals of the work flow on the command line", function () {
  this.timeout(120_000);
  let network: Organisations;
  let provider: Organisation;
  let consumer: Organisation;
  const cli = new CommandLine();
  let pending = "";
  let ended = "";
  let published = "";
  before(async () => {
    network = await Organisations.start(3);
    provider = network.at(1);
    consumer = network.at(2);
    await cli.printed(provider, "service", "add", "echo", "--url", "http://127.0.0.1:9000");
    pending = (await cli.request(consumer, provider)).contract.hash;
    ended = (await cli.request(consumer, provider)).contract.hash;
    await cli.printed(consumer, "access", "withdraw", ended);
    await cli.printed(provider, "service", "add", "held", "--url", "http://127.0.0.1:9005");
    published = (await cli.act(provider, "service", "publish", "held")).contract.hash;
    await cli.arrives(provider, pending, "proposed");
    await cli.printed(consumer, "client", "add", "taken");
  });

  after(async () => {
    await network.remove();
    removeTemporaryFolders();
  });

  const refused: readonly (readonly [string, () => readonly string[], 1 | 2, RegExp])[] = [
    ["an unknown hash", () => ["contract", "show", "$1$1$nothing-here"], 1, /CONTRACT|no contract/],
    ["a hash that is too short", () => ["contract", "show", "$1$1$abc"], 1, /8 characters/],
    [
      "what every hash begins with",
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
    ["something that is no peer id", () => ["access", "request", "x", "echo"], 1, /peer_id is "x"/],
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
    [
      "--timeout without --wait when approving",
      () => ["access", "approve", pending, "--timeout", "5s"],
      2,
      /goes with --wait/,
    ],
    [
      "--timeout without --wait when accepting",
      () => ["contract", "sign", pending, "--accept", "--timeout", "5s"],
      2,
      /goes with --wait/,
    ],
    [
      "waiting after a rejection",
      () => ["contract", "sign", pending, "--reject", "--wait"],
      2,
      /cannot be used with/,
    ],
    ["an unknown state", () => ["contract", "list", "--state", "new"], 2, /Allowed choices/],
    [
      "a file that is not there",
      () => ["contract", "propose", "/nonexistent.json"],
      1,
      /cannot be read[\s\S]*hint: .*- for standard input/,
    ],
    ["a rule without an end", () => ["access", "rule", "add", "--service", "echo"], 2, /--longest/],
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
    ["removing an unknown service", () => ["service", "remove", "nothing"], 1, /schakel: error: /],
    [
      "a source URL with a password",
      () => ["service", "add", "x", "--url", "http://a:b@c"],
      1,
      /source_url/,
    ],
    [
      "a visibility that is none",
      () => ["service", "add", "x", "--url", "http://127.0.0.1:1", "--visibility", "all"],
      2,
      /Allowed choices are group, private/,
    ],
    [
      "a client's grant that is none",
      () => ["client", "add", "y", "--grant", "x"],
      1,
      /grant hash/,
    ],
    ["a client's name that is taken", () => ["client", "add", "taken"], 1, /schakel: error: /],
    ["a user that is no ASCII", () => ["contract", "list", "--user", "Zoë"], 2, /printable ASCII/],
  ];
  for (const [what, args, expected, says] of refused) {
    it(`refuses ${what} with exit code ${String(expected)}`, async () => {
      const { code, stdout, stderr } = await cli.run(consumer, ...args());
      expect([code, stdout], stderr).to.deep.equal([expected, ""]);
      expect(stderr)
        .to.match(/^schakel: error: /)
        .and.match(says);
      expect(stderr).not.to.match(/^\s+at /m);
    });
  }

  it("does not approve a publication as access", async () => {
    const { code, stderr } = await cli.run(provider, "access", "approve", published);
    expect(code).to.equal(1);
    expect(stderr).to.match(/gives no access[\s\S]*hint: .*contract sign/);
  });

  it("refuses content that is too large without sending it", async () => {
    const dir = await cli.identity(consumer);
    const { code, stderr } = await schakel(["contract", "propose", "-", "--identity", dir], {
      input: "x".repeat(1024 * 1024 + 1),
    });
    expect(code).to.equal(1);
    expect(stderr).to.contain("standard input holds more than 1048576 bytes");
  });

  it("refuses an identity of another role, and says which one is right", async () => {
    const dir = await cli.identity(consumer, "inway");
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
    const dir = await cli.identity(consumer);
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
