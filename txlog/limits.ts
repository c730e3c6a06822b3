// The limits of the transaction log's writer, and how a record is made to fit them.
import {
  PERSONAL_TEXTS,
  type ExchangeEntry,
  type OutcomeEntry,
  type Party,
  type PersonalEntry,
} from "./entry.js";

/** What bounds the writer's memory, files and records. Sizes are in bytes. */
export interface LogLimits {
  /** Records that wait for the disk; an intent beyond it is refused. At most a quarter of BATCH_BYTES_MAX. */
  readonly queueBytes: number;
  /** A segment that has grown to this size is followed by a new one. */
  readonly segmentBytes: number;
  /** How long a segment with personal parts may take records after the first of them, in milliseconds: its key lives that long at least. */
  readonly segmentAgeMs: number;
  /** How long an intent may wait for the store, with durability `store`, in milliseconds. */
  readonly storeMs: number;
  /** How long the first intent of a batch waits for others to share its sync with while the log is busy, in milliseconds. */
  readonly gatherMs: number;
  /** How long an outcome or a refusal may wait for an intent to share its sync with, in milliseconds. */
  readonly flushMs: number;
  /** Outcomes that are kept while the log cannot be written; those beyond it become `unfinished` at the next start. */
  readonly outcomesKept: number;
  /** Refusals of one peer within one minute that get a record each; those beyond it are summed. */
  readonly refusalsPerMinute: number;
  /** Sums of refusals that are kept apart at once; those beyond it are summed without a peer. */
  readonly refusalSums: number;
  /** A peer id, service name or grant hash. */
  readonly nameBytes: number;
  /** Any other text but the next two. */
  readonly textBytes: number;
  /** The raw path. */
  readonly pathBytes: number;
  readonly additionalDataBytes: number;
  /** Data subjects of one exchange. */
  readonly dataSubjects: number;
}

/** What holds where the caller says nothing. */
export const LOG_LIMITS: LogLimits = {
  queueBytes: 4 * 1024 ** 2,
  segmentBytes: 64 * 1024 ** 2,
  segmentAgeMs: 600_000,
  storeMs: 5_000,
  gatherMs: 1,
  flushMs: 50,
  outcomesKept: 50_000,
  refusalsPerMinute: 60,
  refusalSums: 10_000,
  nameBytes: 1024,
  textBytes: 4096,
  pathBytes: 8192,
  additionalDataBytes: 16_384,
  dataSubjects: 100,
};

/** What a text that was cut ends with. */
const CUT = "…";

const isOver = (text: string | undefined, bytesMax: number): text is string =>
  text !== undefined && text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax;

const cut = (text: string, bytesMax: number): string => {
  const bytes = Buffer.from(text);
  let end = bytesMax - Buffer.byteLength(CUT);
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end) + CUT;
};

type TextKeys<T> = { [K in keyof T]-?: T[K] extends string | undefined ? K : never }[keyof T];

/** The same value, or a copy of it whose texts over the limit are cut. */
const cutTexts = <T extends object>(
  value: T,
  keys: readonly TextKeys<T>[],
  bytesMax: number,
): T => {
  let result = value;
  for (const key of keys) {
    const text = value[key] as string | undefined;
    if (isOver(text, bytesMax)) result = { ...result, [key]: cut(text, bytesMax) };
  }
  return result;
};

const EXCHANGE_TEXTS = ["method", "pathTemplate", "clause", "client"] as const;
const EXCHANGE_NAMES = ["service", "grantHash"] as const;
const PARTY_NAMES = ["peerId", "delegatorId"] as const;
const cutPersonal = (personal: PersonalEntry, limits: LogLimits): PersonalEntry =>
  cutTexts(cutTexts(personal, ["path"], limits.pathBytes), PERSONAL_TEXTS, limits.textBytes);

const cutExchange = (entry: ExchangeEntry, limits: LogLimits): ExchangeEntry => {
  const short = cutTexts(entry, EXCHANGE_TEXTS, limits.textBytes);
  const { personal } = short;
  const shortPersonal = personal === undefined ? undefined : cutPersonal(personal, limits);
  return shortPersonal === undefined || shortPersonal === personal
    ? short
    : { ...short, personal: shortPersonal };
};

const refuse = (name: string, text: string | undefined, bytesMax: number): void => {
  if (isOver(text, bytesMax)) {
    throw new RangeError(`${name} has more than the ${bytesMax} bytes that a record may hold`);
  }
};

const refuseParty = (name: string, { peerId, delegatorId }: Party, limits: LogLimits): void => {
  refuse(`the ${name}'s peer id`, peerId, limits.nameBytes);
  refuse(`the ${name}'s delegator`, delegatorId, limits.nameBytes);
};

/**
 * An intent within the limits: free texts are cut and then end with "…".
 *
 * @throws RangeError when a name, the additional data or the number of data subjects is over its limit:
 * cutting those would make a record of something else
 */
export const fitIntent = (entry: ExchangeEntry, limits: LogLimits): ExchangeEntry => {
  refuseParty("source", entry.source, limits);
  refuseParty("destination", entry.destination, limits);
  refuse("the service", entry.service, limits.nameBytes);
  refuse("the grant hash", entry.grantHash, limits.nameBytes);
  refuse("the additional data", entry.additionalData, limits.additionalDataBytes);
  if ((entry.personal?.dataSubjects?.length ?? 0) > limits.dataSubjects) {
    throw new RangeError(`there are more than ${limits.dataSubjects} data subjects`);
  }
  return cutExchange(entry, limits);
};

const OMITTED = '{"schakel.omitted":true}';

const fitAdditionalData = <T extends { readonly additionalData?: string | undefined }>(
  entry: T,
  limits: LogLimits,
): T =>
  isOver(entry.additionalData, limits.additionalDataBytes)
    ? { ...entry, additionalData: OMITTED }
    : entry;

/** A refused exchange within the limits. Its names may be anything that a stranger sent, so they are cut as well; nothing throws. */
export const fitRefusal = (entry: ExchangeEntry, limits: LogLimits): ExchangeEntry => {
  const short = cutTexts(
    fitAdditionalData(cutExchange(entry, limits), limits),
    EXCHANGE_NAMES,
    limits.nameBytes,
  );
  const subjects = short.personal?.dataSubjects;
  return {
    ...short,
    source: cutTexts(short.source, PARTY_NAMES, limits.nameBytes),
    destination: cutTexts(short.destination, PARTY_NAMES, limits.nameBytes),
    ...(subjects === undefined
      ? {}
      : { personal: { ...short.personal, dataSubjects: subjects.slice(0, limits.dataSubjects) } }),
  };
};

/** An outcome within the limits, its numbers whole. */
export const fitOutcome = (entry: OutcomeEntry, limits: LogLimits): OutcomeEntry => {
  const { durationUs } = entry;
  const { total, own = 0, other = 0, source = 0 } = durationUs;
  const isWhole = (us: number): boolean => us >= 0 && Number.isSafeInteger(us);
  // As nearly all are.
  if (isWhole(total) && isWhole(own) && isWhole(other) && isWhole(source)) {
    return fitAdditionalData(entry, limits);
  }
  const whole = (us: number): number => Math.max(0, Math.round(us));
  return {
    ...fitAdditionalData(entry, limits),
    durationUs: {
      total: whole(durationUs.total),
      ...(durationUs.own === undefined ? {} : { own: whole(durationUs.own) }),
      ...(durationUs.other === undefined ? {} : { other: whole(durationUs.other) }),
      ...(durationUs.source === undefined ? {} : { source: whole(durationUs.source) }),
    },
  };
};
