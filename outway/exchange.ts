// One exchange inside an outway, in order: id, parse, client, record, headers, pick, relay, outcome. The
// record stands before the relay, so that nothing leaves the organisation that the log does not know.
import type { Catalogue, CatalogueService, ServiceInway } from "../catalogue/catalogue.js";
import { errorAnswer } from "../core/error-answer.js";
import { SchakelError } from "../core/errors.js";
import { HEADER, mayBeTrailer } from "../core/exchange-headers.js";
import type { ExchangeMetrics } from "../core/exchange-metrics.js";
import type { Log } from "../core/log.js";
import { newTransactionId, type TransactionId } from "../core/names.js";
import {
  ForwardError,
  type Answer,
  type Exchange,
  type ExchangeHandler,
  type Outcome,
} from "../relay/exchange.js";
import { headerValues, type HeaderLines, type RequestHead } from "../relay/message.js";
import type { ExchangeEntry, OutcomeEntry } from "../txlog/entry.js";
import { abandoned, answeredWith, forwarded } from "../txlog/from-exchange.js";
import { personalOf, traceIdOf } from "../txlog/from-headers.js";
import type { Intent, TransactionLog } from "../txlog/log.js";
import { refuseCrossSite } from "./cross-site.js";
import { toOutwayError } from "./failures.js";
import { towardsClient, towardsInway, withTrace, type InwayHeaders } from "./headers.js";
import { inwayHost, inwayTarget, type InwayDialling } from "./inway-target.js";
import { locate, parseTarget } from "./target.js";

/** Who a client is, as the outway found out when it connected. */
export interface Client {
  /** For the record: "loopback" for a program on this machine. */
  readonly name: string;
}

/** What an exchange needs; functions give what may change while the outway runs. */
export interface OutwayParts extends InwayDialling {
  readonly catalogue: () => Catalogue | undefined;
  readonly transactionLog: TransactionLog;
  readonly metrics: ExchangeMetrics;
  readonly log: Log;
  readonly hostSuffix: string;
  readonly keepForwarded: boolean;
  readonly exchangesMax: number;
  /** How many exchanges run now, this one included. */
  readonly running: () => number;
}

/** An exchange that has been recorded and may be forwarded. */
interface Recorded {
  readonly transactionId: TransactionId;
  readonly located: CatalogueService;
  readonly path: string;
  readonly headers: HeaderLines;
  readonly intent: Intent;
}

const RECEIPT_BYTES = 32;

const receiptOf = (headers: HeaderLines): Buffer | undefined => {
  const [text = ""] = headerValues(headers, HEADER.receipt);
  const receipt = Buffer.from(text, "base64url");
  return receipt.length === RECEIPT_BYTES ? receipt : undefined;
};

const elapsedUs = (exchange: Exchange<unknown>): number =>
  Math.round((performance.now() - exchange.receivedAt) * 1000);

/** Handles the exchanges of all clients; keeps nothing of an exchange after its end. */
export class OutwayExchanges implements ExchangeHandler<Client> {
  constructor(private readonly parts: OutwayParts) {}

  async exchange(exchange: Exchange<Client>): Promise<void> {
    const { request, context: client } = exchange;
    const { parts } = this;
    const transactionId = newTransactionId();
    const headers = withTrace(request.headers);
    let entry = this.#entry(transactionId, client, { ...request, headers });
    let intent: Intent | undefined;
    try {
      this.#requireRoom();
      refuseCrossSite(request);
      const catalogue = parts.catalogue();
      const addressed = parseTarget(request, parts.hostSuffix, catalogue);
      const located = locate(addressed, catalogue, parts.group().peerIdRule);
      entry = {
        ...entry,
        destination: { peerId: located.peerId },
        service: located.service.name,
        personal: personalOf(addressed.path, headers),
      };

      intent = await parts.transactionLog.intent(entry);
      const recorded: Recorded = { transactionId, located, path: addressed.path, headers, intent };
      await this.#relay(exchange, recorded);
    } catch (thrown) {
      await this.#fail(exchange, entry, { thrown, intent });
    }
  }

