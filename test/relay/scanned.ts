// What the scanner, and what node:http, make of the octets of a connection: message by message, for
// comparison.
import { createServer, request as clientRequest, type IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import { HeadReader } from "../../relay/head-reader.js";
import { RELAY_LIMITS } from "../../relay/limits.js";
import { BodyReader } from "../../relay/scan-body.js";
import { scanRequest, type ScannedRequest } from "../../relay/scan-request.js";
import { scanResponse } from "../../relay/scan-response.js";

/** One request, read to its end. */
export interface Read {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  body: string;
  trailers: readonly (readonly [string, string])[];
  complete: boolean;
}

/** The requests of a connection, and whether it came to something that is refused. */
export interface Connection {
  readonly requests: readonly Read[];
  readonly refused: boolean;
}

const begin = ({ method, target, headers }: ScannedRequest): Read => ({
  method,
  target,
  headers,
  body: "",
  trailers: [],
  complete: false,
});

/** Reads with the scanner, piece by piece. */
export const scanned = (pieces: readonly Buffer[]): Connection => {
  const limits = RELAY_LIMITS;
  const requests: Read[] = [];
  const heads = new HeadReader(
    (bytes, from) => scanRequest(bytes, from, limits),
    limits.headBytesMax,
  );
  let body: BodyReader | undefined;
  const read = (bytes: Buffer, from: number): number => {
    if (body !== undefined) {
      const at = body.feed(bytes, from);
      if (body.ended) body = undefined;
      return at;
    }
    const found = heads.read(bytes, from);
    if (found === undefined) return bytes.length;
    const message = begin(found.head);
    requests.push(message);
    body = new BodyReader(found.head.framing, limits, {
      bodyPiece: (piece) => (message.body += piece.toString("latin1")),
      bodyEnd: (trailers) => {
        message.complete = true;
        message.trailers = trailers;
      },
    });
    if (body.ended) {
      message.complete = true;
      body = undefined;
    }
    return found.end;
  };
  try {
    for (const piece of pieces) for (let at = 0; at < piece.length;) at = read(piece, at);
    return { requests, refused: false };
  } catch {
    return { requests, refused: true };
  }
};

const pairs = (flat: readonly string[]): [string, string][] =>
  flat.flatMap((name, at) =>
    at % 2 === 0 ? [[name, flat[at + 1] ?? ""] as [string, string]] : [],
  );

/** Reads with the parser of node:http. */
export class SecondOpinion {
  readonly #server = createServer({ requireHostHeader: false, maxHeaderSize: 65_536 });

  async read(bytes: Buffer): Promise<Connection> {
    const requests: Read[] = [];
    let refused = false;
    const socket = new Duplex({
      read: () => undefined,
      write: (_chunk, _encoding, done) => done(),
    });
    const seen = (request: IncomingMessage): void => {
      const { method = "", url: target = "", rawHeaders } = request;
      const headers = pairs(rawHeaders);
      const message: Read = { method, target, headers, body: "", trailers: [], complete: false };
      requests.push(message);
      request.on("data", (chunk: Buffer) => (message.body += chunk.toString("latin1")));
      request.on("end", () => {
        message.complete = true;
        message.trailers = pairs(request.rawTrailers);
      });
      request.on("error", () => undefined);
    };
    const failed = (): void => {
      refused = true;
    };
    this.#server.on("request", seen).on("checkContinue", seen).on("checkExpectation", seen);
    this.#server.on("connect", failed).on("upgrade", failed).on("clientError", failed);
    this.#server.maxHeadersCount = 0;
    this.#server.emit("connection", socket);
    socket.push(bytes);
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    this.#server.removeAllListeners("request").removeAllListeners("checkContinue");
    this.#server.removeAllListeners("checkExpectation").removeAllListeners("connect");
    this.#server.removeAllListeners("upgrade").removeAllListeners("clientError");
    socket.on("error", () => undefined).destroy();
    return { requests, refused };
  }
}

/** The final response of a connection; undefined when it is refused or does not come. */
export interface ReadResponse {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  body: string;
  trailers: readonly (readonly [string, string])[];
  complete: boolean;
}

/** Reads the answer to GET with the scanner, piece by piece, and then the end of the connection. */
export const scannedResponse = (pieces: readonly Buffer[]): ReadResponse | undefined => {
  const limits = RELAY_LIMITS;
  const heads = new HeadReader(
    (bytes, from) => scanResponse(bytes, from, "GET", limits),
    limits.headBytesMax,
  );
  let response: ReadResponse | undefined;
  let body: BodyReader | undefined;
  const read = (bytes: Buffer, from: number): number => {
    if (body !== undefined) return body.ended ? bytes.length : body.feed(bytes, from);
    const found = heads.read(bytes, from);
    if (found === undefined) return bytes.length;
    const { status, headers, framing } = found.head;
    if (status < 200) return found.end;
    const message: ReadResponse = { status, headers, body: "", trailers: [], complete: false };
    response = message;
    body = new BodyReader(status === 304 ? { kind: "none" } : framing, limits, {
      bodyPiece: (piece) => (message.body += piece.toString("latin1")),
      bodyEnd: (trailers) => {
        message.complete = true;
        message.trailers = trailers;
      },
    });
    message.complete = body.ended;
    return found.end;
  };
  try {
    for (const piece of pieces) for (let at = 0; at < piece.length;) at = read(piece, at);
    body?.close();
  } catch {
    // What came before is what was read.
  }
  return response;
};

/** Reads the answer to GET with the parser of node:http. */
export const secondResponse = async (bytes: Buffer): Promise<ReadResponse | undefined> => {
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const sent = clientRequest({ createConnection: () => socket, maxHeaderSize: 65_536 });
  let response: ReadResponse | undefined;
  sent.maxHeadersCount = 0;
  sent.on("error", () => undefined);
  sent.on("upgrade", () => undefined);
  sent.on("response", (incoming) => {
    const { statusCode: status = 0, rawHeaders } = incoming;
    const headers = pairs(rawHeaders);
    const message: ReadResponse = { status, headers, body: "", trailers: [], complete: false };
    response = message;
    incoming.on("data", (chunk: Buffer) => (message.body += chunk.toString("latin1")));
    incoming.on("error", () => undefined);
    incoming.on("end", () => {
      message.complete = incoming.complete;
      message.trailers = pairs(incoming.rawTrailers);
    });
  });
  sent.end();
  await new Promise(setImmediate);
  socket.push(bytes);
  socket.push(null);
  for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate);
  socket.on("error", () => undefined).destroy();
  return response;
};
