// Asking other managers about their transaction logs: GET /logs (FSC Logging 1.1.0) and our own extension.
import { parseBody } from "../contracts/contract.js";
import { refusingFields } from "../contracts/content.js";
import { Fields } from "../contracts/fields.js";
import type { JsonValue } from "../contracts/json.js";
import type { TransactionId } from "../core/names.js";
import { readRecords } from "./log-answers.js";
import { CLIENT_LIMITS, pageParameters, type ClientParts } from "./fsc-client.js";
import type {
  ComparedPart,
  ComparisonAnswer,
  ComparisonStep,
  CosigningAnswer,
  CountedAnswer,
  LogClient,
  LoggedExchange,
  LogQuery,
  ProvenRecord,
  SignedResult,
  TileQuery,
} from "./log-interface.js";
import {
  PARTS_MAX,
  RECORDS_ANSWER_BYTES_MAX,
  SIGNATURE_LENGTH_MAX,
  STEP_ANSWER_BYTES_MAX,
  TILE_BYTES_MAX,
} from "./log-limits.js";
import { ManagerCalls, withQuery } from "./manager-call.js";
import { RemoteError, type ManagerEndpoint, type Page } from "./manager-interface.js";

const STATEMENTS_MAX = 100;
const RECORDS_MAX = 1000;
const PROOF_LENGTH_MAX = 64 * 1024;
const LEAF_BASE64_MAX = 90_000;
/** Comparing a year of exchanges is a longer look than others. */
const COMPARE_TIMEOUT_MS = 120_000;

const STATUSES = [200, 400, 403, 404, 409, 422] as const;
const JSON_HEADERS = { "Content-Type": "application/json" };

const objectOf = (bytes: Buffer): Fields => new Fields(parseBody(bytes, bytes.length), "");

const base64 = (fields: Fields, name: string, max: number): Buffer =>
  fields.parsed(name, {
    ...{ min: 0, max, what: "base64" },
    parse: (text) => {
      const bytes = Buffer.from(text, "base64");
      return bytes.toString("base64") === text ? bytes : undefined;
    },
  });

const wholeNumber = (fields: Fields, name: string): number => {
  const value = fields.any(name);
  return Number.isSafeInteger(value) && Number(value) >= 0
    ? Number(value)
    : // Refused as anything else is that has not its form.
      fields.seconds(name);
};

const readKeys = (bytes: Buffer): readonly string[] =>
  refusingFields(() =>
    objectOf(bytes)
      .list("statements")
      .slice(0, STATEMENTS_MAX)
      .flatMap((each) => (typeof each === "string" ? [each] : [])),
  );

const provenRecord = (value: JsonValue, path: string): ProvenRecord => {
  const fields = new Fields(value, path);
  return {
    leaf: base64(fields, "leaf", LEAF_BASE64_MAX),
    epoch: wholeNumber(fields, "epoch"),
    index: wholeNumber(fields, "index"),
    proof: fields.text("proof", { min: 0, max: PROOF_LENGTH_MAX }),
  };
};

const readProven = (bytes: Buffer): readonly ProvenRecord[] =>
  refusingFields(() =>
    objectOf(bytes)
      .list("records")
      .slice(0, RECORDS_MAX)
      .map((each, at) => provenRecord(each, `records[${String(at)}]`)),
  );

const readStep = (bytes: Buffer): ComparisonAnswer =>
  refusingFields(() => {
    const fields = objectOf(bytes);
    const parts = fields.list("parts").slice(0, PARTS_MAX + 1);
    return {
      parts: parts.map((part, at) =>
        base64(new Fields({ [at]: part }, "parts"), String(at), STEP_ANSWER_BYTES_MAX),
      ),
      more: fields.any("more") === true,
    };
  });

const partJson = ({ level, index, service, last }: ComparedPart): object => ({
  level,
  ...(level === "whole" ? {} : { index }),
  ...(level === "bucket" || level === "group" ? { service } : {}),
  ...(level === "group" ? { last } : {}),
});

class FscLogClient implements LogClient {
  readonly #calls: ManagerCalls;
  readonly #comparing: ManagerCalls;

  constructor(private readonly parts: ClientParts) {
    const limits = { ...CLIENT_LIMITS, ...parts.limits };
    this.#calls = new ManagerCalls(parts, limits);
    const answerTimeoutMs = Math.max(COMPARE_TIMEOUT_MS, limits.answerTimeoutMs);
    this.#comparing = new ManagerCalls(parts, { ...limits, answerTimeoutMs });
  }

