// One exchange inside an outway, in order: id, client, parse, permit, record, headers, pick, relay, outcome. The
// record stands before the relay, so that nothing leaves the organisation that the log does not know.
import type { Catalogue } from "../catalogue/catalogue.js";
import type { Bundle } from "../certs/bundle.js";
import type { HeldGrant } from "../component/component-state.js";
import type { GrantUser, RunningGrant, RunningGrants } from "../component/running-grants.js";
import type { StateSource } from "../component/state-source.js";
import type { Address } from "../core/address.js";
import type { Clock } from "../core/clock.js";
import { errorAnswer } from "../core/error-answer.js";
import { SchakelError } from "../core/errors.js";
import { HEADER, isRead, mayBeTrailer } from "../core/exchange-headers.js";
import type { ExchangeMetrics } from "../core/exchange-metrics.js";
import type { Log } from "../core/log.js";
import { newTransactionId, type TransactionId } from "../core/names.js";
import {
  ForwardError,
  type Answer,
  type Exchange,
  type ExchangeHandler,
  type ForwardOrder,
} from "../relay/exchange.js";
import { headerValues, type HeaderLines, type RequestHead } from "../relay/message.js";
import { NameChoice } from "../relay/name-choice.js";
import type { EntryDraft, ExchangeEntry, OutcomeEntry } from "../txlog/entry.js";
import { abandoned, answeredWith, farTimeOf, forwarded } from "../txlog/from-exchange.js";
import { thumbprintOf } from "../txlog/from-certificate.js";
import { ofGrant } from "../txlog/from-grant.js";
import { personalOf, traceIdOf } from "../txlog/from-headers.js";
import type { Intent, TransactionLog } from "../txlog/log.js";
import { receiptOf, refusesToken } from "./answered.js";
import { connectedName, identifyClient, type Client, type Connected } from "./clients.js";
import { refuseCrossSite } from "./cross-site.js";
import { isUnreachable, toOutwayError } from "./failures.js";
import { missingTrace, towardsClient, towardsInway, type InwayHeaders } from "./headers.js";
import { InwayTargets, type InwayDialling } from "./inway-target.js";
import { KnownServices } from "./known-services.js";
import { chosenGrant, permit } from "./permit.js";
import type { Candidate } from "./pick.js";
import {
  locate,
  parseTarget,
  type Addressing,
  type Asking,
  type LocatedService,
} from "./target.js";
import type { GivenToken, Tokens } from "./tokens.js";

/** What an exchange needs; functions give what may change while the outway runs. */
export interface OutwayParts extends InwayDialling {
  readonly catalogue: () => Catalogue | undefined;
  readonly state: Pick<StateSource, "current" | "require">;
  readonly tokens: Tokens;
  /** Cuts exchanges whose grant may be used no longer, by anybody or by their client. */
  readonly runningGrants: RunningGrants;
  readonly clock: Clock;
  readonly transactionLog: TransactionLog;
  readonly metrics: ExchangeMetrics;
  readonly log: Log;
  readonly hostSuffix: string;
  /** Whether clients show who they are, so that any host may be asked for. */
  readonly anyHost: boolean;
  readonly keepForwarded: boolean;
  readonly exchangesMax: number;
  /** How many exchanges run now, this one included. */
  readonly running: () => number;
}

/** What was asked for, and the grant that permits it. */
interface Permitted {
  readonly located: LocatedService;
  /** What follows the service's address, byte for byte. */
  readonly path: string;
  readonly grant: HeldGrant;
}

/** An exchange that has been recorded and may be forwarded. */
interface Recorded extends Permitted {
  readonly transactionId: TransactionId;
  readonly trace: HeaderLines;
  readonly intent: Intent;
  readonly given: GivenToken;
  /** The certificate that the token is bound to. */
  readonly bundle: Bundle;
  readonly signal: AbortSignal;
}

const NOBODY = { peerId: "" };

/** The headers that are looked at; the others are never more than octets. */
const READ = new NameChoice(isRead);

const sameAddress = (a: Address, b: Address): boolean => a.host === b.host && a.port === b.port;

const elapsedUs = (exchange: Exchange<unknown>): number =>
  Math.round((performance.now() - exchange.receivedAt) * 1000);

/** Handles the exchanges of all clients; keeps nothing of an exchange after its end. */
export class OutwayExchanges implements ExchangeHandler<Connected> {
  readonly #targets: InwayTargets;

  constructor(private readonly parts: OutwayParts) {
    this.#targets = new InwayTargets(parts);
  }

