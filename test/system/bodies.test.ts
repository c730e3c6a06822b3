// Large bodies stream both ways with flat memory, whoever is slow.
import { expect } from "chai";
import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Network } from "../support/network.js";
import { pseudoRandomBytes, pseudoRandomSha256 } from "../support/random-stream.js";
import { long } from "../support/scale.js";

const MIB = 1024 * 1024;
const BODY = (long ? 2048 : 256) * MIB;
const RSS_MAX = 200 * MIB;

const rssOf = (pid: number): number =>
  Number(/^VmRSS:\s+([0-9]+) kB/m.exec(readFileSync(`/proc/${String(pid)}/status`, "utf8"))?.[1]) *
  1024;

/** Watches the resident memory of processes while something runs; gives the highest seen. */
const highestRss = async (pids: readonly number[], work: () => Promise<void>): Promise<number> => {
  let highest = 0;
  const look = (): void => {
    highest = Math.max(highest, ...pids.map(rssOf));
  };
  const timer = setInterval(look, 50);
  try {
    await work();
  } finally {
    clearInterval(timer);
    look();
  }
  return highest;
};

const open = (
  url: string,
  method: string,
): { request: ReturnType<typeof httpRequest>; response: Promise<IncomingMessage> } => {
  const request = httpRequest(url, { method, agent: false });
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", resolve);
    request.once("error", reject);
  });
  return { request, response };
};

const hashOf = async (
  stream: IncomingMessage,
  pauseMs = 0,
): Promise<{ bytes: number; sha256: string }> => {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
    // A reader that is slow by nature, not one that hopes for something to happen meanwhile.
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  return { bytes, sha256: hash.digest("hex") };
};

describe(`system/bodies of ${String(BODY / MIB)} MiB`, function () {
  this.timeout(long ? 600_000 : 120_000);
  let network: Network;
  let expected = "";
  before(async () => {
    network = await Network.start();
    expected = pseudoRandomSha256(BODY);
  });
  after(() => network.stop());

  const pids = (): number[] => [network.outway.running.pid, network.inway.running.pid];

  it("brings a body from the source to the client unchanged, below 200 MB of memory a process", async () => {
    let got: Awaited<ReturnType<typeof hashOf>> | undefined;
    const rss = await highestRss(pids(), async () => {
      const { request, response } = open(network.url(`/bytes/${String(BODY)}`), "GET");
      request.end();
      got = await hashOf(await response);
    });
    expect(got).to.deep.equal({ bytes: BODY, sha256: expected });
    expect(rss).to.be.below(RSS_MAX);
  });

  it("brings a body from the client to the source unchanged, below 200 MB of memory a process", async () => {
    let got = "";
    const rss = await highestRss(pids(), async () => {
      const { request, response } = open(network.url("/sink"), "POST");
      await pipeline(Readable.from(pseudoRandomBytes(BODY)), request);
      const answer = await response;
      for await (const chunk of answer as AsyncIterable<Buffer>) got += chunk.toString();
    });
    expect(JSON.parse(got)).to.deep.equal({ bytes: BODY, sha256: expected });
    expect(rss).to.be.below(RSS_MAX);
  });

  it("moves both ways at once, and waits for a slow reader instead of filling memory", async () => {
    const bytes = 24 * MIB;
    let got: Awaited<ReturnType<typeof hashOf>> | undefined;
    const rss = await highestRss(pids(), async () => {
      const { request, response } = open(network.url("/echo"), "POST");
      const sent = pipeline(Readable.from(pseudoRandomBytes(bytes, 7)), request);
      got = await hashOf(await response, 2);
      await sent;
    });
    expect(got).to.deep.equal({ bytes, sha256: pseudoRandomSha256(bytes, 7) });
    expect(rss).to.be.below(RSS_MAX);
  });
});
