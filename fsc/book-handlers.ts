// What a manager answers to other peers (FSC Core 2.0.0, Manager): the contract book, the peers, tokens. A directory
// is one too, without inways.
import type { X509Certificate } from "node:crypto";
import type { BundleSource } from "../certs/bundle.js";
import type { GroupSource } from "../certs/group.js";
import type { PeerIdentity } from "../certs/identity.js";
import { FSC_VERSION } from "../contracts/content.js";
import type { Contract, Submission } from "../contracts/contract.js";
import { SIGNATURE_TYPES, type SignatureType } from "../contracts/signature.js";
import type { Address } from "../core/address.js";
import type { Clock } from "../core/clock.js";
import type { PeerId, ServiceName } from "../core/names.js";
import type { ContractBook } from "./contract-book.js";
import type {
  CallingManager,
  ContractQuery,
  ListedPeer,
  ManagerHandlers,
  Page,
  PeerDescription,
  PeerQuery,
  PublishedService,
  ServiceQuery,
  SubmissionKind,
  TokenForm,
} from "./manager-interface.js";
import type { PeerBook } from "./peer-book.js";
import { namedService, pageOfServices, type ShownService } from "./services-listing.js";
import type { StoredContract } from "./stored-contract.js";
import { issueToken } from "./token-issuer.js";

/** FSC's extensions that our manager has, with their versions. */
const EXTENSIONS: ReadonlyMap<string, string> = new Map([["EXTENSION_DELEGATION", "1.0.0"]]);

/** What the answers stand on. */
export interface BookHandlerParts {
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  readonly book: ContractBook;
  readonly peerBook: PeerBook;
  /** Told of each peer whose manager called: with `true` when it submitted something. */
  readonly called: (peer: PeerId, submitted: boolean) => Promise<void>;
  /** Our certificates, each with its issuers, the one in use first. */
  readonly certificates: () => readonly (readonly X509Certificate[])[];
  /** Where the connected inways are that offer a service of ours. */
  readonly inwaysOf: (service: ServiceName) => readonly Address[];
  /** What is published with our peer now, ordered by peer id and name: nothing, unless it is a directory. */
  readonly published: () => readonly ShownService[];
  /** How long a token lives, in milliseconds. */
  readonly tokenLifetimeMs: number;
  readonly clock: Clock;
}

/** A stored contract as it travels. */
export const travelling = ({ content, signatures }: StoredContract): Contract => {
  const of = (type: SignatureType): ReadonlyMap<PeerId, string> =>
    new Map(
      signatures.filter((each) => each.type === type).map(({ signer, jws }) => [signer, jws]),
    );
  const [accept, reject, revoke] = SIGNATURE_TYPES.map(of);
  return {
    content,
    signatures: {
      accept: accept ?? new Map(),
      reject: reject ?? new Map(),
      revoke: revoke ?? new Map(),
    },
  };
};

/** The handlers of one manager. */
export class BookHandlers implements ManagerHandlers {
  readonly #with: BookHandlerParts;

  constructor(parts: BookHandlerParts) {
    this.#with = parts;
  }

  async announce({ identity, address }: CallingManager): Promise<void> {
    const { peerBook, called, book } = this.#with;
    const { peerId: id, name } = identity;
    if (id === this.#own.peerId) return;
    await peerBook.note({ id, name, managerAddress: address }, "itself");
    await called(id, false);
    // It is there again: what waits for it need not wait any longer.
    await book.hasten(id);
  }

  async receive(
    kind: SubmissionKind,
    submission: Submission,
    from: CallingManager,
    hashInUrl: string | undefined,
  ): Promise<void> {
    await this.#with.book.receive(kind, submission, from, hashInUrl);
    await this.#with.called(from.identity.peerId, true);
  }

  async listContracts(query: ContractQuery, caller: PeerIdentity): Promise<Page<Contract>> {
    const page = await this.#with.book.list({ ...query, party: caller.peerId });
    return { items: page.items.map(travelling), nextCursor: page.nextCursor };
  }

  issueToken(form: TokenForm, caller: PeerIdentity): Promise<string> {
    const { groups, bundles, book, inwaysOf, tokenLifetimeMs, clock } = this.#with;
    return issueToken(
      {
        ...{ inwaysOf, clock, group: groups.current, bundle: bundles.current },
        findGrant: (hash) => book.findGrant(hash),
        lifetimeSeconds: tokenLifetimeMs / 1000,
      },
      form,
      caller,
    );
  }

  describe(): PeerDescription {
    const { peerId, name } = this.#own;
    return { peerId, name, fscVersion: FSC_VERSION, extensions: EXTENSIONS };
  }

  listPeers(query: PeerQuery): Promise<Page<ListedPeer>> {
    return this.#with.peerBook.list(query);
  }

  async listServices(query: ServiceQuery): Promise<Page<PublishedService>> {
    const { items, nextCursor } = pageOfServices(this.#with.published(), query);
    const ids = items.flatMap(({ peerId, delegator }) =>
      delegator === undefined ? [peerId] : [peerId, delegator],
    );
    const peers = await this.#with.peerBook.find(new Set(ids));
    return { items: items.map((service) => namedService(service, peers)), nextCursor };
  }

  certificates(): readonly (readonly X509Certificate[])[] {
    return this.#with.certificates();
  }

  get #own(): PeerIdentity {
    return this.#with.bundles.current.identity;
  }
}