  refused(problem: SchakelError, head: Partial<RequestHead> | undefined, client: Client): Answer {
    const entry = this.#entry(newTransactionId(), client, head ?? {});
    const answer = errorAnswer(problem, "outway", entry.transactionId);
    this.parts.metrics.refused(problem.code);
    this.parts.transactionLog.refusal(entry, { status: answer.status, code: problem.code });
    return answer;
  }

  /** What can be said of a request before anything in it is believed. */
  #entry(transactionId: TransactionId, client: Client, head: Partial<RequestHead>): ExchangeEntry {
    const { identity } = this.parts.bundle();
    const traceId = traceIdOf(head.headers ?? []);
    return {
      direction: "outgoing",
      transactionId,
      source: { peerId: identity.peerId },
      destination: { peerId: "" },
      service: "",
      method: head.method ?? "",
      client: client.name,
      certificateThumbprint: Buffer.from(identity.certificateThumbprint, "base64url"),
      ...(traceId === undefined ? {} : { traceId }),
    };
  }

  #requireRoom(): void {
    const { running, exchangesMax } = this.parts;
    if (running() > exchangesMax) throw new SchakelError("ERROR_CODE_OVERLOADED");
  }

  /** Tries the inways, best first; goes on to the next only while not a byte of the exchange has left. */
  async #relay(exchange: Exchange<Client>, recorded: Recorded): Promise<void> {
    const { located } = recorded;
    const ranked = this.parts.picker.rank(located.inways);
    if (ranked.length === 0) {
      throw new SchakelError("ERROR_CODE_NO_HEALTHY_INWAY", {
        detail: `service "${located.service.name}" of peer ${located.peerId}`,
      });
    }
    let failure: unknown;
    for (const inway of ranked) {
      try {
        await this.#relayTo(inway, exchange, recorded);
        return;
      } catch (error) {
        if (
          !(error instanceof ForwardError) ||
          !error.nothingSent ||
          error.kind === "client-aborted"
        )
          throw error;
        failure = error;
      }
    }
    throw failure;
  }

  async #relayTo(
    inway: ServiceInway,
    exchange: Exchange<Client>,
    recorded: Recorded,
  ): Promise<void> {
    const { transactionId, located, intent } = recorded;
    const known: InwayHeaders = {
      transactionId,
      service: located.service.name,
      self: this.parts.bundle().identity.peerId,
      provider: located.peerId,
      receipt: intent.leafHash,
      keepForwarded: this.parts.keepForwarded,
    };
    let otherReceipt: Buffer | undefined;
    const outcome: Outcome = await exchange.forward({
      target: inwayTarget(inway.address, located.peerId, this.parts),
      head: {
        method: exchange.request.method,
        target: recorded.path,
        headers: towardsInway(recorded.headers, known, inwayHost(inway.address)),
      },
      rewriteResponse: (head) => {
        otherReceipt = receiptOf(head.headers);
        return { ...head, headers: towardsClient(head.headers, transactionId) };
      },
      keepTrailer: mayBeTrailer,
    });
    this.#close(intent, forwarded(outcome, "other", otherReceipt));
  }

  async #fail(
    exchange: Exchange<Client>,
    entry: ExchangeEntry,
    { thrown, intent }: { thrown: unknown; intent: Intent | undefined },
  ): Promise<void> {
    const error = toOutwayError(thrown);
    if (error === undefined) {
      const sent = thrown instanceof ForwardError ? thrown.requestBytes : 0;
      if (intent !== undefined) this.#close(intent, abandoned(elapsedUs(exchange), sent));
      return;
    }
    const { code, cause } = error;
    if (cause !== undefined) {
      this.parts.log.warn(
        { code, transactionId: entry.transactionId, err: cause },
        "an exchange failed",
      );
    }
    this.parts.metrics.refused(code);
    const answer = errorAnswer(error, "outway", entry.transactionId);
    if (intent === undefined)
      this.parts.transactionLog.refusal(entry, { status: answer.status, code });
    const sent = await exchange.answer(answer);
    if (intent !== undefined) this.#close(intent, answeredWith(code, sent));
  }

  #close(intent: Intent, outcome: OutcomeEntry): void {
    this.parts.metrics.ended(outcome.result, outcome.durationUs.total);
    this.parts.transactionLog.outcome(intent, outcome);
  }
}
