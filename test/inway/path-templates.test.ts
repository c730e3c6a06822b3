// The descriptions of an inway's services, from real sources: bad ones first, then what an exchange's record has of a
// good one.
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { expect } from "chai";
import { Registry } from "prom-client";
import type { OfferedService } from "../../component/component-state.js";
import { parseServiceName } from "../../core/names.js";
import { DESCRIPTION_BYTES_MAX } from "../../inway/fetch-description.js";
import { PathTemplates, type PathTemplatesParts } from "../../inway/path-templates.js";
import { readInThread } from "../../inway/read-description.js";
import { call } from "../support/call.js";
import { intentsOf, recordsOf } from "../support/logs.js";
import { Plane, PROVIDER, type RunningPart } from "../support/plane.js";
import { recordedLog } from "../support/recorded-log.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

type Serve = (response: ServerResponse, request: IncomingMessage) => void;

const GOOD = JSON.stringify({ openapi: "3.0.0", paths: { "/zaken/{uuid}": {}, "/zaken": {} } });
const OTHER = JSON.stringify({ openapi: "3.0.0", paths: { "/zaken/{id}": {} } });

/** A source that serves descriptions, and answers everything else with its path. */
class Describing {
  asked: string[] = [];
  serve: Serve = (response) => response.end(GOOD);
  readonly #server: Server = createServer((request, response) => {
    if (request.url?.endsWith("/openapi.json") !== true) {
      response.end(request.url);
      return;
    }
    this.asked.push(`${String(request.method)} ${request.url}`);
    this.serve(response, request);
  });

  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    return `http://127.0.0.1:${String(port)}`;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

const service = (sourceUrl: string, openapiPath = "/openapi.json"): OfferedService => ({
  name: parseServiceName("echo") ?? expect.fail(),
  source: new URL(sourceUrl),
  openapiPath,
  protocol: "PROTOCOL_TCP_HTTP_1.1",
  published: true,
});

const stateOf = (
  ...services: readonly OfferedService[]
): Parameters<PathTemplates["follow"]>[0] => ({
  contracts: new Map(),
  services: new Map(services.map((one) => [one.name, one])),
  tokenKeys: new Map() as never,
  clients: [],
  managers: new Map(),
  grant: () => undefined,
  grantsFor: () => [],
});

const drip: Serve = (response) => {
  response.writeHead(200);
  const timer = setInterval(() => response.write(" "), 10);
  response.once("close", () => clearInterval(timer));
};

