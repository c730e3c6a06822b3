// Another organisation's log as we see it: whatever is not a continuation of what was seen is its own error.
import { generateKeyPairSync } from "node:crypto";
import { expect } from "chai";
import { leafHash } from "../../../txlog/leaf.js";
import { SeenLog } from "../../../txlog/reconcile/seen-log.js";
import { EPOCHS_MAX, logOrigin, signCheckpoint } from "../../../txlog/tree/checkpoint.js";
import { LogFault } from "../../../txlog/tree/log-fault.js";
import { perfectRoot } from "../../../txlog/tree/merkle.js";
import { noteKey } from "../../../txlog/tree/note.js";
import { inclusionProof, rootFromTiles, type TileReader } from "../../../txlog/tree/tiles.js";
import { formatProof } from "../../../txlog/tree/tlog-proof.js";
import { MemoryWitness } from "../../support/memory-witness.js";

const ORIGIN = logOrigin("group", "1");
const key = noteKey(ORIGIN, generateKeyPairSync("ed25519").privateKey);
const stranger = noteKey(ORIGIN, generateKeyPairSync("ed25519").privateKey);

const leaf = (name: string, n: number): Buffer => leafHash(Buffer.from(`${name} ${String(n)}`));

/** A log whose leaves up to a place are those of one name, and then those of another. */
class OtherLog {
  constructor(
    readonly leaves: readonly Buffer[],
    readonly signer = key,
  ) {}

  static of(count: number, forkedAt = count, signer = key): OtherLog {
    const leaves = Array.from({ length: count }, (_, n) => leaf(n < forkedAt ? "a" : "b", n));
    return new OtherLog(leaves, signer);
  }

  readonly tiles: TileReader = (level, index, width) => {
    const span = 256 ** level;
    const hashes = Array.from({ length: width }, (_, at) => {
      const start = (index * 256 + at) * span;
      return perfectRoot(Buffer.concat(this.leaves.slice(start, start + span)));
    });
    return Promise.resolve(Buffer.concat(hashes));
  };

  async note(size = this.leaves.length): Promise<string> {
    const root = await rootFromTiles(this.tiles, size);
    return signCheckpoint({ origin: ORIGIN, size, root }, this.signer);
  }

  async proof(index: number, size = this.leaves.length): Promise<string> {
    const proof = await inclusionProof(this.tiles, index, size);
    return formatProof({ index, proof, checkpoint: await this.note(size) });
  }
}

const seenLog = (seen: MemoryWitness, log: OtherLog, tiles = log.tiles): SeenLog =>
  new SeenLog({
    ...{ origin: ORIGIN, keys: [key], seen, tiles: () => tiles },
    newest: () => log.note(),
  });

const fault = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return "none";
  } catch (error) {
    if (error instanceof LogFault) return error.kind;
    throw error;
  }
};

describe("another organisation's log", () => {
  let seen: MemoryWitness;

  beforeEach(async () => {
    seen = new MemoryWitness();
    await seenLog(seen, OtherLog.of(300)).look();
  });

  it("is seen for the first time, again, and as it grows", async () => {
    for (const size of [300, 301, 700]) {
      const { checkpoint } = await seenLog(seen, OtherLog.of(size)).look();
      expect(checkpoint.size).to.equal(size);
      expect((await seen.get(ORIGIN))?.size).to.equal(size);
    }
  });

  it("may have been seen further by somebody else while it was asked", async () => {
    const parts = { origin: ORIGIN, keys: [key], seen };
    let asked = 0;
    const log = OtherLog.of(400);
    const look = new SeenLog({
      ...parts,
      tiles: () => log.tiles,
      newest: async () => {
        asked += 1;
        if (asked > 1) return log.note();
        await seenLog(seen, OtherLog.of(350)).look();
        return log.note(320);
      },
    });
    expect((await look.look()).checkpoint.size).to.equal(400);
  });

  const short: TileReader = () => Promise.resolve(Buffer.alloc(31));
  const faults: Readonly<
    Record<string, readonly [kind: string, log: OtherLog, tiles?: TileReader]>
  > = {
    "is older than what was seen": ["checkpoint-older", OtherLog.of(299)],
    "has the size that was seen and another root": ["log-forked", OtherLog.of(300, 299)],
    "has grown and changed what was seen": ["log-forked", OtherLog.of(400, 17)],
    "gives tiles of another log": ["proof-wrong", OtherLog.of(400), OtherLog.of(400, 0).tiles],
    "gives tiles of another size": ["proof-wrong", OtherLog.of(400), short],
    "is signed by a key that it does not state": ["unknown-key", OtherLog.of(300, 300, stranger)],
  };
  for (const [title, [kind, log, tiles]] of Object.entries(faults)) {
    it(`is an alarm when it ${title}`, async () => {
      expect(await fault(seenLog(seen, log, tiles ?? log.tiles).look())).to.equal(kind);
      expect((await seen.get(ORIGIN))?.size).to.equal(300);
    });
  }

  it("is not looked at in an epoch beyond those that are allowed, and nothing is kept of it", async () => {
    const log = OtherLog.of(3);
    const root = await rootFromTiles(log.tiles, 3);
    const look = (epoch: number): Promise<unknown> => {
      const origin = logOrigin("group", "1", epoch);
      const note = signCheckpoint({ origin, size: 3, root }, key);
      const parts = { origin: ORIGIN, keys: [key], seen, tiles: () => log.tiles };
      return new SeenLog({ ...parts, newest: () => Promise.resolve(note) }).look();
    };
    expect(await fault(look(EPOCHS_MAX))).to.equal("none");
    expect(await fault(look(EPOCHS_MAX + 1))).to.equal("malformed");
    expect(await seen.get(logOrigin("group", "1", EPOCHS_MAX + 1))).to.equal(undefined);
  });

  it("is an alarm when its signature is wrong or its checkpoint none", async () => {
    const log = OtherLog.of(300);
    const good = await log.note();
    const answers = [good.replace(/\n300\n/, "\n301\n"), "hello\n", `${good}— x y\n`];
    const kinds = [];
    for (const note of answers) {
      const newest = (): Promise<string> => Promise.resolve(note);
      const look = new SeenLog({
        origin: ORIGIN,
        keys: [key],
        seen,
        newest,
        tiles: () => log.tiles,
      });
      kinds.push(await fault(look.look()));
    }
    expect(kinds).to.deep.equal(["signature-wrong", "malformed", "malformed"]);
  });

  it("proves a record under a checkpoint that fits, older or newer than the one seen", async () => {
    const log = OtherLog.of(500);
    const look = seenLog(seen, log);
    for (const size of [200, 300, 500]) {
      const { checkpoint } = await look.verify(await log.proof(150, size), leaf("a", 150));
      expect(checkpoint.size).to.equal(size);
    }
  });

  it("proves nothing for another record, or under a checkpoint of another log", async () => {
    const log = OtherLog.of(500);
    const look = seenLog(seen, log);
    const proof = await log.proof(150);
    expect(await fault(look.verify(proof, leaf("a", 151)))).to.equal("proof-wrong");
    const other = OtherLog.of(500, 17);
    const forked = seenLog(seen, other);
    expect(await fault(forked.verify(await other.proof(150), leaf("b", 150)))).to.equal(
      "log-forked",
    );
    const older = OtherLog.of(200, 100);
    expect(await fault(look.verify(await older.proof(150), leaf("b", 150)))).to.be.oneOf([
      "log-forked",
      "proof-wrong",
    ]);
    expect(await fault(look.verify("nothing", leaf("a", 1)))).to.equal("malformed");
  });
});
