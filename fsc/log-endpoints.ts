// The endpoints about the transaction log: GET /logs (FSC Logging 1.1.0), and those of our own extension.
import { parseBody } from "../contracts/contract.js";
import { refusingFields } from "../contracts/content.js";
import { Fields } from "../contracts/fields.js";
import type { JsonValue } from "../contracts/json.js";
import { SchakelError } from "../core/errors.js";
import { parseTransactionId, type TransactionId } from "../core/names.js";
import { jsonReply, rawReply, type Call, type Endpoint, type EndpointContext } from "./endpoint.js";
import { listReply } from "./list-reply.js";
import type {
  ComparedPart,
  ComparisonStep,
  LoggedExchange,
  LoggedParty,
  LogHandlers,
  LogQuery,
  ProvenRecord,
  TileQuery,
  WitnessHandlers,
} from "./log-interface.js";
import { FIRST_PAGE, invalid, NO_PAGE, pageQuery, type Parameters } from "./queries.js";
import {
  COMPARED_LEVELS,
  CO_SIGN_BYTES_MAX,
  PARTS_MAX,
  RECORDS_ANSWER_BYTES_MAX,
  RECORDS_BYTES_MAX,
  RECORDS_OF_MAX,
  SERVICE_LENGTH_MAX,
  SIGNATURE_LENGTH_MAX,
  STEP_BYTES_MAX,
  WITNESS_BYTES_MAX,
} from "./log-limits.js";

/** FSC Logging: how many records a page has unless the caller says otherwise. */
const LOGS_LIMIT_DEFAULT = 25;

const GRANT_HASH_LENGTH_MAX = 1024;
const SERVICE_NAME_LENGTH_MAX = 255;

const JSON_TYPE = "application/json";

const logsOf = ({ logs }: EndpointContext): LogHandlers => {
  if (logs === undefined) throw new SchakelError("ERROR_CODE_PATH_NOT_FOUND");
  return logs;
};

const witnessOf = ({ witness }: EndpointContext): WitnessHandlers => {
  if (witness === undefined) throw new SchakelError("ERROR_CODE_PATH_NOT_FOUND");
  return witness;
};

// More seconds than any time that we record has; a larger number is not wrong, only far away.
const SECONDS_MAX = 9_000_000_000;

const secondsOf = (text: string): number | undefined =>
  /^[0-9]{1,19}$/.test(text) ? Math.min(Number(text), SECONDS_MAX) : undefined;

const textUpTo =
  (lengthMax: number) =>
  (text: string): string | undefined =>
    text.length >= 1 && text.length <= lengthMax ? text : undefined;

const logQuery = (parameters: Parameters): LogQuery => {
  const ids = parameters.list("transaction_ids", textUpTo(255), "a transaction id");
  // Ids overrule all other parameters, and those that are no UUIDs are of no record of ours.
  if (ids.length > 0) {
    const transactionIds = ids.map(parseTransactionId).filter((each) => each !== undefined);
    const all = { after: undefined, before: undefined, grantHashes: [], serviceNames: [] };
    return { ...NO_PAGE, ...all, transactionIds };
  }
  const page = pageQuery(parameters);
  const isDefault = parameters.one("limit", 4) === undefined;
  const seconds = "whole seconds since 1970";
  return {
    ...page,
    limit: isDefault ? LOGS_LIMIT_DEFAULT : page.limit,
    after: parameters.parsed("after", secondsOf, seconds),
    before: parameters.parsed("before", secondsOf, seconds),
    grantHashes: parameters.list(
      "grant_hash",
      textUpTo(GRANT_HASH_LENGTH_MAX),
      `a grant hash of at most ${String(GRANT_HASH_LENGTH_MAX)} characters`,
    ),
    serviceNames: parameters.list(
      "service_name",
      textUpTo(SERVICE_NAME_LENGTH_MAX),
      `a service name of at most ${String(SERVICE_NAME_LENGTH_MAX)} characters`,
    ),
    transactionIds: undefined,
  };
};

const partyJson = (name: "SOURCE" | "DESTINATION", { peerId, delegatorId }: LoggedParty) => {
  const role = name === "SOURCE" ? "outway_peer_id" : "service_peer_id";
  return delegatorId === undefined
    ? { type: `${name}_TYPE_${name}`, [role]: peerId }
    : {
        type: `${name}_TYPE_DELEGATED_${name}`,
        [role]: peerId,
        delegator_peer_id: delegatorId,
      };
};

