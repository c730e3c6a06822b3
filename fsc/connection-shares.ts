// Who may have another connection: while there is room every peer up to its limit, and when there is little, those
// with few before those with many.
import type { PeerId } from "../core/names.js";
import type { FscLimits } from "./fsc-limits.js";

/** What a peer may have however many peers there are. */
const SHARE_LEAST = 4;

/** An open connection. */
export interface SharedConnection {
  readonly caller: { readonly peerId: PeerId };
  /** Whether it can be ended without harm: nothing is being answered on it. */
  readonly isIdle: boolean;
}

/** What becomes of a connection that comes. */
export type Share<C> =
  | { readonly isTaken: true; /** Makes room for it: to be ended. */ readonly ended: C | undefined }
  | { readonly isTaken: false; /** The limit in words. */ readonly limit: string };

/**
 * Decides about a peer's next connection. As soon as half of all connections are open, a peer's fair share is that half
 * divided by the peers there are, and at least 4. Who has as many exchanges its oldest idle connection for the
 * new one; for one who has fewer, the peer with most gives up its oldest idle one if it has more than its share.
 *
 * @param open those of all peers, the oldest first
 */
export const shareFor = <C extends SharedConnection>(
  peerId: PeerId,
  open: readonly C[],
  { connectionsMax, connectionsPerPeerMax }: FscLimits,
): Share<C> => {
  const own = open.filter(({ caller }) => caller.peerId === peerId);
  if (own.length >= connectionsPerPeerMax) {
    return { isTaken: false, limit: `${String(connectionsPerPeerMax)} connections at once` };
  }
  const half = Math.floor(connectionsMax / 2);
  if (open.length < half) return { isTaken: true, ended: undefined };
  const byPeer = Map.groupBy(open, ({ caller }) => caller.peerId);
  const peers = byPeer.size + (own.length === 0 ? 1 : 0);
  const fair = Math.max(SHARE_LEAST, Math.floor(half / peers));
  if (own.length >= fair) {
    const ended = own.find(({ isIdle }) => isIdle);
    if (ended !== undefined) return { isTaken: true, ended };
    const limit = `${String(fair)} connections while all peers together have ${String(half)}`;
    return { isTaken: false, limit };
  }
  const ended = [...byPeer.values()]
    .filter(({ length }) => length > fair)
    .sort((a, b) => b.length - a.length)
    .flat()
    .find(({ isIdle }) => isIdle);
  return { isTaken: true, ended };
};
