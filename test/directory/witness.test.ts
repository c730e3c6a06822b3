// The directory as a witness: it co-signs what continues a peer's log, by keys that the peer's manager states, and nothing else.
import { generateKeyPairSync } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { systemClock } from "../../core/clock.js";
import { openDatabase } from "../../core/database.js";
import type { PeerId } from "../../core/names.js";
import { openWitness } from "../../directory/witness.js";
import { openManagerClient } from "../../fsc/fsc-client.js";
import { openLogClient } from "../../fsc/log-client.js";
import type { WitnessHandlers } from "../../fsc/log-interface.js";
import type { LogDatabase, LogSchema } from "../../txlog/store/schema.js";
import {
  EPOCHS_MAX,
  logOrigin,
  openCheckpoint,
  signCheckpoint,
  witnessName,
} from "../../txlog/tree/checkpoint.js";
import { signKeyStatement, verifyKeyStatement } from "../../txlog/tree/key-statement.js";
import { CompactTree } from "../../txlog/tree/merkle.js";
import { noteKey } from "../../txlog/tree/note.js";
import { formatAddCheckpoint } from "../../txlog/tree/witness.js";
import { surroundings, type Surroundings } from "../support/component.js";
import { TestManager } from "../support/fsc-manager.js";
import { LOCAL, Members } from "../support/members.js";
import { RecordingLogs } from "../support/recorded-logs.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";

describe("directory/witness", function () {
  this.timeout(60_000);
  let members: Members;
  let manager: TestManager;
  let around: Surroundings;
  let witness: WitnessHandlers;
  const logs = new RecordingLogs();
  let data: string;
  let db: LogDatabase;

  const open = (): Promise<WitnessHandlers> => {
    const { groups, bundles, log } = around;
    const clock = systemClock;
    const parts = { groups, bundles, policy: () => LOCAL, ownAddress: undefined, clock, log };
    const { peerId, address } = manager.endpoint;
    return openWitness({
      ...{ data, db, groups, bundles, clock },
      peers: { addressOf: (id) => Promise.resolve(id === peerId ? address : undefined) },
      client: openManagerClient(parts),
      logs: openLogClient(parts),
    });
  };

  before(async () => {
    data = temporaryFolder();
    db = openDatabase<LogSchema>(join(data, "directory.db"));
    members = await Members.create();
    manager = await TestManager.start(members, { logs });
    around = await surroundings(members.test.groupFile, members.peers.directory.files);
    witness = await open();
  });

  after(async () => {
    await manager.close();
    await around.lifecycle.stop();
    await db.destroy();
    await members.remove();
    removeTemporaryFolders();
  });

  const own = (): PeerId => members.bundles.provider.identity.peerId;
  const leaf = (n: number): Buffer => Buffer.alloc(32, n);

  const rootOf = (size: number): Buffer => {
    const tree = CompactTree.from([], 0);
    for (let n = 0; n < size; n++) tree.append(leaf(n));
    return tree.root();
  };

  const keyOf = (origin = logOrigin(members.group.id, own())) =>
    noteKey(origin, generateKeyPairSync("ed25519").privateKey);

  it("co-signs a log's first checkpoint by a key that its peer states, and states its own key", async () => {
    const key = keyOf();
    const { key: signing, chain } = members.bundles.provider;
    const from = Math.floor(Date.now() / 1000);
    const claim = { origin: key.name, vkey: key.vkey, from };
    logs.keys = async () => [
      await signKeyStatement(claim, { key: signing, certificate: chain[0]! }),
    ];
    const note = signCheckpoint({ origin: key.name, size: 2, root: rootOf(2) }, key);
    const body = formatAddCheckpoint({ oldSize: 0, proof: [], note });
    const caller = members.bundles.provider.identity;
    const answer = await witness.addCheckpoint(body, caller);
    expect(answer.status, answer.body).to.equal(200);
    const [statement] = await witness.keys();
    const certificates = members.bundles.directory.chain;
    const verified = await verifyKeyStatement(statement!, { group: members.group, certificates });
    const directory = members.bundles.directory.identity.peerId;
    expect(verified.origin).to.equal(witnessName(members.group.id, directory));
    const opened = openCheckpoint(note + answer.body, { log: key, witnesses: [verified.verifier] });
    expect(opened.cosignatures.map(({ name }) => name)).to.deep.equal([verified.origin]);

    const again = formatAddCheckpoint({ oldSize: 1, proof: [], note });
    expect(await witness.addCheckpoint(again, caller)).to.include({ status: 409, body: "2\n" });
    const other = signCheckpoint({ origin: key.name, size: 2, root: rootOf(3) }, key);
    const forked = formatAddCheckpoint({ oldSize: 2, proof: [], note: other });
    expect((await witness.addCheckpoint(forked, caller)).status).to.equal(409);
    const strange = signCheckpoint({ origin: key.name, size: 3, root: rootOf(3) }, keyOf());
    const unknown = formatAddCheckpoint({ oldSize: 2, proof: [], note: strange });
    expect((await witness.addCheckpoint(unknown, caller)).status).to.equal(403);
    const notIts = members.bundles.other.identity;
    expect((await witness.addCheckpoint(body, notIts)).status).to.equal(404);

    const epoch = (number: number): Promise<{ status: number; body: string }> => {
      const origin = logOrigin(members.group.id, own(), number);
      const later = signCheckpoint({ origin, size: 1, root: rootOf(1) }, key);
      const asked = formatAddCheckpoint({ oldSize: 0, proof: [], note: later });
      return witness.addCheckpoint(asked, caller);
    };
    expect((await epoch(EPOCHS_MAX)).status).to.equal(200);
    for (const number of [EPOCHS_MAX + 1, 1_000_000, Number.MAX_SAFE_INTEGER]) {
      const refused = await epoch(number);
      expect(refused.status).to.equal(400);
      expect(refused.body).to.contain(
        `the epoch is ${String(number)}, allowed are 1 to ${String(EPOCHS_MAX)}`,
      );
    }
    const kept = await db.selectFrom("txlog_witness").select("origin").execute();
    expect(kept).to.have.length(2);

    const restarted = await open();
    expect(await restarted.addCheckpoint(again, caller)).to.include({ status: 409, body: "2\n" });
    const [later] = await restarted.keys();
    const same = await verifyKeyStatement(later!, { group: members.group, certificates });
    expect(same.vkey).to.equal(verified.vkey);
  });

  it("keeps its key where nobody else may read it", () => {
    const path = join(data, "witness-key.pem");
    expect(existsSync(path)).to.equal(true);
    expect(statSync(path).mode & 0o777).to.equal(0o600);
  });
});
