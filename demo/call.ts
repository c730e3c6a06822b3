// A client's call to the outway of its own organisation, or to a health page: plain HTTP on loopback.
import { request } from "node:http";

/** How long a call may take, in milliseconds. */
const CALL_TIMEOUT_MS = 15_000;

/** An answer, read whole. */
export interface Answer {
  readonly status: number;
  /** The value of a header, empty when it is absent. */
  readonly header: (name: string) => string;
  readonly text: string;
}

/**
 * Makes a GET call to a port of 127.0.0.1.
 *
 * @param target path and query
 * @throws Error when nobody listens, the answer is cut, or it takes longer than 15 s
 */
export const call = (port: number, target: string): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
    const options = { host: "127.0.0.1", port, path: target, agent: false, signal };
    request(options, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.once("error", reject);
      response.once("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          header: (name) => [response.headers[name.toLowerCase()] ?? ""].flat().join(", "),
          text: Buffer.concat(parts).toString(),
        }),
      );
    })
      .once("error", reject)
      .end();
  });

/** The body of an answer as a JSON object; empty when it is none. */
export const jsonOf = ({ text }: Answer): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
};
