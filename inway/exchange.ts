// One exchange inside an inway, in order: identify, verify, permit, record, relay, outcome. Who calls was
// settled when the connection was admitted. The record stands before the relay, so that the source
// never sees a request that the log does not know.
import type { Bundle } from "../certs/bundle.js";
import type { PeerIdentity } from "../certs/identity.js";
import type { OfferedService } from "../component/component-state.js";
import type { RunningGrant, RunningGrants } from "../component/running-grants.js";
import type { AccessToken } from "../contracts/token.js";
import { errorAnswer } from "../core/error-answer.js";
import { SchakelError } from "../core/errors.js";
import { HEADER, isRead, mayBeTrailer } from "../core/exchange-headers.js";
import type { ExchangeMetrics } from "../core/exchange-metrics.js";
import type { Log } from "../core/log.js";
import { parseTransactionId, type TransactionId } from "../core/names.js";
import {
  ForwardError,
  type Answer,
  type Exchange,
  type ExchangeHandler,
  type Outcome,
} from "../relay/exchange.js";
import { headerValues, type HeaderLines, type RequestHead } from "../relay/message.js";
import { NameChoice } from "../relay/name-choice.js";
import type { EntryDraft, ExchangeEntry, OutcomeEntry } from "../txlog/entry.js";
import { abandoned, answeredWith, farTimeOf, forwarded } from "../txlog/from-exchange.js";
import { thumbprintOf } from "../txlog/from-certificate.js";
import { ofGrant, partyOf } from "../txlog/from-grant.js";
import { personalOf, traceIdOf } from "../txlog/from-headers.js";
import type { Intent, TransactionLog } from "../txlog/log.js";
import type { InwayAccess } from "./access.js";
import { toInwayError } from "./failures.js";
import { towardsOutway, towardsSource } from "./headers.js";
import type { PathTemplates } from "./path-templates.js";
import type { Leave, PeerLimits } from "./peer-limits.js";
import { sourcePath, sourceTarget, type SourceTimeouts } from "./source.js";

/** What an exchange needs; functions give what may change while the inway runs. */
export interface InwayParts {
  readonly bundle: () => Bundle;
  readonly access: InwayAccess;
  /** Cuts exchanges whose grant may be used no longer. */
  readonly runningGrants: RunningGrants;
  readonly transactionLog: TransactionLog;
  readonly metrics: ExchangeMetrics;
  readonly log: Log;
  readonly timeouts: SourceTimeouts;
  readonly keepHost: boolean;
  readonly exchangesMax: number;
  readonly peerLimits: Pick<PeerLimits, "exchange">;
  readonly pathTemplates: Pick<PathTemplates, "of">;
  /** How many exchanges run now, this one included. */
  readonly running: () => number;
}

/** The headers that are looked at; the others are never more than octets. */
const READ = new NameChoice(isRead);

const RECEIPT_BYTES = 32;

const receiptOf = (headers: HeaderLines): Buffer | undefined => {
  const values = headerValues(headers, HEADER.receipt);
  if (values.length !== 1) return undefined;
  const receipt = Buffer.from(values[0] ?? "", "base64url");
  return receipt.length === RECEIPT_BYTES ? receipt : undefined;
};

const transactionIdOf = (headers: HeaderLines): TransactionId | undefined => {
  const values = headerValues(headers, HEADER.transactionId);
  return values.length === 1 ? parseTransactionId(values[0] ?? "") : undefined;
};

/** What a verified token lets the record say, also when the exchange is then refused. */
const noteToken = (entry: EntryDraft, token: AccessToken): void => {
  entry.service = token.serviceName;
  entry.grantHash = token.grantHash;
  entry.source = partyOf(entry.source.peerId, token.connectionDelegator);
  entry.destination = partyOf(entry.destination.peerId, token.serviceDelegator);
};

/** An exchange that has been recorded and may be forwarded. */
interface Recorded {
  readonly transactionId: TransactionId;
  readonly service: OfferedService;
  readonly path: string;
  /** Those of the request that are looked at. */
  readonly headers: HeaderLines;
  readonly intent: Intent;
  readonly signal: AbortSignal;
}

const elapsedUs = (exchange: Exchange<unknown>): number =>
  Math.round((performance.now() - exchange.receivedAt) * 1000);

/** Handles the exchanges of all connections; keeps nothing of an exchange after its end. */
export class InwayExchanges implements ExchangeHandler<PeerIdentity> {
  constructor(private readonly parts: InwayParts) {}

