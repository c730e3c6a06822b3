// The contract book of a peer: the contracts that it is a party of, with all signatures that are known. What
// other managers submit comes in here, what our own peer signs goes out from here, and both sides end equal.
import type { BundleSource } from "../certs/bundle.js";
import type { GroupSource } from "../certs/group.js";
import type { ContractContent } from "../contracts/content.js";
import type { Submission } from "../contracts/contract.js";
import type { ContentHash, GrantHash } from "../contracts/hash.js";
import type { SignatureType } from "../contracts/signature.js";
import type { Clock } from "../core/clock.js";
import type { Lifecycle } from "../core/lifecycle.js";
import type { Log } from "../core/log.js";
import type { PeerId, ServiceName } from "../core/names.js";
import { pause, repeat } from "../core/retry.js";
import { BOOK_LIMITS, type BookLimits } from "./book-limits.js";
import type { BookParts } from "./book-parts.js";
import { ContractList, type BookQuery, type FoundGrant } from "./contract-list.js";
import { readContract } from "./contract-rows.js";
import { DeliveryRounds } from "./delivery.js";
import { countPending, readDeliveries, type Delivery } from "./delivery-rows.js";
import type { CallingManager, ManagerClient, Page, SubmissionKind } from "./manager-interface.js";
import { OwnSignatures, type Decided, type Proposed } from "./own-signatures.js";
import type { PeerBook } from "./peer-book.js";
import { Receiver } from "./receive.js";
import type { FscDatabase } from "./schema.js";
import { SignerCertificates, type Chain } from "./signer-certificates.js";
import type { StoredContract } from "./stored-contract.js";

/** What a contract book stands on. */
export interface ContractBookOptions {
  /** With the tables of `migrateFsc`; its caller closes it, after the life cycle has stopped. */
  readonly db: FscDatabase;
  readonly groups: Pick<GroupSource, "current">;
  readonly bundles: Pick<BundleSource, "current" | "onChange">;
  /** The way to other managers. */
  readonly client: Pick<ManagerClient, "submit" | "certificates" | "peer">;
  readonly peers: PeerBook;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends the deliveries. Undefined: nothing is delivered but by `deliverDue`. */
  readonly lifecycle: Lifecycle | undefined;
  /** Whether our peer offers a service: what a new connection grant for us is checked with. Undefined: not checked. */
  readonly offers?: (name: ServiceName) => boolean;
  /** Why our peer takes no such contract, whatever FSC allows: asked for each new one, and before it is accepted. Undefined: it takes all. */
  readonly refusal?: (content: ContractContent) => string | undefined;
  /** Those of BOOK_LIMITS unless given. */
  readonly limits?: Partial<BookLimits>;
  /** Gives numbers from 0 up to 1; chance unless given. */
  readonly random?: () => number;
}

/** Called with a contract that has changed, after the change is durable. */
export type ContractListener = (contract: StoredContract) => void;

const BACKOFF = { firstMs: 1_000, maxMs: 30_000 };
/** How long the queue is not looked at when nothing is known to be due. */
const LOOK_AGAIN_MS = 60_000;

/** Keeps contracts durably. Safe to call any number of times at once. */
export class ContractBook {
  readonly #parts: BookParts;
  readonly #certificates: SignerCertificates;
  readonly #receiver: Receiver;
  readonly #own: OwnSignatures;
  readonly #rounds: DeliveryRounds;
  readonly #listeners = new Set<ContractListener>();
  #wake = new AbortController();

