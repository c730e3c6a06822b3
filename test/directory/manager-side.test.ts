// A directory as a peer's manager: which contracts it takes, signs by itself or holds, and what it shows then.
// Peers have real certificates and managers that are asked for them over TLS.
import { expect } from "chai";
import { sql } from "kysely";
import type { ContractContent } from "../../contracts/content.js";
import type { Grant } from "../../contracts/grant.js";
import { contentHash } from "../../contracts/hash.js";
import type { SignatureType } from "../../contracts/signature.js";
import { SchakelError, type ErrorCode } from "../../core/errors.js";
import type { PeerId } from "../../core/names.js";
import { isWaiting } from "../../directory/manager-side.js";
import { PublicationMethods } from "../../directory/publication-methods.js";
import type { SubmissionKind } from "../../fsc/manager-interface.js";
import { PublicationDecision } from "../../proto/gen/schakel/directory/v1/directory.js";
import { openSide, type OpenedSide } from "../support/directory-sides.js";
import { connection, contentOf, publication, signed } from "../support/fsc-contracts.js";
import { LOCAL, Members } from "../support/members.js";
import { contentsOf } from "../support/organisations.js";
import { PeerManager } from "../support/peer-manager.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

const WAIT_MS = 20_000;

describe("directory/manager-side", function () {
  this.timeout(60_000);
  let members: Members;
  let provider: PeerManager;
  let other: PeerManager;
  let directory: PeerId;
  let opened: OpenedSide;

  before(async () => {
    members = await Members.create();
    const { group, bundles } = members;
    directory = bundles.directory.identity.peerId;
    provider = await PeerManager.start(group, bundles.provider, LOCAL);
    other = await PeerManager.start(group, bundles.other, LOCAL);
  });
  after(async () => {
    await provider.close();
    await other.close();
    await members.remove();
  });
  beforeEach(async () => {
    opened = await openSide(members);
  });
  afterEach(async () => {
    await opened.close();
    removeTemporaryFolders();
  });

  const grantOf = (changes: Partial<Parameters<typeof publication>[0]> = {}): Grant =>
    publication({ directory, service: provider.peerId, name: "echo", ...changes });
  const content = (...grants: readonly Grant[]): ContractContent =>
    contentOf(members.group, grants.length === 0 ? [grantOf()] : grants);
  const send = async (
    of: ContractContent,
    from = provider,
    kind: SubmissionKind = "propose",
  ): Promise<void> => {
    const type: SignatureType = kind === "propose" ? "accept" : kind;
    const submission = await signed(of, from.bundle, type);
    const hash = kind === "propose" ? undefined : contentHash(of);
    await opened.side.book.receive(kind, submission, from.caller, hash);
  };
  const shown = (): string[] => [...opened.side.publications.of(provider.peerId)];
  const decisionOf = async (of: ContractContent): Promise<string | undefined> =>
    (await opened.side.book.get(contentHash(of)))?.decision;

  it("signs a publication contract by itself, shows it, and sends the signature to its peer", async () => {
    const before = provider.handlers.received.length;
    await send(content());
    await until("the service to be shown", () => shown().includes("echo"), WAIT_MS);
    await until(
      "the signature to arrive",
      () => provider.handlers.received.length > before,
      WAIT_MS,
    );
    const received = provider.handlers.received.at(-1);
    expect(received).to.nested.include({ kind: "accept", "from.identity.peerId": directory });
  });

  for (const kind of ["revoke", "reject"] as const) {
    it(`shows nothing any more after the peer's ${kind}, also after a restart`, async () => {
      const of = content();
      await send(of);
      await until("the service to be shown", () => shown().includes("echo"), WAIT_MS);
      await send(of, provider, kind);
      expect(shown()).to.deep.equal([]);
      opened = await opened.again();
      expect(shown()).to.deep.equal([]);
      expect(opened.side.publications.all()).to.deep.equal([]);
    });
  }

  it("shows again after a restart what was published before", async () => {
    await send(content());
    await until("the service to be shown", () => shown().includes("echo"), WAIT_MS);
    opened = await opened.again();
    expect(shown()).to.deep.equal(["echo"]);
  });

  it("shows nothing any more when time alone has ended the contract", async () => {
    await send(content());
    await until("the service to be shown", () => shown().includes("echo"), WAIT_MS);
    opened.clock.advance(2 * 86_400_000);
    await until("the service to be gone", () => shown().length === 0, WAIT_MS);
  });

  it("holds what is published when the setting says so, and signs it after a restart without", async () => {
    opened = await opened.again({ publications: "held" });
    const of = content();
    await send(of);
    const stored = await opened.side.book.get(contentHash(of));
    expect(stored).to.have.property("decision", "PROPOSED");
    if (stored === undefined) return;
    expect(isWaiting(stored, directory, opened.clock.now())).to.equal(true);
    opened = await opened.again({ publications: "held" });
    expect(await decisionOf(of)).to.equal("PROPOSED");
    expect(shown()).to.deep.equal([]);
    opened = await opened.again({ publications: "automatic" });
    await until("the service to be shown", () => shown().includes("echo"), WAIT_MS);
  });

  it("signs again what it could not sign at first", async () => {
    const { db, around } = opened;
    await sql`CREATE TRIGGER no_signature BEFORE INSERT ON fsc_signature WHEN NEW.signer = ${sql.lit(directory)}
      BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`.execute(db);
    const of = content();
    await send(of);
    const failed = (): boolean => around.lines.some((line) => line.includes("were not signed"));
    await until("the first try", failed, WAIT_MS);
    expect(shown()).to.deep.equal([]);
    await sql`DROP TRIGGER no_signature`.execute(db);
    await until("the service to be shown", () => shown().includes("echo"), WAIT_MS);
  });

  it("signs the others when one cannot be signed", async () => {
    const [bad, good] = [content(grantOf({ name: "bad" })), content(grantOf({ name: "good" }))];
    await sql`CREATE TRIGGER no_signature BEFORE INSERT ON fsc_signature
      WHEN NEW.signer = ${sql.lit(directory)} AND NEW.hash = ${sql.lit(contentHash(bad))}
      BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`.execute(opened.db);
    await send(bad);
    await send(good);
    await until("the other to be shown", () => shown().includes("good"), WAIT_MS);
    expect(shown()).to.deep.equal(["good"]);
  });

  it("shows what is published for another only when that peer has signed too, and for whom", async () => {
    const of = content(grantOf({ delegator: other.peerId }));
    await send(of);
    await until("the directory's signature", async () => {
      const stored = await opened.side.book.get(contentHash(of));
      return stored?.signatures.some(({ signer }) => signer === directory);
    });
    expect(shown()).to.deep.equal([]);
    await send(of, other, "accept");
    expect(opened.side.publications.all()).to.have.nested.property("[0].delegator", other.peerId);
    await send(of, other, "revoke");
    expect(shown()).to.deep.equal([]);
  });

  const refused: readonly (readonly [
    string,
    () => readonly Grant[],
    ErrorCode,
    (() => PeerManager)?,
  ])[] = [
    [
      "names another directory",
      () => [grantOf({ directory: other.peerId })],
      "ERROR_CODE_RECEIVING_PEER_NOT_PART_OF_CONTRACT",
    ],
    [
      "names another directory too",
      () => [grantOf(), grantOf({ directory: other.peerId, name: "more" })],
      "ERROR_CODE_CONTRACT_INVALID",
    ],
    [
      "mixes grants",
      () => [grantOf(), connection({ outway: other.bundle, service: provider.bundle })],
      "ERROR_CODE_GRANT_COMBINATION_NOT_ALLOWED",
    ],
    [
      "lets the directory call",
      () => [connection({ outway: members.bundles.directory, service: provider.bundle })],
      "ERROR_CODE_CONTRACT_INVALID",
    ],
    [
      "publishes in the directory's own name",
      () => [grantOf({ delegator: directory })],
      "ERROR_CODE_CONTRACT_INVALID",
    ],
    [
      "publishes a service of another peer",
      () => [grantOf()],
      "ERROR_CODE_SUBMITTING_PEER_NOT_PART_OF_CONTRACT",
      () => other,
    ],
  ];
  for (const [what, grants, code, from = () => provider] of refused) {
    it(`refuses a contract that ${what}, and stores nothing`, async () => {
      const before = await contentsOf(opened.db);
      const error = await send(content(...grants()), from()).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).to.be.instanceOf(SchakelError).with.property("code", code);
      expect(await contentsOf(opened.db)).to.deep.equal(before);
    });
  }

  it("refuses a contract that another peer has signed, and stores nothing", async () => {
    const before = await contentsOf(opened.db);
    const submission = await signed(content(), other.bundle);
    const error: unknown = await opened.side.book
      .receive("propose", submission, provider.caller, undefined)
      .catch((thrown: unknown) => thrown);
    // The provider's manager lists no certificate of the other peer.
    expect(error)
      .to.be.instanceOf(SchakelError)
      .with.property("code")
      .that.match(/SIGNATURE/);
    expect(await contentsOf(opened.db)).to.deep.equal(before);
  });

  it("refuses more contracts of one peer than the setting allows, and those of others not", async () => {
    opened = await opened.again({ contractsPerPeerMax: 1 });
    await send(content());
    const error: unknown = await send(content(grantOf({ name: "more" }))).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(SchakelError).with.property("code", "ERROR_CODE_LIMIT_EXCEEDED");
    await send(content(grantOf({ service: other.peerId })), other);
  });

  it("refuses contracts of one peer that are too large together, and those of others not", async () => {
    opened = await opened.again({ contractBytesPerPeerMax: 5_000 });
    const large = (name: string, service = provider.peerId): ContractContent =>
      content(grantOf({ name, service, properties: { note: "x".repeat(2_400) } }));
    const [first, second] = [large("first"), large("second")];
    await send(first);
    const error: unknown = await send(second).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(SchakelError).with.property("code", "ERROR_CODE_LIMIT_EXCEEDED");
    expect(error)
      .to.have.property("message")
      .that.contains("bytes with this one, allowed are 5000");
    expect(await opened.side.book.get(contentHash(second))).to.equal(undefined);
    await send(large("first", other.peerId), other);
    await send(content(grantOf({ name: "small" })));
    await send(first, provider, "revoke");
  });

  it("shows again what had ended by a clock that was set back, and signs what came meanwhile", async () => {
    await send(content());
    await until("the service to be shown", () => shown().includes("echo"), WAIT_MS);
    opened = await opened.again({ publications: "held" });
    await send(content(grantOf({ name: "waiting" })));
    opened = await opened.again({ publications: "automatic" });
    await until("both to be shown", () => shown().length === 2, WAIT_MS);
    const days = 30 * 86_400_000;
    opened.clock.jump(days);
    await until("nothing to be shown", () => shown().length === 0, WAIT_MS);
    opened.clock.jump(-days);
    await until("both to be shown again", () => shown().length === 2, WAIT_MS);
  });

  it("shows what has not ended when its clock was wrong at the start", async () => {
    await send(content());
    await until("the service to be shown", () => shown().includes("echo"), WAIT_MS);
    const days = 30 * 86_400_000;
    opened.clock.jump(days);
    opened = await opened.again();
    expect(shown()).to.deep.equal([]);
    opened.clock.jump(-days);
    await until("the service to be shown", () => shown().includes("echo"), WAIT_MS);
  });

  describe("the decisions of its people", () => {
    const acts = (lines: readonly string[]): readonly Record<string, unknown>[] =>
      lines
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ action }) => action === "DecidePublication");

    it("stand in the log before they are made and after, with the certificate that made them", async () => {
      opened = await opened.again({ publications: "held" });
      const of = content();
      await send(of);
      const { side, clock, around } = opened;
      const methods = new PublicationMethods({ side, clock, log: around.log });
      const caller = members.bundles.directory.identity;
      const decide = (decision: PublicationDecision) =>
        methods.decide({ groupId: "test", contractHash: contentHash(of), decision }, caller);
      await decide(PublicationDecision.PUBLICATION_DECISION_APPROVE);
      const error: unknown = await decide(PublicationDecision.PUBLICATION_DECISION_REJECT).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).to.have.property("code", "ERROR_CODE_CONTRACT_DECIDED");
      const found = acts(around.lines);
      expect(found.map(({ msg, type, outcome }) => [msg, type, outcome])).to.deep.equal([
        ["act begins", "accept", undefined],
        ["act ended", "accept", "succeeded"],
        ["act begins", "reject", undefined],
        ["act ended", "reject", "ERROR_CODE_CONTRACT_DECIDED"],
      ]);
      for (const each of found) {
        expect(each).to.include({ contract: contentHash(of), peer: directory });
        expect(each).to.include({ certificateThumbprint: caller.certificateThumbprint });
      }
    });
  });
});
