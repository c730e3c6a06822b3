// One exchange inside an inway, in order: identify, verify, record, relay, outcome. Who calls was
// settled when the connection was admitted. The record stands before the relay, so that the source
// never sees a request that the log does not know.
import type { Bundle } from "../certs/bundle.js";
import type { Group } from "../certs/group.js";
import type { PeerIdentity } from "../certs/identity.js";
import { errorAnswer } from "../core/error-answer.js";
import { SchakelError } from "../core/errors.js";
import { HEADER, mayBeTrailer } from "../core/exchange-headers.js";
import type { ExchangeMetrics } from "../core/exchange-metrics.js";
import type { Log } from "../core/log.js";
import { parseServiceName, parseTransactionId, type TransactionId } from "../core/names.js";
import {
  ForwardError,
  type Answer,
  type Exchange,
  type ExchangeHandler,
  type Outcome,
} from "../relay/exchange.js";
import { headerValues, type RequestHead } from "../relay/message.js";
import type { ExchangeEntry, OutcomeEntry } from "../txlog/entry.js";
import { abandoned, answeredWith, forwarded } from "../txlog/from-exchange.js";
import { personalOf, traceIdOf } from "../txlog/from-headers.js";
import type { Intent, TransactionLog } from "../txlog/log.js";
import { toInwayError } from "./failures.js";
import { towardsOutway, towardsSource } from "./headers.js";
import type { OfferedService, Permission } from "./permission.js";
import { sourcePath, sourceTarget, type SourceTimeouts } from "./source.js";

/** What an exchange needs; functions give what may change while the inway runs. */
export interface InwayParts {
  readonly group: () => Group;
  readonly bundle: () => Bundle;
  readonly permission: () => Permission;
  readonly transactionLog: TransactionLog;
  readonly metrics: ExchangeMetrics;
  readonly log: Log;
  readonly timeouts: SourceTimeouts;
  readonly keepHost: boolean;
  readonly exchangesMax: number;
  /** How many exchanges run now, this one included. */
  readonly running: () => number;
}

const RECEIPT_BYTES = 32;

const receiptOf = (head: Partial<RequestHead>): Buffer | undefined => {
  const [text = "", ...more] = headerValues(head.headers ?? [], HEADER.receipt);
  const receipt = Buffer.from(text, "base64url");
  return more.length === 0 && receipt.length === RECEIPT_BYTES ? receipt : undefined;
};

const transactionIdOf = (head: Partial<RequestHead>): TransactionId | undefined => {
  const [text = "", ...more] = headerValues(head.headers ?? [], HEADER.transactionId);
  return more.length === 0 ? parseTransactionId(text) : undefined;
};

const elapsedUs = (exchange: Exchange<unknown>): number =>
  Math.round((performance.now() - exchange.receivedAt) * 1000);

/** Handles the exchanges of all connections; keeps nothing of an exchange after its end. */
export class InwayExchanges implements ExchangeHandler<PeerIdentity> {
  constructor(private readonly parts: InwayParts) {}

  async exchange(exchange: Exchange<PeerIdentity>): Promise<void> {
    const { request, context: caller } = exchange;
    const { transactionLog } = this.parts;
    let entry = this.#entry(request, caller);
    let intent: Intent | undefined;
    try {
      this.#requireRoom();
      const transactionId = this.#requireTransactionId(request);
      const service = this.#requireService(entry.service);
      const clause = this.#requirePermission(caller, service);
      entry = { ...entry, clause, personal: personalOf(request.target, request.headers) };
      const path = sourcePath(service, request.target);

      intent = await transactionLog.intent(entry);
      const outcome = await this.#relay(exchange, { transactionId, service, path, intent });
      this.#close(intent, forwarded(outcome, "source"));
    } catch (thrown) {
      await this.#fail(exchange, entry, { thrown, intent });
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
  #entry(head: Partial<RequestHead>, caller: PeerIdentity): ExchangeEntry {
    const headers = head.headers ?? [];
    const [service = ""] = headerValues(headers, HEADER.service);
    const traceId = traceIdOf(headers);
    const otherReceipt = receiptOf(head);
    return {
      direction: "incoming",
      transactionId: transactionIdOf(head),
      source: { peerId: caller.peerId },
      destination: { peerId: this.parts.bundle().identity.peerId },
      service: parseServiceName(service) ?? "",
      method: head.method ?? "",
      certificateThumbprint: Buffer.from(caller.certificateThumbprint, "base64url"),
      ...(traceId === undefined ? {} : { traceId }),
      ...(otherReceipt === undefined ? {} : { otherReceipt }),
    };
  }

  #requireRoom(): void {
    const { running, exchangesMax } = this.parts;
    if (running() > exchangesMax) throw new SchakelError("ERROR_CODE_OVERLOADED");
  }

  #requireTransactionId(request: RequestHead): TransactionId {
    const found = transactionIdOf(request);
    if (found !== undefined) return found;
    const sent = headerValues(request.headers, HEADER.transactionId);
    throw new SchakelError(sent.length === 0 ? "MISSING_LOG_RECORD_ID" : "INVALID_LOG_RECORD_ID");
  }

  #requireService(text: string): OfferedService {
    const name = parseServiceName(text);
    const permission = this.parts.permission();
    const service = name === undefined ? undefined : permission.service(name);
    if (service !== undefined) return service;
    throw new SchakelError("ERROR_CODE_SERVICE_NOT_FOUND", {
      detail: text === "" ? `the header ${HEADER.service} names none` : `"${text}"`,
      choices: permission.services.map((offered) => offered.name),
    });
  }

  #requirePermission(caller: PeerIdentity, service: OfferedService): string {
    const clause = this.parts.permission().permit(caller, service.name);
    if (clause !== undefined) return clause;
    throw new SchakelError("ERROR_CODE_ACCESS_DENIED", {
      detail: `peer ${caller.peerId} with public key ${caller.publicKeyThumbprint}, service "${service.name}"`,
    });
  }

  #relay(
    exchange: Exchange<PeerIdentity>,
    found: { transactionId: TransactionId; service: OfferedService; path: string; intent: Intent },
  ): Promise<Outcome> {
    const { request, context: caller } = exchange;
    const { service, intent } = found;
    const [received = ""] = headerValues(request.headers, "host");
    const headers = towardsSource(request.headers, {
      transactionId: found.transactionId,
      consumer: caller.peerId,
      self: this.parts.bundle().identity.peerId,
      host: this.parts.keepHost ? received : service.source.host,
    });
    return exchange.forward({
      target: sourceTarget(service, this.parts.timeouts),
      head: { method: request.method, target: found.path, headers },
      rewriteResponse: (head) => ({
        ...head,
        headers: towardsOutway(head.headers, intent.leafHash),
      }),
      keepTrailer: mayBeTrailer,
    });
  }

  async #fail(
    exchange: Exchange<PeerIdentity>,
    entry: ExchangeEntry,
    { thrown, intent }: { thrown: unknown; intent: Intent | undefined },
  ): Promise<void> {
    const error = toInwayError(thrown);
    if (error === undefined) {
      const sent = thrown instanceof ForwardError ? thrown.requestBytes : 0;
      if (intent !== undefined) this.#close(intent, abandoned(elapsedUs(exchange), sent));
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
    if (intent !== undefined) this.#close(intent, answeredWith(code, sent));
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
