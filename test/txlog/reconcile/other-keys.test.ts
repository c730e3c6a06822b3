// Which keys of another organisation's log are believed to sign it now.
import { expect } from "chai";
import type { X509Certificate } from "node:crypto";
import { loadGroup, type Group } from "../../../certs/group.js";
import { systemClock } from "../../../core/clock.js";
import type { PeerId } from "../../../core/names.js";
import { OtherKeys } from "../../../txlog/reconcile/other-keys.js";
import { logOrigin } from "../../../txlog/tree/checkpoint.js";
import { signKeyStatement, type KeyStatement } from "../../../txlog/tree/key-statement.js";
import { signerOf, type Signer } from "../../support/contract-signers.js";
import { TestGroup } from "../../support/pki.js";
import { GROUP_ID, newNoteKey, PEER_ID } from "../../support/sealed-log.js";

const ORIGIN = logOrigin(GROUP_ID, PEER_ID);

describe("txlog/reconcile/other-keys", () => {
  let testGroup: TestGroup;
  let group: Group;
  let signer: Signer;
  let other: Signer;
  let certificates: readonly X509Certificate[];
  let from = 0;

  before(async () => {
    testGroup = await TestGroup.create({ groupId: GROUP_ID });
    group = await loadGroup(testGroup.groupFile);
    const peerOf = async (peerId: string): Promise<Signer> =>
      signerOf(await testGroup.peer({ peerId, name: peerId, names: [`${peerId}.test`] }));
    [signer, other] = [await peerOf(PEER_ID), await peerOf("00000000000000000002")];
    certificates = [...signer.chain, ...other.chain];
    from = Math.floor(Date.now() / 1000);
  });
  after(() => testGroup.remove());

  const vkeysBy = async (...statements: readonly string[]): Promise<readonly string[]> => {
    const keys = new OtherKeys({
      groups: { current: group },
      fetch: () => Promise.resolve({ statements, certificates }),
      clock: systemClock,
    });
    return (await keys.of(PEER_ID as PeerId, "log")).map(({ vkey }) => vkey);
  };
  const stated = (more: Pick<KeyStatement, "vkey" | "previousVkey">, by = signer) =>
    signKeyStatement({ origin: ORIGIN, from, ...more }, by);

  const [first, second, third] = [newNoteKey(ORIGIN), newNoteKey(ORIGIN), newNoteKey(ORIGIN)];

  it("believes the only key that there ever was", async () => {
    expect(await vkeysBy(await stated({ vkey: first.vkey }))).to.deep.equal([first.vkey]);
  });

  it("believes the newest key alone, in whatever order they are stated", async () => {
    const statements = [
      await stated({ vkey: first.vkey }),
      await stated({ vkey: second.vkey, previousVkey: first.vkey }),
      await stated({ vkey: third.vkey, previousVkey: second.vkey }),
    ];
    for (const order of [statements, statements.toReversed()]) {
      expect(await vkeysBy(...order)).to.deep.equal([third.vkey]);
    }
  });

  it("does not let another peer say that a key was replaced", async () => {
    const right = await stated({ vkey: first.vkey });
    const foreign = await stated({ vkey: second.vkey, previousVkey: first.vkey }, other);
    expect(await vkeysBy(right, foreign)).to.deep.equal([first.vkey]);
  });
});