  async exchange(exchange: Exchange<Connected>): Promise<void> {
    const { request, context: connected } = exchange;
    const { parts } = this;
    const read = READ.linesIn(request);
    const trace = missingTrace(read);
    const headers = trace.length === 0 ? read : [...read, ...trace];
    const { method, target } = request;
    const transactionId = newTransactionId();
    const entry = this.#entry(transactionId, connected, { method, headers });
    let intent: Intent | undefined;
    let running: RunningGrant | undefined;
    try {
      this.#requireRoom();
      refuseCrossSite({ headers });
      const client = identifyClient(connected, headers, () => parts.state.require());
      entry.client = client.name;
      const { located, path, grant } = this.#permit({ target, headers }, client, entry);
      running = parts.runningGrants.begin(grant.hash, this.#user(client));
      // Before the token: a refusal for want of one names the grant too.
      Object.assign(entry, ofGrant(grant));
      const { given, bundle } = this.#readyToken(grant) ?? (await this.#token(grant));
      entry.personal = personalOf(path, headers);

      intent = await parts.transactionLog.intent(entry);
      const { signal } = running;
      const permitted = { located, path, grant };
      const more = { transactionId, trace, intent, given, bundle, signal };
      await this.#relay(exchange, { ...permitted, ...more });
    } catch (thrown) {
      await this.#fail(exchange, entry, { thrown, intent });
    } finally {
      running?.end();
    }
  }

  refused(
    problem: SchakelError,
    head: Partial<RequestHead> | undefined,
    connected: Connected,
  ): Answer {
    const entry = this.#entry(newTransactionId(), connected, head ?? {});
    const answer = errorAnswer(problem, "outway", entry.transactionId);
    this.parts.metrics.refused(problem.code);
    this.parts.transactionLog.refusal(entry, { status: answer.status, code: problem.code });
    return answer;
  }

  /** What can be said of a request before anything in it is believed. */
  #entry(
    transactionId: TransactionId,
    connected: Connected,
    head: Partial<Pick<RequestHead, "method" | "headers">>,
  ): EntryDraft {
    const { identity } = this.parts.bundle();
    return {
      direction: "outgoing",
      transactionId,
      grantHash: undefined,
      source: { peerId: identity.peerId },
      destination: NOBODY,
      service: "",
      method: head.method ?? "",
      clause: undefined,
      client: connectedName(connected) ?? "",
      certificateThumbprint: thumbprintOf(identity),
      traceId: traceIdOf(head.headers ?? []),
      personal: undefined,
    };
  }

