// One request as it comes in: what is refused of its head, and its body within a size and a time.
import type { IncomingMessage } from "node:http";
import { quoted } from "../contracts/shown-text.js";
import { SchakelError } from "../core/errors.js";
import type { BodyRule } from "./endpoint.js";
import type { FscLimits } from "./fsc-limits.js";
import { invalid } from "./queries.js";

const malformed = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_MALFORMED", { detail });

const ABSOLUTE_FORM = /^https:\/\/[^/?#]+(\/.*)$/i;
const TARGET = /^[\x21\x22\x24-\x7e]+$/;

/** Path and query of a request, as they were sent. */
export interface Target {
  readonly path: string;
  readonly query: string;
}

const targetOf = (url: string): Target => {
  const target = ABSOLUTE_FORM.exec(url)?.[1] ?? url;
  if (!TARGET.test(target) || !target.startsWith("/")) {
    throw malformed("the target is neither a path nor an absolute https URL");
  }
  const at = target.indexOf("?");
  return at === -1
    ? { path: target, query: "" }
    : { path: target.slice(0, at), query: target.slice(at + 1) };
};

/**
 * Checks the head of a request that node:http has parsed strictly.
 *
 * @throws SchakelError ERROR_CODE_HTTP_VERSION_UNSUPPORTED, ERROR_CODE_REQUEST_HEAD_TOO_LARGE, or
 * ERROR_CODE_REQUEST_MALFORMED naming the rule that was broken
 */
export const acceptHead = (request: IncomingMessage, limits: FscLimits): Target => {
  const { httpVersion, rawHeaders, headersDistinct, url = "" } = request;
  if (httpVersion !== "1.1" && httpVersion !== "1.0") {
    throw new SchakelError("ERROR_CODE_HTTP_VERSION_UNSUPPORTED");
  }
  if (rawHeaders.length / 2 > limits.headersMax) {
    throw new SchakelError("ERROR_CODE_REQUEST_HEAD_TOO_LARGE", {
      detail: `it has more than ${String(limits.headersMax)} header lines`,
    });
  }
  const hosts = headersDistinct["host"]?.length ?? 0;
  if (hosts > 1 || (hosts === 0 && httpVersion === "1.1")) {
    throw malformed(hosts > 1 ? "Host comes more than once" : "Host is missing");
  }
  const expects = headersDistinct["expect"] ?? [];
  if (!expects.every((each) => each.toLowerCase() === "100-continue")) {
    throw malformed("Expect is not 100-continue");
  }
  return targetOf(url);
};

/** Whether a request says that it has a body. */
export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

const checkType = ({ headersDistinct }: IncomingMessage, type: string): void => {
  const encodings = headersDistinct["content-encoding"] ?? [];
  if (!encodings.every((each) => each.toLowerCase() === "identity")) {
    throw invalid("the header Content-Encoding", "is not identity");
  }
  if (type === "*") return;
  const [found, ...more] = headersDistinct["content-type"] ?? [];
  if (found === undefined)
    throw invalid("the header Content-Type", `is missing, it must be ${type}`);
  if (more.length > 0) throw invalid("the header Content-Type", "comes more than once");
  const [name = "", ...parameters] = found.split(";").map((each) => each.trim().toLowerCase());
  const known = parameters.every((each) => /^charset="?utf-8"?$/.test(each) || each === "");
  if (name !== type || !known) {
    throw invalid("the header Content-Type", `is ${quoted(found)}, it must be ${type}`);
  }
};

const tooLarge = (bytesMax: number): SchakelError =>
  new SchakelError("ERROR_CODE_BODY_TOO_LARGE", {
    detail: `allowed are ${String(bytesMax)} bytes`,
  });

/** A request whose body may be read once. */
export class Incoming {
  #fail: (problem: Error) => void = () => undefined;
  #problem: Error | undefined;
  #end: () => void = () => undefined;
  /** Resolves when the request has been answered and the answer sent, or the connection has gone. */
  readonly ended = new Promise<void>((resolve) => (this.#end = resolve));

  constructor(
    readonly request: IncomingMessage,
    /** Tells the client to send its body, where it waits for that. */
    private readonly goOn: () => void,
  ) {}

  /** Nothing will happen with the request any more. */
  end(): void {
    this.#end();
  }

  /** Ends the reading of the body, now or later, with this error. */
  fail(problem: Error): void {
    this.#problem ??= problem;
    this.#fail(problem);
  }

  /**
   * Reads the body.
   *
   * @throws SchakelError as `Call.body` does; an Error when the connection ended before the body
   */
  async body({ type, bytesMax }: BodyRule, timeoutMs: number): Promise<Buffer> {
    const { request } = this;
    if (Number(request.headers["content-length"] ?? 0) > bytesMax) throw tooLarge(bytesMax);
    checkType(request, type);
    if (this.#problem !== undefined) throw this.#problem;
    this.goOn();
    const read = this.#read(bytesMax);
    const timer = setTimeout(() => {
      const detail = "the body was not complete in time";
      this.fail(new SchakelError("ERROR_CODE_REQUEST_TIMEOUT", { detail }));
    }, timeoutMs);
    try {
      return await read;
    } finally {
      clearTimeout(timer);
      this.#fail = () => undefined;
    }
  }

  #read(bytesMax: number): Promise<Buffer> {
    const { request } = this;
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      const chunks: Buffer[] = [];
      let size = 0;
      request.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > bytesMax) {
          // The rest is read and not kept.
          chunks.length = 0;
          reject(tooLarge(bytesMax));
        } else {
          chunks.push(chunk);
        }
      });
      request.once("end", () => resolve(Buffer.concat(chunks)));
      request.once("error", reject);
      request.once("close", () => reject(new Error("the connection ended before the body")));
    });
  }
}
