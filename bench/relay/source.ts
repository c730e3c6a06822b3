// Started by the bench where nginx is missing: the source behind every pair, on the port that it is given.
import { createServer } from "node:http";
import { jsonOf } from "./cases.js";

const ANSWERS = new Map([
  ["/get1k", Buffer.from(jsonOf(1024))],
  ["/post100", Buffer.from(jsonOf(1024))],
  ["/get1m", Buffer.from(jsonOf(1024 * 1024))],
]);

const server = createServer((request, response) => {
  request.resume();
  const body = ANSWERS.get(request.url ?? "");
  const headers = { "Content-Type": "application/json", "Content-Length": body?.length ?? 0 };
  response.writeHead(body === undefined ? 404 : 200, headers);
  response.end(body);
});
server.keepAliveTimeout = 0;
server.listen(Number(process.argv[2]), "127.0.0.1");
