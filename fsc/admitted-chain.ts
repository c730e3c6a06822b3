// By which certificates a peer was let in: what its revocation lists are fetched by.
import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { Group } from "../certs/group.js";
import { findPath } from "../certs/path-builder.js";
import { clientChainOf } from "../certs/peer-chain.js";

/**
 * The chain by which the peer of a connection was admitted, its own certificate first, without the anchor; what else
 * it showed is left out. Undefined when there is none any more.
 */
export const admittedChain = (
  socket: TLSSocket,
  group: Group,
): readonly X509Certificate[] | undefined => {
  const [leaf, ...issuers] = clientChainOf(socket);
  if (leaf === undefined) return undefined;
  const purposes = ["client authentication"] as const;
  return findPath(leaf, issuers, group, { now: Date.now(), purposes }).chain;
};
