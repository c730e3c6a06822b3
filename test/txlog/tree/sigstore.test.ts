// Our checkpoints and inclusion proofs, verified by Sigstore's own code for transparency logs. It has its own parser of
// signed notes and its own way through an inclusion proof, and knows nothing of ours.
import { verifyCheckpoint } from "@sigstore/verify/dist/tlog/checkpoint.js";
import { verifyMerkleInclusion } from "@sigstore/verify/dist/tlog/merkle.js";
import { expect } from "chai";
import { leavesOf, newNoteKey, SealedLog } from "../../support/sealed-log.js";

type LogEntry = Parameters<typeof verifyCheckpoint>[0];
type Authority = Parameters<typeof verifyCheckpoint>[1][number];

describe("Sigstore's verifier", () => {
  let log: SealedLog;
  before(async () => (log = await SealedLog.of(leavesOf(1000))));

  const authority = (key: Pick<SealedLog["key"], "id" | "name" | "publicKey">): Authority => {
    const logID = Buffer.alloc(32);
    logID.writeUInt32BE(key.id);
    return {
      logID,
      publicKey: key.publicKey,
      baseURL: `https://${key.name}`,
      validFor: { start: new Date(0), end: new Date(8e15) },
    };
  };

  interface Shown {
    readonly index: number;
    readonly leaf?: Buffer;
    readonly proof?: readonly Buffer[];
    readonly note?: string;
    readonly key?: SealedLog["key"];
  }

  /** What it makes of one entry: undefined when it accepts it. */
  const judged = async ({ index, ...shown }: Shown): Promise<string | undefined> => {
    const entry = await log.entry(index, true);
    const logEntry = {
      canonicalizedBody: shown.leaf ?? entry.leaf,
      inclusionProof: {
        logIndex: String(index),
        hashes: [...(shown.proof ?? entry.proof ?? [])],
        checkpoint: { envelope: shown.note ?? log.witnessed() },
      },
    } as unknown as LogEntry;
    try {
      const checkpoint = verifyCheckpoint(logEntry, [authority(shown.key ?? log.key)]);
      verifyMerkleInclusion(logEntry, checkpoint);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : "refused";
    }
  };

  it("accepts what we signed and proved", async () => {
    for (const index of [0, 1, 255, 256, 511, 767, 998, 999]) {
      expect(await judged({ index }), `entry ${index}`).to.equal(undefined);
    }
  });

  it("refuses another record, place, proof, checkpoint or key", async () => {
    const { leaf, proof = [] } = await log.entry(77, true);
    const other = Buffer.from(leaf);
    other[9] = (other[9] ?? 0) ^ 1;
    for (const shown of [
      { index: 77, leaf: other },
      { index: 76, proof },
      { index: 77, proof: proof.slice(1) },
      { index: 77, proof: proof.toReversed() },
      { index: 77, note: log.note(999) },
      { index: 77, note: log.note().replace("\n1000\n", "\n1001\n") },
      { index: 77, key: newNoteKey(log.key.name) },
    ]) {
      expect(await judged(shown)).to.be.a("string");
    }
  });
});
