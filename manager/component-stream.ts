// One stream of WatchState: first the whole state, then each change, at the reader's own pace.
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { RevocationList } from "../certs/revocation-list.js";
import type { ContentHash } from "../contracts/hash.js";
import type { Address } from "../core/address.js";
import { formatAddress } from "../core/address.js";
import type { SchakelError } from "../core/errors.js";
import type { GrpcServer } from "../core/grpc-server.js";
import type { Log } from "../core/log.js";
import type { PeerId } from "../core/names.js";
import type { StoredContract } from "../fsc/stored-contract.js";
import type {
  WatchStateRequest,
  WatchStateResponse,
} from "../proto/gen/schakel/manager/v1/component.js";
import type { InternalCaller } from "./caller.js";
import * as message from "./component-messages.js";
import type { ComponentFeed } from "./feed.js";
import type { Registration } from "./registration.js";

/** How many bytes of contracts one message carries, unless a single contract has more; a receiver takes 4 MiB. */
const MESSAGE_BYTES_MAX = 256 * 1024;
/** How many hashes or addresses one message carries. */
const MESSAGE_ITEMS_MAX = 500;

/** A call of WatchState. */
export type WatchStateCall = ServerWritableStream<WatchStateRequest, WatchStateResponse>;

/** What streams stand on. */
export interface StreamParts {
  readonly server: GrpcServer<InternalCaller>;
  readonly feed: ComponentFeed;
  /** Our own peer. */
  readonly peerId: () => PeerId;
  readonly heartbeatMs: number;
  /** How long a reader may leave the stream unread before it is ended, in milliseconds. */
  readonly stallMs: number;
  readonly log: Log;
}

/** The lists that are sent whole. */
export type WholeList = "services" | "signers" | "clients";

/**
 * The stream of one component. It remembers what the reader has yet to hear of and looks up what that is
 * when it sends it, so that a slow reader costs little and hears no old news.
 */
export class ComponentStream {
  readonly #waiting = new Map<ContentHash, StoredContract>();
  readonly #sent = new Set<ContentHash>();
  readonly #removed = new Set<ContentHash>();
  readonly #lists = new Set<WholeList>();
  readonly #providers = new Set<PeerId>();
  /** Addresses of managers as the reader knows them, and those it has yet to hear. */
  readonly #managers = new Map<PeerId, string>();
  readonly #movedManagers = new Map<PeerId, Address>();
  readonly #revocations = new Set<RevocationList>();
  #sentRevocations: readonly Buffer[] = [];
  #isLoaded = false;
  #isComplete = false;
  #isOver = false;
  /** Since when the reader has not taken what was written, on the monotonic clock. */
  #stalledAt: number | undefined;
  readonly #heartbeat: NodeJS.Timeout;

