// Started by the bench as a process of its own: makes load over plain HTTP/1.1 where wrk is missing, and in any case
// the load that wrk cannot make, a new mutual-TLS connection for each request. Prints what came of it as JSON.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Order } from "./load.js";

const order = JSON.parse(process.argv[2] ?? "") as Order;
const { hostname, port, pathname } = new URL(order.url);
const body = order.body ?? "";
const head = [
  `${body === "" ? "GET" : "POST"} ${pathname} HTTP/1.1`,
  `Host: ${order.tls?.name ?? `${hostname}:${port}`}`,
  ...(body === "" ? [] : ["Content-Type: application/json", `Content-Length: ${body.length}`]),
].join("\r\n");

/** A UUID of version 7, as an outway gives each exchange. */
const transactionId = (): string => {
  const time = Date.now().toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
};

/** What an inway of ours wants to see as well. */
const ofOutway = (): string =>
  order.authorization === undefined
    ? ""
    : `\r\nFsc-Authorization: ${order.authorization}\r\nFsc-Transaction-Id: ${transactionId()}`;

const newRequest = (): string => `${head}${ofOutway()}\r\n\r\n${body}`;
const files = order.tls && {
  cert: readFileSync(order.tls.cert),
  key: readFileSync(order.tls.key),
  ca: readFileSync(order.tls.anchor),
};

const latencies: number[] = [];
const failures: string[] = [];
const started = performance.now();
const end = started + order.seconds * 1000;

const open = (): Socket =>
  files === undefined
    ? connect(Number(port), hostname).setNoDelay(true)
    : connectTls({ ...files, port: Number(port), host: hostname, servername: order.tls?.name });

/** Reads one answer after another off a connection: only those with a length, as every source here gives. */
const answersOf = (socket: Socket, answered: (status: string) => void): void => {
  let missing = 0;
  let gathered = "";
  let status = "";
  socket.on("data", (chunk: Buffer) => {
    if (missing > 0) missing -= chunk.length;
    else {
      gathered += chunk.toString("latin1");
      const headEnd = gathered.indexOf("\r\n\r\n");
      if (headEnd === -1) return;
      status = gathered.slice(9, 12);
      const length = /\r\ncontent-length: *(\d+)/i.exec(gathered.slice(0, headEnd))?.[1];
      if (length === undefined) return void socket.destroy(new Error("an answer has no length"));
      missing = Number(length) - (gathered.length - headEnd - 4);
      gathered = "";
    }
    if (missing === 0) answered(status);
  });
};

const once = (): Promise<void> =>
  new Promise((resolve) => {
    let at = performance.now();
    const socket = open();
    socket.on("error", (error) => failures.push(error.message)).once("close", () => resolve());
    const isConnect = files !== undefined;
    socket.once(isConnect ? "secureConnect" : "connect", () => {
      if (!isConnect) at = performance.now();
      socket.write(newRequest(), "latin1");
    });
    answersOf(socket, (status) => {
      const now = performance.now();
      if (status === "200") latencies.push(now - at);
      else failures.push(`status ${status}`);
      if (isConnect || now >= end) return void socket.destroy();
      at = now;
      socket.write(newRequest(), "latin1");
    });
  });

const connection = async (): Promise<void> => {
  // After a few failures there is nothing to measure any more.
  while (performance.now() < end && failures.length < 10) await once();
};

await Promise.all(Array.from({ length: order.connections }, connection));
latencies.sort((a, b) => a - b);
const at = (share: number): number => latencies[Math.floor((latencies.length - 1) * share)] ?? 0;
const result = {
  requests: latencies.length,
  seconds: (performance.now() - started) / 1000,
  p50Ms: at(0.5),
  p99Ms: at(0.99),
  failures: failures.length,
  firstFailure: failures[0],
};
process.stdout.write(JSON.stringify(result));