  logs(to: ManagerEndpoint, query: LogQuery): Promise<Page<LoggedExchange>> {
    const { transactionIds, after, before, grantHashes, serviceNames } = query;
    const path =
      transactionIds === undefined
        ? withQuery("/logs", [
            ...pageParameters(query),
            ["after", after?.toString()],
            ["before", before?.toString()],
            ["grant_hash", grantHashes.join(",")],
            ["service_name", serviceNames.join(",")],
          ])
        : withQuery("/logs", [["transaction_ids", transactionIds.join(",")]]);
    const { peerIdRule } = this.parts.groups.current;
    return this.#calls.page(to, path, (bytes) => readRecords(bytes, peerIdRule));
  }

  async checkpoint(to: ManagerEndpoint, epoch?: number): Promise<string> {
    const path = withQuery("/schakel/log/checkpoint", [["epoch", epoch?.toString()]]);
    return (await this.#calls.raw(to, { path }, "text/plain")).toString("utf8");
  }

  tile(to: ManagerEndpoint, { epoch, level, index, width }: TileQuery): Promise<Buffer> {
    const digits = String(index);
    const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
    const groups = padded.replaceAll(/[0-9]{3}(?=[0-9])/g, "x$&/");
    const name = `${String(level)}/${groups}${width === 256 ? "" : `.p/${String(width)}`}`;
    const path = withQuery(`/schakel/log/tile/${name}`, [["epoch", epoch?.toString()]]);
    const asked = { path, answerBytesMax: TILE_BYTES_MAX };
    return this.#calls.raw(to, asked, "application/octet-stream");
  }

  keys(to: ManagerEndpoint): Promise<readonly string[]> {
    const asked = { path: "/schakel/log/keys", answerBytesMax: 1024 * 1024 };
    return this.#calls.json(to, asked, readKeys);
  }

  records(to: ManagerEndpoint, ids: readonly TransactionId[]): Promise<readonly ProvenRecord[]> {
    const body = JSON.stringify({ transaction_ids: ids });
    return this.#calls.json(
      to,
      { ...this.#post("/schakel/log/records", body), answerBytesMax: RECORDS_ANSWER_BYTES_MAX },
      readProven,
    );
  }

  async compare(to: ManagerEndpoint, step: ComparisonStep): Promise<CountedAnswer> {
    const body = JSON.stringify({
      ...{ from_ms: step.fromMs, to_ms: step.toMs, what: step.what, skip: step.skip },
      parts: step.parts.map(partJson),
    });
    const asked = {
      ...this.#post("/schakel/log/reconcile", body),
      answerBytesMax: STEP_ANSWER_BYTES_MAX,
    };
    return this.#comparing.json(to, asked, (bytes) => ({
      answer: readStep(bytes),
      bytes: Buffer.byteLength(body) + bytes.length,
    }));
  }

  coSign(to: ManagerEndpoint, { result, signature }: SignedResult): Promise<string> {
    const body = JSON.stringify({ result, signature });
    return this.#comparing.json(to, this.#post("/schakel/log/statement", body), (bytes) =>
      refusingFields(() => objectOf(bytes).text("signature", { max: SIGNATURE_LENGTH_MAX })),
    );
  }

  async addCheckpoint(to: ManagerEndpoint, body: string): Promise<CosigningAnswer> {
    const path = "/schakel/witness/add-checkpoint";
    const headers = { "Content-Type": "text/plain; charset=utf-8" };
    const {
      status,
      headers: found,
      body: bytes,
    } = await this.#calls.any(to, {
      ...{ method: "POST", path, headers, body },
    });
    const known = STATUSES.find((each) => each === status);
    const code = found.get("fsc-error-code");
    if (known === undefined || bytes === undefined || code !== undefined) {
      throw new RemoteError(to, status, code, "it is no witness's answer");
    }
    const contentType = found.get("content-type") ?? "";
    return { status: known, contentType, body: bytes.toString("utf8") };
  }

  #post(path: string, body: string) {
    return { method: "POST", path, headers: JSON_HEADERS, body } as const;
  }
}

/** Makes a client. It holds nothing open between calls. */
export const openLogClient = (parts: ClientParts): LogClient => new FscLogClient(parts);

/** Whether an error says that a manager has nothing of this: other software, or a Schakel of before. */
export const isNotServed = (error: unknown): boolean =>
  error instanceof RemoteError &&
  (error.code === "ERROR_CODE_PATH_NOT_FOUND" ||
    (error.status === 404 && error.code === undefined) ||
    error.status === 405 ||
    error.status === 501);
