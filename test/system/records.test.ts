// What both sides write down of an exchange.
import { expect } from "chai";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { call } from "../support/call.js";
import { expectEnded, intentsOf, recordsOf } from "../support/logs.js";
import { Network, PEERS } from "../support/network.js";
import { until } from "../support/until.js";
import type { LogRecord } from "../../txlog/record.js";

const outcomeOf = (records: readonly LogRecord[], id: string): LogRecord | undefined =>
  records.find((record) => record.kind === "outcome" && record.intent.transactionId === id);

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

describe("system/records", function () {
  this.timeout(60_000);
  let network: Network;
  let id = "";
  let outgoing: LogRecord[] = [];
  let incoming: LogRecord[] = [];
  before(async () => {
    network = await Network.start();
    const answer = await call(network.url("/echo?bsn=123456782"), {
      method: "POST",
      body: "twelve bytes",
      headers: [
        ["X-NLX-Request-Data-Subject", "bsn=999993653"],
        ["X-NLX-Requester-User", "jan.jansen"],
        ["X-NLX-Request-Process-Id", "geheim-proces"],
        ["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
      ],
    });
    id = String(answer.headers["fsc-transaction-id"]);
    await until("both outcomes to be written", async () => {
      outgoing = await recordsOf(network.outway.log);
      incoming = await recordsOf(network.inway.log);
      return outcomeOf(outgoing, id) !== undefined && outcomeOf(incoming, id) !== undefined;
    });
  });
  after(() => network.stop());

  it("has an intent on both sides with the same transaction id, peers, service and trace", () => {
    for (const [records, direction] of [
      [outgoing, "outgoing"],
      [incoming, "incoming"],
    ] as const) {
      const exchange = intentsOf(records).get(id)?.exchange;
      expect(exchange).to.include({
        direction,
        service: "echo",
        method: "POST",
        transactionId: id,
      });
      expect(exchange?.source.peerId).to.equal(PEERS.consumer.peerId);
      expect(exchange?.destination.peerId).to.equal(PEERS.provider.peerId);
      expect(exchange?.traceId?.toString("hex")).to.equal("0af7651916cd43dd8448eb211c80319c");
      expect(exchange?.commitment).to.have.length(32);
    }
  });

  it("says who the client was and which clause let it pass", () => {
    expect(intentsOf(outgoing).get(id)?.exchange.client).to.equal("loopback");
    for (const records of [outgoing, incoming]) {
      const exchange = intentsOf(records).get(id)?.exchange;
      expect(exchange?.clause).to.contain(network.contract?.hash);
      expect(exchange?.grantHash).to.equal(network.grantHash());
    }
  });

  it("has an outcome on both sides with status, bytes and durations", () => {
    // Between our own outway and inway is the link; sources speak HTTP/1.1.
    for (const [records, link] of [
      [outgoing, "schakel"],
      [incoming, "http1"],
    ] as const) {
      const record = outcomeOf(records, id);
      if (record?.kind !== "outcome") return expect.fail("no outcome");
      expect(record.outcome).to.include({
        result: "complete",
        status: 200,
        requestBytes: 12,
        responseBytes: 12,
        link,
      });
      const { total, own, other, source } = record.outcome.durationUs;
      expect(total).to.be.above(0);
      expect((own ?? 0) + (other ?? source ?? 0)).to.equal(total);
      const [far, none] = link === "schakel" ? [other, source] : [source, other];
      expect(far).to.be.above(0);
      expect(none).to.equal(undefined);
    }
  });

  it("holds the other side's receipt: the hash of its intent", () => {
    const ours = intentsOf(outgoing).get(id);
    const theirs = intentsOf(incoming).get(id);
    const outcome = outcomeOf(outgoing, id);
    const theirOutcome = outcomeOf(incoming, id);
    if (outcome?.kind !== "outcome" || theirOutcome?.kind !== "outcome")
      return expect.fail("no outcome");
    expect(ours).not.to.equal(undefined);
    expect(theirs?.exchange.otherReceipt?.toString("hex")).to.equal(
      outcome.intent.leafHash.toString("hex"),
    );
    expect(outcome.outcome.otherReceipt?.toString("hex")).to.equal(
      theirOutcome.intent.leafHash.toString("hex"),
    );
  });

  it("has nothing personal in clear in any file", () => {
    for (const file of [...filesBelow(network.outway.log), ...filesBelow(network.inway.log)]) {
      const content = readFileSync(file, "latin1");
      for (const secret of ["999993653", "123456782", "jan.jansen", "geheim-proces"]) {
        expect(content.includes(secret), `${secret} in ${file}`).to.equal(false);
      }
    }
  });

  it("records a refusal on the side that refused", async () => {
    const answer = await call(network.url("/", "nope"));
    const refused = String(answer.headers["fsc-transaction-id"]);
    const record = await until("the refusal to be written", async () =>
      (await recordsOf(network.outway.log)).find(
        (found) => found.kind === "refusal" && found.exchange.transactionId === refused,
      ),
    );
    expect(record).to.include({ status: 404, code: "ERROR_CODE_SERVICE_NOT_FOUND" });
  });

  it("records that an exchange failed after it was recorded", async () => {
    await call(network.url("/cut")).catch(() => undefined);
    const records = await until("the outcome to be written", async () => {
      const found = await recordsOf(network.inway.log);
      return found.some(
        (record) => record.kind === "outcome" && record.outcome.result === "target-aborted",
      )
        ? found
        : undefined;
    });
    expect(records.filter(({ kind }) => kind === "outcome")).to.have.length.above(1);
  });

  it("counts the time that the source takes as the far side's", async () => {
    const held = call(network.url("/hold"));
    await until("the request to be held", () =>
      network.source.requests.some(({ target }) => target === "/hold"),
    );
    const before = performance.now();
    await until("a quarter of a second", () => performance.now() - before > 250);
    network.source.release();
    const slow = String((await held).headers["fsc-transaction-id"]);
    for (const log of [network.outway.log, network.inway.log]) {
      const record = await until("the outcome", async () => outcomeOf(await recordsOf(log), slow));
      if (record.kind !== "outcome") return expect.fail("no outcome");
      const { total, own, other, source } = record.outcome.durationUs;
      expect(other ?? source).to.be.above(250_000);
      expect(own).to.be.at.most(total - 250_000);
    }
    network.source.requests.length = 0;
  });

  it("ends every intent when the processes stop in order", async () => {
    const held = call(network.url("/hold")).catch(() => undefined);
    await until("the request to be held", () =>
      network.source.requests.some(({ target }) => target === "/hold"),
    );
    const stopped = Promise.all([network.outway.running.stop(), network.inway.running.stop()]);
    network.source.release();
    await Promise.all([held, stopped]);
    expectEnded(await recordsOf(network.outway.log));
    expectEnded(await recordsOf(network.inway.log));
  });
});