  async exchange(exchange: Exchange<PeerIdentity>): Promise<void> {
    const { request, context: caller } = exchange;
    const { transactionLog, access, runningGrants } = this.parts;
    const { method, target } = request;
    const headers = READ.linesIn(request);
    const entry = this.#entry({ method, headers }, caller);
    let intent: Intent | undefined;
    let running: RunningGrant | undefined;
    let leave: Leave | undefined;
    try {
      this.#requireRoom();
      leave = this.parts.peerLimits.exchange(caller.peerId);
      const transactionId = this.#requireTransactionId(entry, headers);
      const token = access.verified(headers, caller) ?? (await access.token(headers, caller));
      noteToken(entry, token);
      const { grant, service } = access.permit(token, caller);
      running = runningGrants.begin(token.grantHash);
      Object.assign(entry, ofGrant(grant));
      entry.personal = personalOf(target, headers);
      const path = sourcePath(service, target);
      entry.pathTemplate = this.parts.pathTemplates.of(service, path);

      intent = await transactionLog.intent(entry);
      const { signal } = running;
      const recorded = { transactionId, service, path, headers, intent, signal };
      const outcome = await this.#relay(exchange, recorded);
      this.#close(intent, forwarded(outcome, "source"));
    } catch (thrown) {
      await this.#fail(exchange, entry, { thrown, intent });
    } finally {
      running?.end();
      leave?.();
    }
  }

  refused(
    problem: SchakelError,
    head: Partial<RequestHead> | undefined,
    caller: PeerIdentity,
  ): Answer {
    const entry = this.#entry(head ?? {}, caller);
    const answer = this.#answer(problem, entry.transactionId, undefined);
    this.parts.metrics.refused(problem.code);
    this.parts.transactionLog.refusal(entry, { status: answer.status, code: problem.code });
    return answer;
  }

  /** What can be said of a request before anything in it is believed. */
  #entry(head: Partial<Pick<RequestHead, "method" | "headers">>, caller: PeerIdentity): EntryDraft {
    const headers = head.headers ?? [];
    return {
      direction: "incoming",
      transactionId: transactionIdOf(headers),
      grantHash: undefined,
      source: { peerId: caller.peerId },
      destination: { peerId: this.parts.bundle().identity.peerId },
      service: "",
      method: head.method ?? "",
      pathTemplate: undefined,
      clause: undefined,
      certificateThumbprint: thumbprintOf(caller),
      traceId: traceIdOf(headers),
      otherReceipt: receiptOf(headers),
      personal: undefined,
    };
  }

  #requireRoom(): void {
    const { running, exchangesMax } = this.parts;
    if (running() > exchangesMax) throw new SchakelError("ERROR_CODE_OVERLOADED");
  }

  #requireTransactionId({ transactionId }: EntryDraft, headers: HeaderLines): TransactionId {
    if (transactionId !== undefined) return transactionId;
    const sent = headerValues(headers, HEADER.transactionId);
    throw new SchakelError(sent.length === 0 ? "MISSING_LOG_RECORD_ID" : "INVALID_LOG_RECORD_ID");
  }

  #relay(exchange: Exchange<PeerIdentity>, recorded: Recorded): Promise<Outcome> {
    const { request, context: caller } = exchange;
    const { service, intent, signal } = recorded;
    const [received = ""] = headerValues(recorded.headers, "host");
    const headers = towardsSource(request, {
      transactionId: recorded.transactionId,
      consumer: caller.peerId,
      self: this.parts.bundle().identity.peerId,
      host: this.parts.keepHost ? received : service.source.host,
    });
    return exchange.forward({
      target: sourceTarget(service, this.parts.timeouts),
      head: { method: request.method, target: recorded.path, headers },
      rewriteResponse: (head) => towardsOutway(head, intent.leafHash),
      keepTrailer: mayBeTrailer,
      signal,
    });
  }

  async #fail(
    exchange: Exchange<PeerIdentity>,
    entry: ExchangeEntry,
    { thrown, intent }: { thrown: unknown; intent: Intent | undefined },
  ): Promise<void> {
    const error = toInwayError(thrown);
    const far = thrown instanceof ForwardError ? farTimeOf("source", thrown) : undefined;
    if (error === undefined) {
      const sent = thrown instanceof ForwardError ? thrown.requestBytes : 0;
      if (intent !== undefined) this.#close(intent, abandoned(elapsedUs(exchange), sent, far));
      return;
    }
    const { code, cause } = error;
    if (cause !== undefined) {
      const { transactionId } = entry;
      this.parts.log.warn({ code, transactionId, err: cause }, "an exchange failed");
    }
    this.parts.metrics.refused(code);
    const answer = this.#answer(error, entry.transactionId, intent);
    if (intent === undefined)
      this.parts.transactionLog.refusal(entry, { status: answer.status, code });
    const sent = await exchange.answer(answer);
    if (intent !== undefined) this.#close(intent, answeredWith(code, sent, far));
  }

  #answer(
    error: SchakelError,
    transactionId: TransactionId | undefined,
    intent: Intent | undefined,
  ): Answer {
    const { status, headers, body } = errorAnswer(error, "inway", transactionId);
    const receipt =
      intent === undefined
        ? []
        : [[HEADER.receipt, intent.leafHash.toString("base64url")] as const];
    return { status, headers: [...headers, ...receipt], body };
  }

  #close(intent: Intent, outcome: OutcomeEntry): void {
    this.parts.metrics.ended(outcome.result, outcome.durationUs.total);
    this.parts.transactionLog.outcome(intent, outcome);
  }
}
