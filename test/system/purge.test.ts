// Somebody's data in the folders of an inway and an outway: never in clear, and out of reach once the managers have
// what was recorded and the segments' keys are gone.
import { expect } from "chai";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { call } from "../support/call.js";
import { Network } from "../support/network.js";
import { storedRecordsOf } from "../support/transaction-log.js";
import { until } from "../support/until.js";
import { FormatError } from "../../txlog/bytes.js";
import { openPersonal, recordSecret } from "../../txlog/personal.js";
import { readPersonal } from "../../txlog/read-personal.js";
import { segmentKeyHash } from "../../txlog/segment.js";

const BSN = "999990019";
const CALLS = 20;
const HEADERS = [
  ["X-NLX-Request-Data-Subject", `bsn=${BSN}`],
  ["X-NLX-Request-Process-Id", `verhuizing-${BSN}`],
] as const;

/** Every file below the folders that has the text, as grep finds it. */
const found = (text: string, folders: readonly string[]): string =>
  spawnSync("grep", ["-ra", "-l", text, ...folders], { encoding: "utf8" }).stdout;

describe("system/forgetting at the writers", function () {
  this.timeout(90_000);
  let network: Network;
  before(async () => {
    const flags = ["--log-segment-age", "1s"];
    network = await Network.start({ flags: { inway: flags, outway: flags } });
  });
  after(() => network.stop());

  it("has nothing in clear at any time, and nothing that a removed key can open", async () => {
    const logs = [network.outway.log, network.inway.log];
    const folders = logs.map((log) => dirname(log));
    const keysNow = (): Map<string, Buffer> =>
      new Map(
        logs.flatMap((log) => {
          const keys = join(log, "keys");
          return readdirSync(keys)
            .filter((name) => name.endsWith(".key"))
            .map((name) => [join(keys, name), readFileSync(join(keys, name))] as const);
        }),
      );
    let earlier = new Map<string, Buffer>();
    for (let index = 0; index < CALLS; index++) {
      const { status } = await call(network.url(`/personen/${BSN}?bsn=${BSN}`), {
        headers: HEADERS,
      });
      expect(status).to.equal(200);
      if (index === 0) earlier = keysNow();
      expect(found(BSN, folders), `after call ${String(index)}`).to.equal("");
    }
    expect(earlier.size, "keys while records are young").to.be.above(0);

    await until("the keys to go", () => keysNow().size === 0, 30_000);
    expect(found(BSN, folders), "after the keys have gone").to.equal("");
    let sealedRecords = 0;
    for (const log of logs) {
      for (const item of await storedRecordsOf(log)) {
        if (item.sealed === undefined || !("exchange" in item.record)) continue;
        sealedRecords += 1;
        expect(await readPersonal(log, item)).to.deep.equal({ status: "shipped" });
      }
    }
    expect(sealedRecords).to.be.at.least(CALLS * 2);
  });

  it("keeps no byte of a removed key in any file", async () => {
    const logs = [network.outway.log, network.inway.log];
    const folders = logs.map((log) => dirname(log));
    await call(network.url("/personen"), { headers: HEADERS });
    const keyFiles = logs.flatMap((log) =>
      readdirSync(join(log, "keys")).map((name) => join(log, "keys", name)),
    );
    const keys = keyFiles.map((path) => readFileSync(path));
    expect(keys.length).to.be.above(0);
    await until(
      "the keys to go",
      () => logs.every((log) => readdirSync(join(log, "keys")).length === 0),
      30_000,
    );
    const listed = spawnSync("find", [...folders, "-type", "f"], { encoding: "utf8" }).stdout;
    for (const path of listed.split("\n").filter((each) => each !== "")) {
      const bytes = readFileSync(path);
      for (const key of keys) expect(bytes.includes(key), path).to.equal(false);
    }
    // What is left of a key is its hash, under which nothing opens.
    const [item] = (await storedRecordsOf(network.outway.log)).filter(
      ({ sealed }) => sealed !== undefined,
    );
    if (item?.sealed === undefined || !("exchange" in item.record)) throw new Error("no record");
    const { sealed, record } = item;
    const commitment = record.exchange.commitment!;
    for (const guess of [...keys.map((key) => segmentKeyHash(key)), Buffer.alloc(32)]) {
      const secret = recordSecret(guess, sealed);
      expect(() => openPersonal(secret, { sealed, commitment })).to.throw(FormatError);
    }
  });
});
