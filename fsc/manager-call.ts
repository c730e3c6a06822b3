// One call of another manager: its answer within limits, or a RemoteError that says what came instead.
import { ContractRefusal } from "../contracts/refusal.js";
import { quoted } from "../contracts/shown-text.js";
import type { DialPolicy } from "../core/dial.js";
import * as answers from "./answers.js";
import { exchange, type Answered, type Outgoing } from "./client-exchange.js";
import type { ClientLimits, ClientParts } from "./fsc-client.js";
import { RemoteError, type ManagerEndpoint, type Page } from "./manager-interface.js";
import { BASE_PATH } from "./wire.js";

const SMALL_BYTES_MAX = 64 * 1024;
const JSON_TYPES = /^application\/(?:[a-z0-9.-]+\+)?json(?:\s*;.*)?$/i;

/** A parameter of a query; left out when undefined or empty. */
export type Parameter = readonly [name: string, value: string | undefined];

/** A path with its query. */
export const withQuery = (path: string, parameters: readonly Parameter[]): string => {
  const given = parameters.flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return given.length === 0 ? path : `${path}?${given.join("&")}`;
};

/** What is asked for: GET without headers, and a small answer, unless it says otherwise. The path is below the base path. */
export type Asked = Partial<Outgoing> & { readonly path: string };

/** An answer with its body. */
export type WholeAnswer = Answered & { readonly body: Buffer };

const problemOf = ({ status, headers, body }: Answered): string => {
  if (status >= 300 && status < 400) {
    const to = headers.get("location");
    return `it redirects${to === undefined ? "" : ` to ${quoted(to)}`}, which is not followed`;
  }
  return body === undefined ? "its answer is larger than allowed" : "it gave no reason";
};

/** Calls managers for a client. */
export class ManagerCalls {
  constructor(
    private readonly parts: ClientParts,
    private readonly limits: ClientLimits,
  ) {}

  /** A page of a list; what of it was left out is logged. */
  async page<T>(
    to: ManagerEndpoint,
    path: string,
    read: (bytes: Buffer) => answers.ReadPage<T>,
  ): Promise<Page<T>> {
    const answerBytesMax = this.limits.pageBytesMax;
    const { page, ignored } = await this.json(to, { path, answerBytesMax }, read);
    this.logIgnored(to, path, ignored);
    return page;
  }

  /** Logs what of an answer was left out. */
  logIgnored({ peerId }: ManagerEndpoint, path: string, ignored: readonly string[]): void {
    if (ignored.length === 0) return;
    const reasons = ignored.slice(0, 10);
    this.parts.log.warn(
      { peerId, path, count: ignored.length, reasons },
      "answer holds what is left out",
    );
  }

  /** An answer of JSON, read by a function that may throw ContractRefusal. */
  json<T>(to: ManagerEndpoint, asked: Asked, read: (bytes: Buffer) => T): Promise<T> {
    return this.#read(to, asked, { types: JSON_TYPES, read });
  }

  /** An answer of one media type, as it came. */
  raw(to: ManagerEndpoint, asked: Asked, type: string): Promise<Buffer> {
    const types = { test: (found: string) => found.split(";")[0]?.trim().toLowerCase() === type };
    return this.#read(to, asked, { types, read: (bytes) => bytes });
  }

  /** An answer whose status is of the 200s; any other is a RemoteError. */
  async call(to: ManagerEndpoint, asked: Asked): Promise<WholeAnswer> {
    const answered = await this.any(to, asked);
    const { status, body: found } = answered;
    if (status >= 200 && status < 300 && found !== undefined) return { ...answered, body: found };
    const { code, detail } = answers.readError(answered.headers.get("fsc-error-code"), found);
    throw new RemoteError(to, status, code, detail ?? problemOf(answered));
  }

  /** Whatever is answered. */
  any(
    to: ManagerEndpoint,
    { method = "GET", path, headers = {}, body, answerBytesMax = SMALL_BYTES_MAX }: Asked,
  ): Promise<Answered> {
    const { groups, bundles } = this.parts;
    const { dialTimeoutMs, answerTimeoutMs } = this.limits;
    return exchange(
      {
        ...{ to, group: groups.current, bundle: bundles.current, policy: this.#policy(to) },
        ...{ dialTimeoutMs, answerTimeoutMs },
      },
      { method, path: `${BASE_PATH}${path}`, headers, body, answerBytesMax },
    );
  }

  async #read<T>(
    to: ManagerEndpoint,
    asked: Asked,
    { types, read }: { readonly types: Pick<RegExp, "test">; readonly read: (bytes: Buffer) => T },
  ): Promise<T> {
    const { status, headers, body } = await this.call(to, asked);
    const wrong = (detail: string): RemoteError =>
      new RemoteError(to, status, undefined, `its answer is not understood: ${detail}`);
    const type = headers.get("content-type") ?? "";
    if (!types.test(type)) throw wrong(`its Content-Type is ${quoted(type)}`);
    const encoding = headers.get("content-encoding") ?? "identity";
    if (encoding !== "identity") throw wrong(`its Content-Encoding is ${quoted(encoding)}`);
    try {
      return read(body);
    } catch (error) {
      if (!(error instanceof ContractRefusal)) throw error;
      throw wrong(error.detail);
    }
  }

  // The group's own file names the directory's port.
  #policy({ peerId, address }: ManagerEndpoint): DialPolicy {
    const policy = this.parts.policy();
    const isDirectory = this.parts.groups.current.directories.some(
      (each) =>
        each.peerId === peerId &&
        each.address.host === address.host &&
        each.address.port === address.port,
    );
    return isDirectory ? { ...policy, ports: undefined } : policy;
  }
}
