// A ComponentFeed that a test fills, and contracts for it.
import type { X509Certificate } from "node:crypto";
import type { RevocationList } from "../../certs/revocation-list.js";
import { parseContent, type ContractContent } from "../../contracts/content.js";
import { contentHash, grantHashes } from "../../contracts/hash.js";
import { canonical } from "../../contracts/jcs.js";
import { parseJson } from "../../contracts/json.js";
import type { ContractDecision } from "../../contracts/state.js";
import type { Address } from "../../core/address.js";
import { peerIdRule, PEER_ID_PATTERN_DEFAULT, type PeerId } from "../../core/names.js";
import { v7 } from "uuid";
import type { StoredContract } from "../../fsc/stored-contract.js";
import type {
  ComponentFeed,
  StoredClient,
  StoredService,
  Unsubscribe,
} from "../../manager/feed.js";

/** Values that a test sets, each with the listeners that hear of it. */
export class HeldFeed implements ComponentFeed {
  readonly held = new Map<string, StoredContract>();
  readonly addresses = new Map<PeerId, Address>();
  #services: readonly StoredService[] = [];
  #clients: readonly StoredClient[] = [];
  #signers: readonly X509Certificate[] = [];
  #lists: readonly RevocationList[] = [];
  readonly #listeners = new Map<string, Set<(contract?: StoredContract) => void>>();

  contracts = (): Promise<readonly StoredContract[]> => Promise.resolve([...this.held.values()]);
  services = (): readonly StoredService[] => this.#services;
  clients = (): readonly StoredClient[] => this.#clients;
  tokenSigners = (): readonly X509Certificate[] => this.#signers;
  revocationLists = (): readonly RevocationList[] => this.#lists;
  managers = (ids: ReadonlySet<PeerId>): Promise<ReadonlyMap<PeerId, Address>> =>
    Promise.resolve(new Map([...this.addresses].filter(([id]) => ids.has(id))));

  onContract = (listener: (contract: StoredContract) => void): Unsubscribe =>
    this.#on("contract", (contract) => {
      if (contract !== undefined) listener(contract);
    });
  onServices = (listener: () => void): Unsubscribe => this.#on("services", listener);
  onClients = (listener: () => void): Unsubscribe => this.#on("clients", listener);
  onTokenSigners = (listener: () => void): Unsubscribe => this.#on("signers", listener);
  onManagers = (listener: () => void): Unsubscribe => this.#on("managers", listener);
  onRevocationLists = (listener: () => void): Unsubscribe => this.#on("lists", listener);

  /** Stores a contract and tells of it. */
  put(contract: StoredContract): void {
    this.held.set(contract.hash, contract);
    this.#tell("contract", contract);
  }

  /** Sets the services by name, of the given inways (none for all), and tells of them. */
  setServices(services: Readonly<Record<string, readonly string[]>>): void {
    this.#services = Object.entries(services).map(
      ([name, inways]) =>
        ({
          name,
          sourceUrl: `http://${name}.internal:8080`,
          openapiPath: "",
          contact: "",
          inways,
          protocol: "PROTOCOL_TCP_HTTP_1.1",
          publishedIn: [],
          visibility: "group",
        }) as unknown as StoredService,
    );
    this.#tell("services");
  }

  setClients(clients: readonly StoredClient[]): void {
    this.#clients = clients;
    this.#tell("clients");
  }

  setSigners(signers: readonly X509Certificate[]): void {
    this.#signers = signers;
    this.#tell("signers");
  }

  setRevocationLists(lists: readonly RevocationList[]): void {
    this.#lists = lists;
    this.#tell("lists");
  }

  setManager(id: PeerId, address: Address): void {
    this.addresses.set(id, address);
    this.#tell("managers");
  }

  /** How many listeners there are. */
  get listeners(): number {
    return [...this.#listeners.values()].reduce((sum, { size }) => sum + size, 0);
  }

  #on(what: string, listener: (contract?: StoredContract) => void): Unsubscribe {
    const listeners = this.#listeners.get(what) ?? new Set();
    this.#listeners.set(what, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  #tell(what: string, contract?: StoredContract): void {
    for (const listener of this.#listeners.get(what) ?? []) listener(contract);
  }
}

/** Who connects to what. */
export interface TestConnection {
  readonly consumer: string;
  readonly provider: string;
  readonly service: string;
  /** A JSON text in the grant's properties, to make the contract large. */
  readonly ballast?: string;
}

const contentOf = (connection: TestConnection): ContractContent => {
  const now = Math.floor(Date.now() / 1000);
  const content = {
    fsc_version: "2.0.0",
    iv: v7(),
    group_id: "test",
    validity: { not_before: now, not_after: now + 86_400 },
    grants: [
      {
        data: {
          type: "GRANT_TYPE_SERVICE_CONNECTION",
          outway: {
            peer_id: connection.consumer,
            identification: {
              type: "OUTWAY_IDENTIFICATION_TYPE_PUBLIC_KEY_THUMBPRINT",
              public_key_thumbprint: "0".repeat(64),
            },
          },
          service: {
            type: "SERVICE_TYPE_SERVICE",
            peer_id: connection.provider,
            name: connection.service,
          },
          ...(connection.ballast === undefined
            ? {}
            : { properties: { ballast: connection.ballast } }),
        },
      },
    ],
    hash_algorithm: "HASH_ALGORITHM_SHA3_512",
    created_at: now,
  };
  const rule = peerIdRule(PEER_ID_PATTERN_DEFAULT);
  return parseContent(parseJson(Buffer.from(canonical(content))), {
    groupId: "test",
    peerIdRule: rule,
  });
};

/** A contract with one connection grant. */
export const connectionContract = (
  connection: TestConnection,
  decision: ContractDecision = "ACCEPTED",
): StoredContract => {
  const content = contentOf(connection);
  return {
    hash: contentHash(content),
    content,
    grants: grantHashes(content),
    signatures: [],
    decision,
    storedAt: Date.now(),
  };
};