describe("inway/path-templates", function () {
  this.timeout(60_000);
  let source: Describing;
  let url = "";
  let templates: PathTemplates | undefined;
  let lines: readonly string[] = [];
  let registry: Registry;

  const begin = (parts: Partial<PathTemplatesParts> = {}): PathTemplates => {
    const recorded = recordedLog();
    ({ lines } = recorded);
    registry = new Registry();
    templates = new PathTemplates({ registry, log: recorded.log, ...parts });
    return templates;
  };
  const loads = async (result: string): Promise<number> => {
    const page = await registry.metrics();
    const found = new RegExp(`^schakel_openapi_loads_total\\{result="${result}"\\} ([0-9]+)$`, "m");
    return Number(found.exec(page)?.[1] ?? 0);
  };

  beforeEach(async () => {
    source = new Describing();
    url = await source.start();
  });
  afterEach(async () => {
    await templates?.stop();
    templates = undefined;
    await source.stop();
  });

  const huge = Buffer.alloc(DESCRIPTION_BYTES_MAX + 1, " ");
  const BAD: Readonly<Record<string, readonly [Serve, RegExp]>> = {
    "answers slowly": [drip, /aborted|timeout/i],
    "never answers": [() => undefined, /aborted|timeout/i],
    "answers with too much": [(response) => response.end(huge), /larger than 4194304 bytes/],
    "answers without end": [
      (response) => {
        const write = (): boolean => response.write(huge, (error) => error ?? write());
        write();
      },
      /larger than 4194304 bytes/,
    ],
    "cuts its answer": [
      (response) => {
        response.writeHead(200, { "Content-Length": "1000" });
        response.write(GOOD, () => response.destroy());
      },
      /aborted|ends early/,
    ],
    "answers with what is no HTTP": [
      (response) => response.socket?.end("hello\r\n"),
      /Parse Error/,
    ],
    "changes the protocol": [
      (response) =>
        response.socket?.end("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
      /protocol unasked/,
    ],
    redirects: [
      (response) => response.writeHead(302, { Location: "/openapi-else.json" }).end(GOOD),
      /it answered 302/,
    ],
    "has none": [(response) => response.writeHead(404).end(GOOD), /it answered 404/],
    "compresses unasked": [
      (response) => response.writeHead(200, { "Content-Encoding": "gzip" }).end("x"),
      /another encoding/,
    ],
    "serves something else": [(response) => response.end("<html>"), /not an OpenAPI description/],
    "serves half of it": [(response) => response.end(GOOD.slice(0, -3)), /not JSON/],
    "serves lists in lists in lists": [
      (response) => response.end(`paths: ${"[".repeat(20_000)}`),
      /not YAML|could not be read/,
    ],
  };
  for (const [what, [serve, reason]] of Object.entries(BAD)) {
    it(`tells log and metrics, and knows no template, when the source ${what}`, async () => {
      source.serve = serve;
      const found = begin({ fetchTimeoutMs: 1_000 });
      const offered = service(url);
      found.follow(stateOf(offered));
      await until("the failure", async () => (await loads("failed")) === 1);
      expect(found.of(offered, "/zaken/1")).to.equal(undefined);
      expect(lines.join("\n")).to.match(reason);
      expect(source.asked).to.deep.equal(["GET /openapi.json"]);
    });
  }

  it("tells the same when nobody is there", async () => {
    await source.stop();
    const found = begin();
    found.follow(stateOf(service(url)));
    await until("the failure", async () => (await loads("failed")) === 1);
    expect(lines.join("\n")).to.match(/ECONNREFUSED/);
    source = new Describing();
    await source.start();
  });

  it("gives up reading a description after its time, and when it is stopped", async () => {
    const bytes = Buffer.from(GOOD);
    const { signal } = new AbortController();
    const outcomes = [
      readInThread({ bytes, location: "/" }, signal, 0),
      readInThread({ bytes, location: "/" }, AbortSignal.abort()),
    ];
    for (const outcome of outcomes) {
      const error = await outcome.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).to.be.instanceOf(Error).with.property("message", "reading it takes too long");
    }
    expect((await readInThread({ bytes, location: "/" }, signal)).templates).to.have.length(2);
  });

  it("leaves hostile templates out and uses the others", async () => {
    const paths = Object.fromEntries(
      ["/\u001b[2J/{x}", "/{a}".repeat(5_000), "/zaken\n{x}", "/zaken/{uuid}"].map((path) => [
        path,
        {},
      ]),
    );
    source.serve = (response) => response.end(JSON.stringify({ paths }));
    const found = begin();
    const offered = service(url);
    found.follow(stateOf(offered));
    await until("the templates", () => found.of(offered, "/zaken/1") === "/zaken/{uuid}");
    const line = lines.find((text) => text.includes("in use"));
    expect(line).to.include('"paths":1').and.include('"skipped":3');
  });

  it("asks nothing of a source without a description, and knows no template of another place", async () => {
    const found = begin();
    const offered = service(url);
    found.follow(stateOf({ ...offered, openapiPath: undefined }));
    found.follow(stateOf(offered));
    await until("the templates", () => found.of(offered, "/zaken/1") !== undefined);
    expect(source.asked).to.have.length(1);
    expect(found.of(service(`${url}/base`), "/base/zaken/1")).to.equal(undefined);
    expect(found.of(service(url, "/openapi-2.json"), "/zaken/1")).to.equal(undefined);
    expect(found.of({ ...offered, openapiPath: undefined }, "/zaken/1")).to.equal(undefined);
    expect(found.of({ ...offered, name: parseServiceName("other") ?? expect.fail() }, "/zaken/1")) //
      .to.equal(undefined);
  });

  for (const target of [
    "/zaken/..",
    "/zaken/%2e%2E",
    "/zaken/a%2f..%2fb",
    "/zaken/.;x",
    "/zaken/a\\..",
  ]) {
    it(`knows no template of ${target}, which a source may take for another path`, async () => {
      const found = begin();
      const offered = service(url);
      found.follow(stateOf(offered));
      await until("the templates", () => found.of(offered, "/zaken/1?x=/../") === "/zaken/{uuid}");
      expect(found.of(offered, target)).to.equal(undefined);
    });
  }

  it("asks again after its time, keeps what it has when that fails, and uses what has changed", async () => {
    const found = begin({ refreshMs: 20, backoff: { firstMs: 20, maxMs: 20 } });
    const offered = service(url);
    found.follow(stateOf(offered));
    await until("the templates", () => found.of(offered, "/zaken/1") === "/zaken/{uuid}");
    await until("a few more", async () => (await loads("loaded")) > 2);
    source.serve = (response) => response.writeHead(500).end();
    await until("the failures", async () => (await loads("failed")) > 2);
    expect(found.of(offered, "/zaken/1")).to.equal("/zaken/{uuid}");
    source.serve = (response) => response.end(OTHER);
    await until("the change", () => found.of(offered, "/zaken/1") === "/zaken/{id}");
    // What has not changed is not read again.
    expect(lines.filter((line) => line.includes("in use"))).to.have.length(2);
    found.follow(stateOf());
    expect(found.of(offered, "/zaken/1")).to.equal(undefined);
    await found.stop();
    const { length } = source.asked;
    await call(`${url}/x`);
    expect(source.asked).to.have.length(length);
  });

  describe("at a real inway", () => {
    let plane: Plane;
    before(async () => {
      plane = await Plane.start();
    });
    after(async () => {
      await plane.close();
      removeTemporaryFolders();
    });

    const metric = async ({ healthAddress }: RunningPart, line: RegExp): Promise<boolean> => {
      const page = await call(`http://127.0.0.1:${String(healthAddress.port)}/metrics`);
      return line.test(page.text);
    };
    const offer = (sourceUrl: string): void => {
      plane.provider.services = [
        { ...plane.service("echo"), sourceUrl, openapiPath: "/openapi.json" },
      ];
      plane.provider.send({ services: { services: plane.provider.services } });
    };
    const recorded = async (part: RunningPart, id: unknown) =>
      await until("the intent", async () =>
        intentsOf(await recordsOf(join(part.data, "log"))).get(String(id)),
      );

    it("records the template in clear at the inway alone, and none while there is none", async () => {
      plane.agree();
      await plane.settled();
      source.serve = drip;
      offer(`${url}/api`);
      await until("an exchange with the new source", async () => {
        const { text } = await plane.call(`/${PROVIDER}/echo/zaken/1`);
        return text === "/api/zaken/1";
      });
      const without = await plane.call(`/${PROVIDER}/echo/zaken/123456782?bsn=123456782`);
      const id = without.headers["fsc-transaction-id"];
      expect((await recorded(plane.inway, id)).exchange.pathTemplate ?? "").to.equal("");

      source.serve = (response) => response.end(GOOD);
      offer(url);
      await until("the templates to be known", () =>
        metric(plane.inway, /^schakel_openapi_services 1$/m),
      );
      const answer = await plane.call(`/${PROVIDER}/echo/zaken/123456782?bsn=123456782`);
      expect(answer).to.include({ status: 200, text: "/zaken/123456782?bsn=123456782" });
      const transactionId = answer.headers["fsc-transaction-id"];
      const ours = await recorded(plane.inway, transactionId);
      const theirs = await recorded(plane.outway, transactionId);
      expect(ours.exchange.pathTemplate).to.equal("/zaken/{uuid}");
      expect(theirs.exchange.pathTemplate ?? "").to.equal("");
      expect(ours.exchange.commitment).to.have.length(32);
    });
  });
});
