// Talking to a manager as another peer's manager of any make does: TLS with a peer's certificate, then HTTP/1.1.
import { readFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import type { BundleFiles } from "../../certs/bundle.js";
import type { CallAnswer } from "./call.js";

/** One request to a manager. */
export interface ManagerRequest {
  /** Of the manager that is asked. */
  readonly port: number;
  /** Whom the caller says it is. */
  readonly files: BundleFiles;
  readonly method: "GET" | "PUT" | "POST";
  /** With the base path. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** The protocols that the client offers; http/1.1 unless given. */
  readonly alpn?: readonly string[];
}

/** Makes a request on a connection of its own. */
export const askManager = (asked: ManagerRequest): Promise<CallAnswer> =>
  new Promise((resolve, reject) => {
    const { port, files, method, path, headers, body = "", alpn = ["http/1.1"] } = asked;
    const request = httpsRequest(
      {
        ...{ host: "127.0.0.1", port, method, path, agent: false },
        ...{ cert: readFileSync(files.cert), key: readFileSync(files.key) },
        // The manager's certificate is not what these tests are about.
        rejectUnauthorized: false,
        ...{ ALPNProtocols: [...alpn] },
        headers: { Host: "manager", "Content-Length": Buffer.byteLength(body), ...headers },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const bytes = Buffer.concat(chunks);
          resolve({
            status: response.statusCode ?? 0,
            ...{ headers: response.headers, rawHeaders: response.rawHeaders, trailers: [] },
            ...{ body: bytes, text: bytes.toString() },
            json: () => JSON.parse(bytes.toString()) as Record<string, unknown>,
          });
        });
      },
    );
    request.on("error", reject);
    request.end(body);
  });

/** What a token is asked for with. */
export interface TokenAsked {
  readonly port: number;
  readonly files: BundleFiles;
  readonly peerId: string;
  readonly grantHash: string;
}

/** Asks a manager for a token, whatever it answers. */
export const askToken = ({ port, files, peerId, grantHash }: TokenAsked): Promise<CallAnswer> =>
  askManager({
    ...{ port, files, method: "POST", path: "/v1/token" },
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({
      ...{ grant_type: "client_credentials", scope: grantHash, client_id: peerId },
    }).toString(),
  });
