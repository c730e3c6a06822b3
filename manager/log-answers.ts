// What our manager answers other peers about the transaction log: only ever records in which they take part.
import { canonical } from "../contracts/jcs.js";
import { isJsonObject, JsonError, parseJson, type JsonObject } from "../contracts/json.js";
import type { PeerIdentity } from "../certs/identity.js";
import type { Clock } from "../core/clock.js";
import { SchakelError } from "../core/errors.js";
import type { PeerId, TransactionId } from "../core/names.js";
import type {
  ComparisonAnswer,
  ComparisonStep,
  LoggedExchange,
  LogHandlers,
  LogQuery,
  ProvenRecord,
  SignedResult,
  TileQuery,
} from "../fsc/log-interface.js";
import type { Page } from "../fsc/manager-interface.js";
import { keyOfCursor, pageOf } from "../fsc/page-cursor.js";
import { answerStep } from "../txlog/reconcile/answer-step.js";
import { LocalSide } from "../txlog/reconcile/side.js";
import type { StepRequest } from "../txlog/reconcile/step.js";
import type { ExchangePlace } from "../txlog/store/exchange-conditions.js";
import type { PeerRecord, PeerRecordsWanted } from "../txlog/store/peer-records.js";
import type { LogReader } from "../txlog/store/read-side.js";
import { requestOf } from "./compared-parts.js";
import { ProofBatch } from "./proof-batch.js";

/** How long what was summed up for a comparison is kept for its next step. */
const SESSION_MS = 120_000;
/** Comparisons of one peer that are remembered at once. */
const SESSIONS_MAX = 100;

/** What the answers stand on. */
export interface LogAnswerParts {
  readonly reader: LogReader;
  readonly records: (wanted: PeerRecordsWanted) => Promise<readonly PeerRecord[]>;
  /** Signs a result of a peer's, once it is checked. */
  readonly coSign: (result: SignedResult, caller: PeerIdentity) => Promise<string>;
  readonly clock: Clock;
}

interface Session {
  readonly key: string;
  readonly at: number;
  readonly side: LocalSide;
}

const MICROSECONDS = 1_000_000;

const placeKey = ({ place }: PeerRecord): string =>
  [place.createdAtUs, place.writer, place.sequence].join(" ");

const placeOf = (key: string | undefined): ExchangePlace | undefined => {
  if (key === undefined) return undefined;
  const [, at, writer, sequence] = /^([0-9]{1,16}) ([0-9]{1,9}) ([0-9]{1,16})$/.exec(key) ?? [];
  if (at !== undefined) {
    return { createdAtUs: Number(at), writer: Number(writer), sequence: Number(sequence) };
  }
  const detail = "cursor is not the next_cursor of an answer";
  throw new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail });
};

const objectIn = (text: string): JsonObject => {
  try {
    const value = text === "" ? undefined : parseJson(Buffer.from(text));
    return isJsonObject(value) ? value : {};
  } catch (error) {
    if (error instanceof JsonError) return {};
    throw error;
  }
};

const loggedExchange = (record: PeerRecord): LoggedExchange => ({
  transactionId: record.transactionId ?? "",
  direction: record.direction,
  grantHash: record.grantHash,
  source: { peerId: record.sourcePeerId, delegatorId: record.sourceDelegatorId || undefined },
  destination: {
    peerId: record.destinationPeerId,
    delegatorId: record.destinationDelegatorId || undefined,
  },
  serviceName: record.service,
  additionalData: {
    ...objectIn(record.additionalData),
    "schakel.method": record.method,
    "schakel.result": record.result,
    ...(record.status === 0 ? {} : { "schakel.status": record.status }),
    ...(record.code === "" ? {} : { "schakel.code": record.code }),
  },
  createdAt: Math.floor(record.createdAtUs / MICROSECONDS),
});

/** Answers from our own log. */
export class LogAnswers implements LogHandlers {
  readonly #sessions = new Map<PeerId, Session>();
  readonly #comparing = new Set<PeerId>();

  constructor(private readonly parts: LogAnswerParts) {}

  async listRecords(query: LogQuery, { peerId }: PeerIdentity): Promise<Page<LoggedExchange>> {
    const { after, before, limit } = query;
    const found = await this.parts.records({
      ...{ peerId, grantHashes: query.grantHashes, services: query.serviceNames },
      ...{ transactionIds: query.transactionIds, limit: limit + 1 },
      fromUs: after === undefined ? undefined : (after + 1) * MICROSECONDS,
      toUs: before === undefined ? undefined : before * MICROSECONDS,
      after: placeOf(keyOfCursor(query)),
      oldestFirst: query.sortOrder === "ascending",
    });
    const { items, nextCursor } = pageOf(found, limit, placeKey);
    return { items: items.map(loggedExchange), nextCursor };
  }

  async checkpoint(epoch: number | undefined): Promise<string | undefined> {
    const found = await this.parts.reader.checkpointAt(epoch === undefined ? {} : { epoch });
    return found?.note;
  }

  async tile({ epoch, level, index, width }: TileQuery): Promise<Buffer | undefined> {
    const { reader } = this.parts;
    const newest = epoch ?? (await reader.epochs()).at(-1) ?? 1;
    try {
      return await reader.tiles(newest)(level, index, width);
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }

  async keys(): Promise<readonly string[]> {
    const keys = await this.parts.reader.keys();
    return keys.map(({ statement }) => statement).filter((each) => each !== "");
  }

  async records(
    ids: readonly TransactionId[],
    { peerId }: PeerIdentity,
  ): Promise<readonly ProvenRecord[]> {
    const proofs = new ProofBatch(this.parts.reader);
    const found: ProvenRecord[] = [];
    for (const { leaf, epoch, index } of await this.parts.reader.peerLeaves(peerId, ids)) {
      found.push({ leaf, epoch, index, proof: await proofs.of(epoch, index) });
    }
    return found;
  }

  async compare(step: ComparisonStep, { peerId }: PeerIdentity): Promise<ComparisonAnswer> {
    if (this.#comparing.has(peerId)) {
      const detail = "a peer may have 1 step of a comparison at once";
      throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", { detail });
    }
    this.#comparing.add(peerId);
    try {
      const request = requestOf(step);
      return await answerStep(this.#side(request, peerId), request);
    } finally {
      this.#comparing.delete(peerId);
    }
  }

  coSign(result: SignedResult, caller: PeerIdentity): Promise<string> {
    return this.parts.coSign(result, caller);
  }

  /** The side of a peer's running comparison, which remembers what it summed up; a look at the whole begins a new one. */
  #side({ range, nodes }: StepRequest, peerId: PeerId): LocalSide {
    const { reader, clock } = this.parts;
    const now = clock.monotonic();
    const key = canonical({ from: range.fromMs, to: range.toMs });
    const known = this.#sessions.get(peerId);
    const begins = nodes.some(({ level }) => level === "whole");
    if (known?.key === key && now - known.at < SESSION_MS && !begins) return known.side;
    const side = new LocalSide(range, reader.sharedWith(peerId));
    this.#sessions.delete(peerId);
    this.#sessions.set(peerId, { key, at: now, side });
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > SESSIONS_MAX && oldest !== undefined) this.#sessions.delete(oldest);
    return side;
  }
}
