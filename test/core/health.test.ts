// The health page over a real socket.
import { createServer, get } from "node:http";
import { expect } from "chai";
import { pino } from "pino";
import { Health, serveHealth } from "../../core/health.js";
import { Lifecycle } from "../../core/lifecycle.js";
import { ListenError } from "../../core/listen.js";

const SILENT = pino({ level: "silent" });
const ANY = { host: "127.0.0.1", port: 0 };

describe("core/health", () => {
  let lifecycle: Lifecycle;
  let health: Health;
  let base: string;
  let problem: string | undefined;

  beforeEach(async () => {
    lifecycle = new Lifecycle(SILENT);
    health = new Health();
    problem = undefined;
    health.addCheck({ name: "disk", problem: () => problem });
    health.addCheck({ name: "fine", problem: () => undefined });
    const { port } = await serveHealth(health, ANY, lifecycle);
    base = `http://127.0.0.1:${String(port)}`;
  });
  afterEach(() => lifecycle.stop());

  for (const path of ["/", "/health", "/health/live/", "/health/live?x", "/metrics/../health/x"]) {
    it(`has nothing at ${path}`, async () => {
      expect((await fetch(base + path)).status).to.equal(404);
    });
  }

  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    it(`refuses ${method}`, async () => {
      expect((await fetch(`${base}/health/live`, { method })).status).to.equal(405);
    });
  }

  /** The status of an answer to a request with a Host header; fetch lets nobody choose it. */
  const statusFor = (host: string | undefined): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const headers = host === undefined ? {} : { host };
      const options = { setHost: false, headers, agent: false };
      get(`${base}/metrics`, options, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).on("error", reject);
    });
  const HOSTS: readonly (readonly [string, number])[] = [
    ["attacker.example", 403],
    ["attacker.example:9443", 403],
    ["localhost.attacker.example", 403],
    ["127.0.0.1.attacker.example", 403],
    ["a.localhost", 403],
    ["localhost:x", 403],
    ["[localhost", 403],
    ["", 403],
    ["localhost", 200],
    ["LOCALHOST:9443", 200],
    ["127.0.0.1:9443", 200],
    ["127.3.2.1", 200],
    ["[::1]:9443", 200],
    ["[::1]", 200],
    ["192.0.2.1:80", 200],
  ];
  for (const [host, expected] of HOSTS) {
    it(`answers ${String(expected)} to the Host ${JSON.stringify(host)}`, async () => {
      expect(await statusFor(host)).to.equal(expected);
    });
  }

  it("is not ready while a condition does not hold, and names it", async () => {
    problem = "the disk is full";
    const answer = await fetch(`${base}/health/ready`);
    expect(answer.status).to.equal(503);
    expect(await answer.json()).to.deep.equal({ ready: false, problems: { disk: problem } });
    problem = undefined;
    expect((await fetch(`${base}/health/ready`)).status).to.equal(200);
  });

  it("stays ready with a warning, and names it", async () => {
    health.addWarning({ name: "manager", problem: () => problem });
    problem = undefined;
    health.addWarning({ name: "always", problem: () => "look at this" });
    const answer = await fetch(`${base}/health/ready`);
    expect(answer.status).to.equal(200);
    expect(await answer.json()).to.deep.equal({
      ready: true,
      problems: {},
      warnings: { always: "look at this" },
    });
  });

  it("lives also while it is not ready", async () => {
    problem = "the disk is full";
    const answer = await fetch(`${base}/health/live`);
    expect(answer.status).to.equal(200);
    expect(answer.headers.get("cache-control")).to.equal("no-store");
  });

  it("shows the metrics of the process and those added", async () => {
    const answer = await fetch(`${base}/metrics`);
    expect(answer.headers.get("content-type")).to.match(/^text\/plain/);
    expect(await answer.text()).to.include("process_cpu_seconds_total");
  });

  it("answers HEAD without a body", async () => {
    const answer = await fetch(`${base}/health/ready`, { method: "HEAD" });
    expect(answer.status).to.equal(200);
    expect(await answer.text()).to.equal("");
  });

  it("stops with the process, also with a connection open", async () => {
    await fetch(`${base}/health/live`);
    await lifecycle.stop();
    let failed: unknown;
    await fetch(`${base}/health/live`).catch((error: unknown) => (failed = error));
    expect(failed).to.be.instanceOf(TypeError);
  });

  it("does not start on a port that is taken", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => void taken.listen(0, "127.0.0.1", resolve));
    const bound = taken.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : 0;
    let failed: unknown;
    await serveHealth(new Health(), { ...ANY, port }, lifecycle).catch(
      (error: unknown) => (failed = error),
    );
    taken.close();
    expect(failed).to.be.instanceOf(ListenError);
  });
});
