// What components are told, drawn from the parts of the manager that own it.
import type { X509Certificate } from "node:crypto";
import type { GroupSource } from "../certs/group.js";
import type { RevocationList } from "../certs/revocation-list.js";
import { isConnection } from "../contracts/grant.js";
import type { Address } from "../core/address.js";
import type { Clock } from "../core/clock.js";
import type { PeerId } from "../core/names.js";
import type { ContractBook } from "../fsc/contract-book.js";
import type { PeerBook } from "../fsc/peer-book.js";
import type { StoredContract } from "../fsc/stored-contract.js";
import type { Clients } from "./clients.js";
import { contractsOf } from "../fsc/all-contracts.js";
import type { ComponentFeed, StoredClient, StoredService, Unsubscribe } from "./feed.js";
import { Listeners } from "./listeners.js";
import type { OwnCertificates } from "./own-certificates.js";
import type { Services } from "./services.js";

/** How long after its end a contract is still told: an exchange that was refused can then say why. */
const ENDED_MS = 7 * 24 * 3_600_000;

/** What the feed is drawn from. */
export interface FeedParts {
  readonly own: PeerId;
  readonly groups: GroupSource;
  readonly book: Pick<ContractBook, "list" | "onChange">;
  readonly peers: Pick<PeerBook, "addressOf" | "onAddress">;
  readonly services: Services;
  readonly clients: Clients;
  readonly certificates: OwnCertificates;
  readonly clock: Clock;
}

/** Whether a contract concerns our inways or our outways. */
export const concernsComponents = ({ grants }: StoredContract, own: PeerId): boolean =>
  grants.some(
    ({ grant }) =>
      isConnection(grant) && (grant.service.peer_id === own || grant.outway.peer_id === own),
  );

/** The feed of one manager. */
export class ManagerFeed implements ComponentFeed {
  readonly #with: FeedParts;
  readonly #signerListeners = new Listeners<[]>();

  constructor(parts: FeedParts) {
    this.#with = parts;
  }

  async contracts(): Promise<readonly StoredContract[]> {
    const { book, own, clock } = this.#with;
    const found: StoredContract[] = [];
    for await (const contract of contractsOf(book)) {
      const endedAt = contract.content.validity.not_after * 1000;
      if (endedAt + ENDED_MS > clock.now() && concernsComponents(contract, own)) {
        found.push(contract);
      }
    }
    return found;
  }

  onContract(listener: (contract: StoredContract) => void): Unsubscribe {
    return this.#with.book.onChange((contract) => {
      if (concernsComponents(contract, this.#with.own)) listener(contract);
    });
  }

  services(): readonly StoredService[] {
    return this.#with.services.list();
  }

  onServices(listener: () => void): Unsubscribe {
    return this.#with.services.onChange(listener);
  }

  clients(): readonly StoredClient[] {
    return this.#with.clients.list();
  }

  onClients(listener: () => void): Unsubscribe {
    return this.#with.clients.onChange(listener);
  }

  tokenSigners(): readonly X509Certificate[] {
    return this.#with.certificates.tokenSigners();
  }

  onTokenSigners(listener: () => void): Unsubscribe {
    return this.#signerListeners.add(listener);
  }

  /** Says that the certificates that sign tokens are others now. */
  signersChanged(): void {
    this.#signerListeners.call();
  }

  async managers(peerIds: ReadonlySet<PeerId>): Promise<ReadonlyMap<PeerId, Address>> {
    const found = new Map<PeerId, Address>();
    for (const id of peerIds) {
      const address = await this.#with.peers.addressOf(id);
      if (address !== undefined) found.set(id, address);
    }
    return found;
  }

  onManagers(listener: () => void): Unsubscribe {
    const { peers, groups } = this.#with;
    const ends = [
      peers.onAddress(() => {
        listener();
        return Promise.resolve();
      }),
      groups.onChange(() => listener()),
    ];
    return () => {
      for (const end of ends) end();
    };
  }

  revocationLists(): readonly RevocationList[] {
    return this.#with.groups.current.revocationLists;
  }

  onRevocationLists(listener: () => void): Unsubscribe {
    let before = this.revocationLists();
    return this.#with.groups.onChange(({ revocationLists }) => {
      if (revocationLists === before) return;
      before = revocationLists;
      listener();
    });
  }
}