  constructor(
    readonly registration: Registration,
    private readonly call: WatchStateCall,
    private readonly parts: StreamParts,
    private readonly ended: (stream: ComponentStream) => void,
  ) {
    this.#heartbeat = setInterval(() => this.#beat(), parts.heartbeatMs);
    call.on("drain", () => {
      this.#stalledAt = undefined;
      this.#pump();
    });
    call.on("cancelled", () => this.#end());
    call.on("close", () => this.#end());
    this.#lists.add("services").add("signers").add("clients");
    this.#noteRevocations();
    // Contracts that change from here on are noted; what is loaded is put behind them.
    this.#load().catch((error: unknown) => this.fail(error));
  }

  /** Notes a contract that is new or was decided. */
  contract(contract: StoredContract): void {
    if (!this.#concerns(contract)) return;
    this.#waiting.set(contract.hash, contract);
    const before = this.#providers.size;
    this.#noteProviders(contract);
    if (this.#providers.size > before) this.managers();
    this.#pump();
  }

  /** Notes that a list has changed. */
  list(list: WholeList): void {
    this.#lists.add(list);
    this.#pump();
  }

  /** Notes that managers became known or moved. */
  managers(): void {
    this.#noteManagers().then(
      () => this.#pump(),
      (error: unknown) => this.fail(error),
    );
  }

  /** Notes that revocation lists are new. */
  revocations(): void {
    this.#noteRevocations();
    this.#pump();
  }

  /** The contracts that the reader has. */
  get sent(): readonly ContentHash[] {
    return [...this.#sent];
  }

  /** Notes which contracts there still are; others of `sent`, as it was before they were looked for, concern the component no longer. */
  retain(hashes: ReadonlySet<ContentHash>, sent: readonly ContentHash[]): void {
    for (const hash of sent) {
      if (!hashes.has(hash) && !this.#waiting.has(hash)) this.#removed.add(hash);
    }
    this.#pump();
  }

  /** Ends the stream in good order; the component comes back to whoever answers then. */
  close(): void {
    if (this.#isOver) return;
    this.#end();
    this.call.end();
  }

  /** Ends the stream with an error. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#end();
    this.call.emit("error", this.parts.server.fail(error, this.call.getPath()));
  }

  /** Ends the stream with the reason why the component may not stay. */
  refuse(reason: SchakelError): void {
    const { role, name } = this.registration;
    this.parts.log.warn({ role, component: name, reason: reason.message }, "component refused");
    this.fail(reason);
  }

  async #load(): Promise<void> {
    for (const contract of await this.parts.feed.contracts()) {
      if (!this.#concerns(contract)) continue;
      if (!this.#waiting.has(contract.hash)) this.#waiting.set(contract.hash, contract);
      this.#noteProviders(contract);
    }
    await this.#noteManagers();
    this.#isLoaded = true;
    this.#pump();
  }

  #concerns(contract: StoredContract): boolean {
    return message.concerns(contract, this.registration.role, this.parts.peerId());
  }

  #noteProviders(contract: StoredContract): void {
    if (this.registration.role !== "outway") return;
    for (const provider of message.providersIn(contract, this.parts.peerId())) {
      this.#providers.add(provider);
    }
  }

  async #noteManagers(): Promise<void> {
    if (this.#providers.size === 0) return;
    for (const [peerId, address] of await this.parts.feed.managers(this.#providers)) {
      const isKnown = this.#managers.get(peerId) === formatAddress(address);
      // One that has moved back before the reader heard of it has not moved.
      if (isKnown) this.#movedManagers.delete(peerId);
      else this.#movedManagers.set(peerId, address);
    }
  }

  #noteRevocations(): void {
    const lists = this.parts.feed.revocationLists();
    const fresh = lists.filter(
      ({ crl }) => !this.#sentRevocations.some((each) => each.equals(crl)),
    );
    this.#revocations.clear();
    for (const list of fresh) this.#revocations.add(list);
    this.#sentRevocations = lists.filter((list) => !fresh.includes(list)).map(({ crl }) => crl);
  }

  #pump(): void {
    while (this.#isLoaded && this.#stalledAt === undefined && !this.#isOver) {
      const part = this.#nextPart();
      if (part !== undefined) {
        this.#write({ ...part, snapshot: !this.#isComplete });
      } else if (!this.#isComplete) {
        this.#isComplete = true;
        this.#write({ snapshot: true, snapshotComplete: true });
      } else {
        return;
      }
    }
  }

  /** The next thing that the reader has yet to hear, taken from what waits. */
  #nextPart(): Partial<WatchStateResponse> | undefined {
    return (
      this.#nextRevocation() ??
      this.#nextList() ??
      this.#nextContracts() ??
      this.#nextManagers() ??
      this.#nextRemoved()
    );
  }

  #nextRevocation(): Partial<WatchStateResponse> | undefined {
    for (const list of this.#revocations) {
      this.#revocations.delete(list);
      this.#sentRevocations = [...this.#sentRevocations, list.crl];
      return { revocationLists: [message.revocationMessage(list)] };
    }
    return undefined;
  }

  #nextList(): Partial<WatchStateResponse> | undefined {
    const { feed } = this.parts;
    const { role, name } = this.registration;
    for (const list of this.#lists) {
      this.#lists.delete(list);
      if (role === "outway" && list === "clients") {
        return { clients: message.clientMessages(feed.clients()) };
      }
      if (role === "inway" && list === "services") {
        return { services: message.serviceMessages(feed.services(), name) };
      }
      if (role === "inway" && list === "signers") {
        return { tokenSigners: message.signerMessages(feed.tokenSigners()) };
      }
    }
    return undefined;
  }

  #nextContracts(): Partial<WatchStateResponse> | undefined {
    const contracts = [];
    let bytes = 0;
    for (const [hash, contract] of this.#waiting) {
      const each = message.contractMessage(contract);
      if (contracts.length > 0 && bytes + each.content.length > MESSAGE_BYTES_MAX) break;
      contracts.push(each);
      bytes += each.content.length;
      this.#waiting.delete(hash);
      this.#removed.delete(hash);
      this.#sent.add(hash);
    }
    return contracts.length === 0 ? undefined : { contracts };
  }

  #nextManagers(): Partial<WatchStateResponse> | undefined {
    const moved = new Map([...this.#movedManagers].slice(0, MESSAGE_ITEMS_MAX));
    for (const [peerId, address] of moved) {
      this.#movedManagers.delete(peerId);
      this.#managers.set(peerId, formatAddress(address));
    }
    return moved.size === 0 ? undefined : { managers: [...message.managerMessages(moved)] };
  }

  #nextRemoved(): Partial<WatchStateResponse> | undefined {
    const removedContracts = [...this.#removed].slice(0, MESSAGE_ITEMS_MAX);
    for (const hash of removedContracts) {
      this.#removed.delete(hash);
      this.#sent.delete(hash);
    }
    return removedContracts.length === 0 ? undefined : { removedContracts };
  }

  #write(part: Partial<WatchStateResponse>): void {
    const heartbeatIntervalMs = BigInt(this.parts.heartbeatMs);
    const whole = { ...message.nothing(), ...part, heartbeatIntervalMs };
    if (!this.call.write(whole)) this.#stalledAt = performance.now();
  }

  #beat(): void {
    if (this.#stalledAt === undefined) this.#write({});
    else if (performance.now() - this.#stalledAt > this.parts.stallMs) this.#endSlow();
  }

  #endSlow(): void {
    const { role, name } = this.registration;
    this.parts.log.warn({ role, component: name }, "a stream is read too slowly; ended");
    this.#end();
    this.parts.server.endSlowReader(this.call);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#heartbeat);
    this.ended(this);
  }
}
