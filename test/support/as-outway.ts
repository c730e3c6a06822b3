// Talking to an inway as an outway of any make does: TLS with a peer's certificate, then raw HTTP/1.1.
import { readFileSync } from "node:fs";
import { connect, type TLSSocket } from "node:tls";
import { once } from "node:events";
import type { BundleFiles } from "../../certs/bundle.js";

/** How to connect. */
export interface AsOutway {
  readonly port: number;
  readonly servername: string;
  /** Leave out to show no certificate. */
  readonly files?: BundleFiles;
  readonly alpn?: readonly string[];
}

/** Opens the connection. Whoever tests refusals looks at what the socket does next. */
export const connectAsOutway = async ({
  port,
  servername,
  files,
  alpn,
}: AsOutway): Promise<TLSSocket> => {
  const socket = connect({
    host: "127.0.0.1",
    port,
    servername,
    // The inway's certificate is not what these tests are about.
    rejectUnauthorized: false,
    ALPNProtocols: [...(alpn ?? ["http/1.1"])],
    ...(files === undefined
      ? {}
      : { cert: readFileSync(files.cert), key: readFileSync(files.key) }),
  });
  await once(socket, "secureConnect");
  return socket;
};

/** Sends raw bytes and collects what comes back until the other side closes or is quiet for a while. */
export const exchangeRaw = (socket: TLSSocket, bytes: string, quietMs = 700): Promise<string> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const finish = (): void => {
      socket.destroy();
      resolve(Buffer.concat(chunks).toString("latin1"));
    };
    socket.setTimeout(quietMs, finish);
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.once("error", finish);
    socket.once("close", finish);
    socket.write(bytes);
  });