  /** Finds what is asked for and the grant for it, and says for the record what was found so far. */
  #permit(request: Asking, client: Client, entry: EntryDraft): Permitted {
    const { parts } = this;
    const own = parts.bundle().identity;
    const choosing = headerValues(request.headers, HEADER.grantHash).length > 0;
    const chosen = choosing
      ? chosenGrant(request.headers, { state: parts.state.require(), own })
      : undefined;
    if (chosen !== undefined) entry.grantHash = chosen.hash;
    const known = new KnownServices(parts.catalogue(), parts.state.current);
    const addressing: Addressing = {
      suffix: parts.hostSuffix,
      anyHost: parts.anyHost,
      rule: parts.group().peerIdRule,
    };
    const addressed = parseTarget(request, addressing, known, chosen?.grant);
    const located = locate(addressed, known, addressing.rule);
    entry.destination = { peerId: located.peerId };
    entry.service = located.name;
    const permitting = { state: parts.state.require(), own, now: parts.clock.now() };
    const grant = permit({ located, chosen, client }, permitting);
    return { located, path: addressed.path, grant };
  }

  /** The token for a grant when it is at hand, with the certificate that it is bound to. */
  #readyToken(grant: HeldGrant): { given: GivenToken; bundle: Bundle } | undefined {
    const given = this.parts.tokens.ready(grant);
    const bundle = this.parts.bundle();
    return given?.token.certificateThumbprint === bundle.identity.certificateThumbprint
      ? { given, bundle }
      : undefined;
  }

  /** The token for a grant with the certificate that it is bound to, which is what the inway must see. */
  async #token(grant: HeldGrant): Promise<{ given: GivenToken; bundle: Bundle }> {
    const { tokens } = this.parts;
    const given = await tokens.tokenFor(grant);
    const bundle = this.parts.bundle();
    const isOurs = given.token.certificateThumbprint === bundle.identity.certificateThumbprint;
    // Our certificate has changed meanwhile.
    return isOurs ? { given, bundle } : { given: await tokens.tokenFor(grant), bundle };
  }

  /** The client as it is asked for again while its exchange runs: it may be removed, or have fewer grants. */
  #user({ key, refusal }: Client): GrantUser {
    return { key, refusal: (hash) => refusal(hash, this.parts.state.require().clients) };
  }

  #requireRoom(): void {
    const { running, exchangesMax } = this.parts;
    if (running() > exchangesMax) throw new SchakelError("ERROR_CODE_OVERLOADED");
  }

  /** The inways that the token names, best first, ranked by what the directory saw of them. */
  #inways({ located, given }: Recorded): readonly Candidate[] {
    const { peerId, name } = located;
    const listed = this.parts.catalogue()?.service(peerId, name)?.inways ?? [];
    const candidates = given.token.inways.map((address): Candidate => {
      const seen = listed.find((inway) => sameAddress(inway.address, address));
      return { address, health: seen?.health ?? "unknown" };
    });
    return this.parts.picker.rank(candidates);
  }

  /** Tries the inways; goes on to the next only while not a byte of the exchange has left. */
  async #relay(exchange: Exchange<Connected>, recorded: Recorded): Promise<void> {
    const ranked = this.#inways(recorded);
    let failure: unknown;
    for (const { address } of ranked) {
      try {
        const answered: { receipt: Buffer | undefined } = { receipt: undefined };
        const order = this.#order(address, exchange.request, recorded, answered);
        const outcome = await exchange.forward(order);
        this.#close(recorded.intent, forwarded(outcome, "other", answered.receipt));
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
    // They may have moved since the token named them.
    this.parts.tokens.renewSoon(recorded.given);
    const { peerId, name } = recorded.located;
    throw ranked.every(({ health }) => health === "down") && isUnreachable(failure)
      ? new SchakelError("ERROR_CODE_NO_HEALTHY_INWAY", {
          detail: `service "${name}" of peer ${peerId}`,
          cause: failure,
        })
      : failure;
  }

  /** How an exchange is forwarded to the inway at an address. What its answer says is put in `answered`. */
  #order(
    address: Address,
    request: RequestHead,
    recorded: Recorded,
    answered: { receipt: Buffer | undefined },
  ): ForwardOrder {
    const { transactionId, trace, located, intent, given, bundle, signal } = recorded;
    const overHttp2 = this.#isOverHttp2(located, request);
    const inway = { address, provider: located.peerId, overHttp2 };
    const { target, host } = this.#targets.at(inway, bundle);
    const known: InwayHeaders = {
      transactionId,
      trace,
      self: bundle.identity.peerId,
      provider: located.peerId,
      receipt: intent.leafHash,
      keepForwarded: this.parts.keepForwarded,
    };
    return {
      target,
      head: {
        method: request.method,
        target: recorded.path,
        headers: towardsInway(request, known, host),
        token: given.header,
      },
      rewriteResponse: (head) => {
        answered.receipt = receiptOf(head);
        if (refusesToken(head)) this.parts.tokens.drop(given);
        return towardsClient(head, transactionId);
      },
      keepTrailer: mayBeTrailer,
      signal,
    };
  }

  /** What the directory says the service speaks; for one that it does not show, what the client speaks. */
  #isOverHttp2({ peerId, name }: LocatedService, { overHttp2 }: RequestHead): boolean {
    const listed = this.parts.catalogue()?.service(peerId, name)?.service.protocol;
    return listed === undefined ? overHttp2 === true : listed === "HTTP/2";
  }

  async #fail(
    exchange: Exchange<Connected>,
    entry: ExchangeEntry,
    { thrown, intent }: { thrown: unknown; intent: Intent | undefined },
  ): Promise<void> {
    const error = toOutwayError(thrown);
    const far = thrown instanceof ForwardError ? farTimeOf("other", thrown) : undefined;
    if (error === undefined) {
      const sent = thrown instanceof ForwardError ? thrown.requestBytes : 0;
      if (intent !== undefined) this.#close(intent, abandoned(elapsedUs(exchange), sent, far));
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
    if (intent !== undefined) this.#close(intent, answeredWith(code, sent, far));
  }

  #close(intent: Intent, outcome: OutcomeEntry): void {
    this.parts.metrics.ended(outcome.result, outcome.durationUs.total);
    this.parts.transactionLog.outcome(intent, outcome);
  }
}