const recordJson = (record: LoggedExchange) => ({
  transaction_id: record.transactionId,
  direction: record.direction === "incoming" ? "DIRECTION_INCOMING" : "DIRECTION_OUTGOING",
  grant_hash: record.grantHash,
  source: partyJson("SOURCE", record.source),
  destination: partyJson("DESTINATION", record.destination),
  service_name: record.serviceName,
  ...(record.additionalData === undefined ? {} : { additional_data: record.additionalData }),
  created_at: record.createdAt,
});

/** GET /logs: the records in which the caller is one of the four peers. */
export const listLogs: Endpoint = ({ caller, parameters }, context) => {
  const logs = logsOf(context);
  const query = logQuery(parameters);
  const { transactionIds } = query;
  const isEmpty = transactionIds?.length === 0;
  return listReply({
    name: "records",
    limit: query.limit,
    isPaged: transactionIds === undefined,
    page: (limit) =>
      isEmpty
        ? Promise.resolve({ items: [], nextCursor: undefined })
        : logs.listRecords({ ...query, limit }, caller),
    json: recordJson,
    bytesMax: context.limits.pageBytesMax,
  });
};

const epochOf = (parameters: Parameters): number | undefined =>
  parameters.parsed(
    "epoch",
    (text) => (/^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : undefined),
    "the number of an epoch",
  );

const notThere = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_PATH_NOT_FOUND", { detail });

/** GET /schakel/log/checkpoint: the newest checkpoint, a signed note. */
export const giveCheckpoint: Endpoint = async ({ parameters }, context) => {
  const note = await logsOf(context).checkpoint(epochOf(parameters));
  if (note === undefined) throw notThere("there is no checkpoint of this epoch");
  return rawReply(200, "text/plain; charset=utf-8", Buffer.from(note));
};

