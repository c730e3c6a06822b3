// What is held as one message of the manager's stream: the form in which it lies on the disk.
import { canonical } from "../contracts/jcs.js";
import { formatAddress } from "../core/address.js";
import type { WatchStateResponse } from "../proto/gen/schakel/manager/v1/component.js";
import type { Held } from "./held.js";
import { wireDecision } from "./read-message.js";

/** The inverse of reading: a snapshot in one message. */
export const messageOf = (held: Held): WatchStateResponse => ({
  snapshot: true,
  snapshotComplete: true,
  heartbeatIntervalMs: 0n,
  contracts: [...held.contracts.values()].map(({ hash, content, decision }) => ({
    hash,
    content: Buffer.from(canonical(content)),
    decision: wireDecision(decision),
  })),
  removedContracts: [],
  services: {
    services: held.services.map(({ name, source, openapiPath, protocol, published }) => ({
      ...{ name, protocol },
      sourceUrl: source.href,
      openapiPath: openapiPath ?? "",
      published,
    })),
  },
  tokenSigners: { certificates: held.tokenSigners.map(({ raw }) => raw) },
  clients: {
    clients: held.clients.map(({ name, tokenHash, grantHashes }) => ({
      name,
      tokenHash: tokenHash ?? Buffer.of(),
      grantHashes: [...grantHashes],
    })),
  },
  managers: [...held.managers].map(([peerId, address]) => ({
    peerId,
    address: formatAddress(address),
  })),
  revocationLists: [...held.revocationLists.values()].map(({ list }) => ({
    crl: list.crl,
    issuerChain: list.issuerChain.map(({ raw }) => raw),
  })),
});