  private constructor({ lifecycle: _, ...options }: ContractBookOptions) {
    const { limits, offers, refusal, random, ...parts } = options;
    this.#parts = {
      ...parts,
      limits: { ...BOOK_LIMITS, ...limits },
      ...{ offers, refusal },
      random: random ?? Math.random,
    };
    this.#certificates = new SignerCertificates(this.#parts);
    this.#receiver = new Receiver(this.#parts, this.#certificates);
    this.#own = new OwnSignatures(this.#parts, this.#certificates);
    this.#rounds = new DeliveryRounds(this.#parts);
  }

  /** Opens the book and begins to deliver, until the life cycle stops it. */
  static async open(options: ContractBookOptions): Promise<ContractBook> {
    const book = new ContractBook(options);
    await book.#certificates.loadFormer();
    const stopLearning = options.peers.onAddress((id) => book.hasten(id));
    const stopRenewing = options.bundles.onChange(() => book.#wakeUp());
    book.#rounds.onFinished(() => book.#wakeUp());
    options.lifecycle?.onStop("peers' addresses", stopLearning);
    options.lifecycle?.onStop("our own certificate", stopRenewing);
    if (options.lifecycle !== undefined) book.#deliver(options.lifecycle);
    return book;
  }

  /**
   * Takes in what another manager submits, as `ManagerHandlers.receive` has it. Nothing is stored when it is
   * refused; the same again changes nothing.
   *
   * @throws ContractRefusal with FSC's code; SchakelError ERROR_CODE_LIMIT_EXCEEDED
   */
  async receive(
    kind: SubmissionKind,
    submission: Submission,
    from: CallingManager,
    hashInUrl: string | undefined,
  ): Promise<void> {
    this.#tell(await this.#receiver.receive({ kind, submission, from, hashInUrl }));
  }

  /** Proposes a contract. See `OwnSignatures.propose`. */
  async propose(content: ContractContent): Promise<Proposed> {
    const proposed = await this.#own.propose(content);
    if (proposed.created) this.#tell(proposed.contract);
    return proposed;
  }

  /** Accepts, rejects or revokes a contract. See `OwnSignatures.decide`. */
  async decide(hash: ContentHash, type: SignatureType): Promise<Decided> {
    const decided = await this.#own.decide(hash, type);
    if (decided.changed) this.#tell(decided.contract);
    return decided;
  }

  /** A contract; undefined when there is none. */
  get(hash: ContentHash): Promise<StoredContract | undefined> {
    return readContract(this.#parts.db, this.#parts.groups.current.id, hash);
  }

  get #list(): ContractList {
    const { db, groups, clock } = this.#parts;
    return new ContractList(db, groups.current.id, clock);
  }

  /** Contracts whose hash begins with a text. See `ContractList.findByPrefix`. */
  findByPrefix(text: string): Promise<readonly StoredContract[]> {
    return this.#list.findByPrefix(text);
  }

  /** One page of contracts. See `ContractList.list`. */
  list(query: BookQuery): Promise<Page<StoredContract>> {
    return this.#list.list(query);
  }

  /** The contract that a grant stands in, whatever its state is; undefined when there is none. */
  findGrant(hash: GrantHash): Promise<FoundGrant | undefined> {
    return this.#list.findGrant(hash);
  }

  /** How far our signatures on a contract have come; empty for a contract that is not known. */
  deliveries(hash: ContentHash): Promise<readonly Delivery[]> {
    const { db, groups, clock } = this.#parts;
    return readDeliveries(db, groups.current.id, hash, clock.now());
  }

  /** How many signatures of ours have not arrived yet. */
  deliveriesWaiting(): Promise<number> {
    const { db, groups, clock } = this.#parts;
    return countPending(db, { groupId: groups.current.id, now: clock.now(), busy: [] });
  }

  /** The certificates that our manager lists: the one in use, and former ones that signed contracts. */
  certificates(): readonly Chain[] {
    return this.#certificates.own();
  }

  /** Calls back with each contract that has changed. Returns the function that ends this. */
  onChange(listener: ContractListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tries all that waits for a party now: its manager has announced itself, or has a new address. */
  async hasten(party: PeerId): Promise<void> {
    await this.#rounds.hasten(party);
    this.#wakeUp();
  }

  /** Makes signatures again where our certificate was replaced, tries what is due, and resolves when that has been tried. */
  async deliverDue(): Promise<void> {
    await this.#renew();
    const { served } = await this.#rounds.start();
    await served;
  }

  async #renew(): Promise<void> {
    await this.#own.renew((contract) => this.#tell(contract));
    await this.#certificates.loadFormer();
  }

  #tell(contract: StoredContract | undefined): void {
    if (contract === undefined) return;
    this.#wakeUp();
    for (const listener of [...this.#listeners]) listener(contract);
  }

  #wakeUp(): void {
    this.#wake.abort();
  }

  #deliver(lifecycle: Lifecycle): void {
    const { log } = this.#parts;
    const running = repeat(lifecycle.signal, {
      backoff: BACKOFF,
      failed: (error) => log.error({ err: error }, "the queue of deliveries cannot be served"),
      turn: async () => {
        // Before looking: what comes from now on is not missed.
        this.#wake = new AbortController();
        const { signal } = this.#wake;
        await this.#renew();
        const { nextMs } = await this.#rounds.start();
        if (!lifecycle.signal.aborted)
          await pause(Math.min(nextMs ?? LOOK_AGAIN_MS, LOOK_AGAIN_MS), signal);
        return 0;
      },
    });
    lifecycle.onStop("deliveries", async () => {
      this.#wakeUp();
      await running;
      await this.#rounds.settled();
      await this.#rounds.release();
    });
  }
}
