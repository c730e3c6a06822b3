// Records as text, for people. Whatever came from outside is shown with its control characters escaped,
// since a path or a method may hold what a terminal would obey.
import type { Durations, Party, PersonalEntry } from "./entry.js";
import type { Intent, LogRecord, RecordedExchange, RecordedOutcome } from "./record.js";

/** A label and what stands beside it. */
export type Row = readonly [label: string, value: string];

/** The text with control and formatting characters written as \u{…}. */
export const printable = (text: string): string =>
  text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );

/** A moment in microseconds since 1970 in ISO 8601, to the millisecond. */
export const moment = (us: number): string => {
  const date = new Date(Math.floor(us / 1000));
  return Number.isNaN(date.getTime()) ? `${us} µs` : date.toISOString();
};

const party = ({ peerId, delegatorId }: Party): string =>
  `${peerId === "" ? "?" : peerId}${delegatorId === undefined ? "" : ` for ${delegatorId}`}`;

const way = ({ source, destination, service }: RecordedExchange): string =>
  `${party(source)} → ${party(destination)}/${service === "" ? "?" : service}`;

const ms = (us: number): string => `${(us / 1000).toFixed(1)} ms`;

const durations = ({ total, own, other, source }: Durations): string =>
  [
    ms(total),
    ...(own === undefined ? [] : [`own ${ms(own)}`]),
    ...(other === undefined ? [] : [`other side ${ms(other)}`]),
    ...(source === undefined ? [] : [`source ${ms(source)}`]),
  ].join(", ");

const answer = ({ result, status, code }: Pick<RecordedOutcome, "result" | "status" | "code">) =>
  [
    result,
    ...(status === undefined ? [] : [String(status)]),
    ...(code === undefined ? [] : [code]),
  ].join(" ");

const summary = (record: LogRecord): string => {
  switch (record.kind) {
    case "intent":
    case "refusal": {
      const { exchange } = record;
      const what = `${exchange.transactionId ?? "no transaction id"} ${exchange.direction} ${way(exchange)} ${exchange.method}`;
      const template = exchange.pathTemplate === undefined ? "" : ` ${exchange.pathTemplate}`;
      return record.kind === "intent"
        ? what + template
        : `${what}${template} refused ${record.status} ${record.code}`;
    }
    case "outcome": {
      const { intent, outcome } = record;
      return `${intent.transactionId} ${answer(outcome)} in ${ms(outcome.durationUs.total)}, ${outcome.requestBytes} bytes out, ${outcome.responseBytes} back`;
    }
    case "unfinished":
      return `${record.intent.transactionId} of record ${record.intent.sequence}`;
    case "refusal-sum":
      return `${record.count} refusals ${record.direction} of ${record.peerId === "" ? "other peers" : record.peerId} with ${record.status} ${record.code} in the minute of ${moment(record.minuteUs)}`;
    case "writer-start":
      return `${record.component === "" ? "" : `${record.component}, `}software ${record.software}, previous stop ${record.previousStop}, durability ${record.durability}${record.tornBytes === 0 ? "" : `, ${record.tornBytes} torn bytes in segment ${record.tornSegment}`}`;
    case "writer-stop":
      return "";
    case "epoch":
      return `epoch ${record.epoch}: ${record.reason}`;
  }
};

const KIND_WIDTH = "writer-start".length;

/** A record in one line: when, sequence, kind, and what matters most. */
export const oneLine = (record: LogRecord): string =>
  printable(
    `${moment(record.createdAtUs)} ${String(record.sequence).padStart(8)} ${record.kind.padEnd(KIND_WIDTH)} ${summary(record)}`.trimEnd(),
  );

const row = (label: string, value: string | Buffer | undefined): Row[] =>
  value === undefined || value === ""
    ? []
    : [[label, Buffer.isBuffer(value) ? value.toString("hex") : printable(value)]];

/** What an intent or a refusal says of its exchange, without the transaction id. */
export const exchangeRows = (exchange: RecordedExchange): Row[] => [
  ...row("direction", exchange.direction),
  ...row("source", party(exchange.source)),
  ...row("destination", party(exchange.destination)),
  ...row("service", exchange.service),
  ...row("method", exchange.method),
  ...row("path template", exchange.pathTemplate),
  ...row("clause", exchange.clause),
  ...row("grant hash", exchange.grantHash),
  ...row("client", exchange.client),
  ...row("outway certificate", exchange.certificateThumbprint),
  ...row("trace id", exchange.traceId),
  ...row("additional data", exchange.additionalData),
];

/** What an outcome says. */
export const outcomeRows = (outcome: RecordedOutcome): Row[] => [
  ...row("result", answer(outcome)),
  ...row("bytes", `${outcome.requestBytes} request, ${outcome.responseBytes} answer`),
  ...row("time", durations(outcome.durationUs)),
  ...row("link", outcome.link),
  ...row("data at the end", outcome.additionalData),
];

/** What a personal part says. */
export const personalRows = (personal: PersonalEntry): Row[] => [
  ...row("path", personal.path),
  ...(personal.dataSubjects ?? []).flatMap(({ key, value }) =>
    row("data subject", `${key}=${value}`),
  ),
  ...row("process id", personal.processId),
  ...row("data elements", personal.dataElements),
  ...row("user", personal.user),
  ...row("claims", personal.claims),
  ...row("user id", personal.userId),
  ...row("application id", personal.applicationId),
  ...row("subject identifier", personal.subjectIdentifier),
];

/** The intent that a record belongs to: its own for an intent, the one it ends for its end. */
export const intentSequence = (record: LogRecord): bigint | undefined => {
  const ended: Intent | undefined =
    record.kind === "outcome" || record.kind === "unfinished" ? record.intent : undefined;
  return record.kind === "intent" ? record.sequence : ended?.sequence;
};
