// What a component holds of its manager's words: each piece verified when it came, all of it replaced
// whole. A stream's messages and the copy on disk go through the same door.
import type { X509Certificate } from "node:crypto";
import { attribute, replaces, type AttributedList } from "../certs/attributed-list.js";
import type { Group } from "../certs/group.js";
import type { ContractGroup } from "../contracts/content.js";
import type { ContentHash } from "../contracts/hash.js";
import type { Address } from "../core/address.js";
import type { PeerId } from "../core/names.js";
import type { WatchStateResponse } from "../proto/gen/schakel/manager/v1/component.js";
import type { HeldContract, OfferedService, OutwayClient } from "./component-state.js";
import {
  readCertificate,
  readClient,
  readContract,
  readManager,
  readRevocationList,
  readService,
} from "./read-message.js";

/** How many contracts a component holds at most. */
export const CONTRACTS_MAX = 100_000;
/** How many services, clients, managers, token signers or revocation lists it holds at most. */
export const ENTRIES_MAX = 10_000;

/** Everything at one moment. */
export interface Held {
  readonly contracts: ReadonlyMap<ContentHash, HeldContract>;
  readonly services: readonly OfferedService[];
  /** As the manager lists them; their paths are checked when they are used. */
  readonly tokenSigners: readonly X509Certificate[];
  readonly clients: readonly OutwayClient[];
  readonly managers: ReadonlyMap<PeerId, Address>;
  /** The newest of each CA, by `issuerId`. */
  readonly revocationLists: ReadonlyMap<string, AttributedList>;
}

/** What is held before anything has come. */
export const NOTHING: Held = {
  contracts: new Map(),
  services: [],
  tokenSigners: [],
  clients: [],
  managers: new Map(),
  revocationLists: new Map(),
};

/** How messages are read. */
export interface Reading {
  readonly group: ContractGroup & Pick<Group, "anchors">;
  /** Told of each piece that is not believed and left out, with the reason. */
  readonly leftOut: (what: string, reason: string) => void;
}

/** Reads each piece; one that is not believed is left out, so that it can permit nothing and the rest goes on. */
const readAll = <W, T>(
  { leftOut }: Reading,
  wire: readonly W[],
  { what, read }: { readonly what: string; readonly read: (each: W) => T },
): readonly T[] => {
  if (wire.length > CONTRACTS_MAX) throw new Error(`too many in one message: ${what}`);
  return wire.flatMap((each) => {
    try {
      return [read(each)];
    } catch (error) {
      leftOut(what, error instanceof Error ? error.message : String(error));
      return [];
    }
  });
};

const contractsOf = (
  { contracts: before }: Held,
  message: WatchStateResponse,
  reading: Reading,
): ReadonlyMap<ContentHash, HeldContract> => {
  const contracts = new Map(before);
  // What was known under the hash counts no more, also when what came instead is not believed.
  for (const { hash } of message.contracts) contracts.delete(hash as ContentHash);
  for (const hash of message.removedContracts) contracts.delete(hash as ContentHash);
  const known = (hash: string): HeldContract | undefined => before.get(hash as ContentHash);
  const read = readAll(reading, message.contracts, {
    what: "contract",
    read: (each) => readContract(each, reading.group, known(each.hash)),
  });
  for (const contract of read) contracts.set(contract.hash, contract);
  return contracts;
};

const managersOf = (
  { managers: before }: Held,
  message: WatchStateResponse,
  reading: Reading,
): ReadonlyMap<PeerId, Address> => {
  const read = (each: WatchStateResponse["managers"][number]) =>
    readManager(each, reading.group.peerIdRule);
  return new Map([...before, ...readAll(reading, message.managers, { what: "manager", read })]);
};

const listsOf = (
  { revocationLists: before }: Held,
  message: WatchStateResponse,
  reading: Reading,
): ReadonlyMap<string, AttributedList> => {
  const read = (each: WatchStateResponse["revocationLists"][number]): AttributedList => {
    const { crl, issuerChain } = readRevocationList(each);
    return attribute(crl, { anchors: reading.group.anchors, chains: [issuerChain] });
  };
  const lists = new Map(before);
  for (const list of readAll(reading, message.revocationLists, { what: "revocation list", read })) {
    // An older list would make a revoked certificate count again.
    if (replaces(list, lists.get(list.issuerId))) lists.set(list.issuerId, list);
  }
  return lists;
};

const checkSize = (held: Held): void => {
  const { contracts, services, tokenSigners, clients, managers, revocationLists } = held;
  const entries = [services, tokenSigners, clients].map(({ length }) => length);
  const largest = Math.max(...entries, managers.size, revocationLists.size);
  if (contracts.size > CONTRACTS_MAX || largest > ENTRIES_MAX) {
    throw new Error(
      `the state is too large: allowed are ${String(CONTRACTS_MAX)} contracts and ${String(ENTRIES_MAX)} of anything else`,
    );
  }
};

/** Whether a message says that anything is otherwise than before; a heartbeat does not. */
export const saysSomething = (message: WatchStateResponse): boolean =>
  message.contracts.length > 0 ||
  message.removedContracts.length > 0 ||
  message.managers.length > 0 ||
  message.revocationLists.length > 0 ||
  [message.services, message.tokenSigners, message.clients].some((list) => list !== undefined);

/**
 * What is held after a message. A piece that is not believed is left out and reported; what it would have replaced
 * counts no more.
 *
 * @throws Error when the whole would become too large
 */
export const applied = (held: Held, message: WatchStateResponse, reading: Reading): Held => {
  const { services, tokenSigners, clients } = message;
  const changes = <W, T>(
    list: readonly W[] | undefined,
    before: readonly T[],
    how: { readonly what: string; readonly read: (each: W) => T },
  ): readonly T[] => (list === undefined ? before : readAll(reading, list, how));
  const next: Held = {
    contracts: contractsOf(held, message, reading),
    services: changes(services?.services, held.services, { what: "service", read: readService }),
    tokenSigners: changes(tokenSigners?.certificates, held.tokenSigners, {
      what: "token signer",
      read: readCertificate,
    }),
    clients: changes(clients?.clients, held.clients, { what: "client", read: readClient }),
    managers: managersOf(held, message, reading),
    revocationLists: listsOf(held, message, reading),
  };
  checkSize(next);
  return next;
};