const TILE = /^([0-9]|[1-5][0-9])\/((?:x[0-9]{3}\/){0,4}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** Reads what stands behind `tile/`. Undefined when it is no tile's name. */
export const parseTile = (text: string, epoch: number | undefined): TileQuery | undefined => {
  const [, level, index = "", width = "256"] = TILE.exec(text) ?? [];
  if (level === undefined || Number(width) > 256) return undefined;
  const isShortest = !index.startsWith("x000/") && (width !== "256" || !text.includes(".p/"));
  if (!isShortest) return undefined;
  const number = Number(index.replaceAll(/[x/]/g, ""));
  return { epoch, level: Number(level), index: number, width: Number(width) };
};

/** GET /schakel/log/tile/{level}/{index}: a tile's bytes. */
export const giveTile: Endpoint = async ({ segment = "", parameters }, context) => {
  const tile = parseTile(segment, epochOf(parameters));
  if (tile === undefined) throw invalid("the path", "is not that of a tile (C2SP tlog-tiles)");
  const bytes = await logsOf(context).tile(tile);
  if (bytes === undefined) throw notThere("there is no such tile");
  return rawReply(200, "application/octet-stream", bytes);
};

/** GET /schakel/log/keys: the statements of our log's keys, and of those with which we witness others'. */
export const giveKeys: Endpoint = async (_call, context) => {
  const keys = context.logs ?? witnessOf(context);
  return jsonReply({ statements: await keys.keys() });
};

const bodyOf = async <T>(call: Call, bytesMax: number, read: (fields: Fields) => T): Promise<T> => {
  const value = parseBody(await call.body({ type: JSON_TYPE, bytesMax }), bytesMax);
  return refusingFields(() => {
    const fields = new Fields(value, "");
    const found = read(fields);
    fields.end();
    return found;
  });
};

const transactionIdsIn = (fields: Fields): readonly TransactionId[] => {
  const list = fields.list("transaction_ids");
  if (list.length === 0 || list.length > RECORDS_OF_MAX) {
    throw invalid(
      "transaction_ids",
      `has ${String(list.length)} items, allowed are 1 to ${String(RECORDS_OF_MAX)}`,
    );
  }
  return list.map((value, at) => {
    const id = typeof value === "string" ? parseTransactionId(value) : undefined;
    if (id === undefined)
      throw invalid(`transaction_ids[${String(at)}]`, "must be a UUID of version 7");
    return id;
  });
};

const provenJson = ({ leaf, epoch, index, proof }: ProvenRecord): object => ({
  ...{ leaf: leaf.toString("base64"), epoch, index, proof },
});

/** POST /schakel/log/records: our records of transactions of the caller's, each with its proof. */
export const giveRecords: Endpoint = async (call, context) => {
  const logs = logsOf(context);
  const ids = await bodyOf(call, RECORDS_BYTES_MAX, transactionIdsIn);
  const fitting: object[] = [];
  let left = RECORDS_ANSWER_BYTES_MAX - RECORDS_BYTES_MAX;
  for (const record of await logs.records(ids, call.caller)) {
    left -= record.leaf.length * 1.5 + record.proof.length * 1.2 + 100;
    if (left < 0) break;
    fitting.push(provenJson(record));
  }
  return jsonReply({ records: fitting });
};

const wholeNumber = (fields: Fields, name: string, max: number): number => {
  const value = fields.any(name);
  if (Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= max)
    return Number(value);
  throw invalid(fields.pathOf(name), `must be a whole number from 0 to ${String(max)}`);
};

const partOf = (value: JsonValue, path: string): ComparedPart => {
  const fields = new Fields(value, path);
  const level = fields.word("level", COMPARED_LEVELS);
  const hasService = level === "bucket" || level === "group";
  const part = {
    level,
    index: level === "whole" ? 0 : wholeNumber(fields, "index", Number.MAX_SAFE_INTEGER),
    service: hasService ? fields.text("service", { min: 0, max: SERVICE_LENGTH_MAX }) : "",
    last: level === "group" ? wholeNumber(fields, "last", 255) : 0,
  };
  fields.end();
  return part;
};

const stepOf = (fields: Fields): ComparisonStep => {
  const parts = fields.list("parts");
  if (parts.length === 0 || parts.length > PARTS_MAX) {
    throw invalid(
      "parts",
      `has ${String(parts.length)} items, allowed are 1 to ${String(PARTS_MAX)}`,
    );
  }
  const step = {
    fromMs: wholeNumber(fields, "from_ms", Number.MAX_SAFE_INTEGER),
    toMs: wholeNumber(fields, "to_ms", Number.MAX_SAFE_INTEGER),
    what: fields.word("what", ["children", "items"]),
    parts: parts.map((part, at) => partOf(part, `parts[${String(at)}]`)),
    skip: wholeNumber(fields, "skip", Number.MAX_SAFE_INTEGER),
  };
  const wrong = step.what === "children" ? ["group"] : ["whole", "day", "hour"];
  if (step.parts.some(({ level }) => wrong.includes(level))) {
    throw invalid("parts", `has a level of which ${step.what} cannot be asked`);
  }
  if (step.toMs <= step.fromMs) throw invalid("to_ms", "is not after from_ms");
  return step;
};

/** POST /schakel/log/reconcile: one step of the caller's comparison of its log with ours. */
export const compare: Endpoint = async (call, context) => {
  const logs = logsOf(context);
  const step = await bodyOf(call, STEP_BYTES_MAX, stepOf);
  const { parts, more } = await logs.compare(step, call.caller);
  return jsonReply({ parts: parts.map((part) => part.toString("base64")), more });
};

/** POST /schakel/log/statement: our signature for the result of a comparison. */
export const coSign: Endpoint = async (call, context) => {
  const logs = logsOf(context);
  const result = await bodyOf(call, CO_SIGN_BYTES_MAX, (fields) => ({
    result: fields.object("result"),
    signature: fields.text("signature", { max: SIGNATURE_LENGTH_MAX }),
  }));
  return jsonReply({ signature: await logs.coSign(result, call.caller) });
};

/** POST /schakel/witness/add-checkpoint: our co-signature for a checkpoint (C2SP tlog-witness). */
export const addCheckpoint: Endpoint = async (call, context) => {
  const witness = witnessOf(context);
  const body = await call.body({ type: "*", bytesMax: WITNESS_BYTES_MAX });
  const answer = await witness.addCheckpoint(body.toString("utf8"), call.caller);
  return rawReply(answer.status, answer.contentType, Buffer.from(answer.body));
};

/** The first page of records, as FSC has it without parameters. */
export const FIRST_LOGS: LogQuery = {
  ...FIRST_PAGE,
  ...{ limit: LOGS_LIMIT_DEFAULT, after: undefined, before: undefined },
  ...{ grantHashes: [], serviceNames: [], transactionIds: undefined },
};
