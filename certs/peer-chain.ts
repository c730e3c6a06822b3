// The certificates that the other side of a connection showed. Node.js takes those of a client out of the
// connection as soon as anybody reads its certificate, which it does itself right after the handshake
// (24.21): they are read just before that, and kept.
import { X509Certificate } from "node:crypto";
import type { DetailedPeerCertificate, PeerCertificate, TLSSocket } from "node:tls";

/** How many certificates of one connection are looked at; further ones are as if they had not been shown. */
export const SHOWN_MAX = 10;

const kept = new WeakMap<TLSSocket, readonly X509Certificate[]>();

/**
 * Reads and keeps what a client showed. To be called once a connection, when the handshake is done and
 * before anybody else reads its certificate: `serverTls` has it done by core/tls-server.ts. Never throws.
 */
export const keepPeerChain = (socket: TLSSocket): void => {
  const chain: X509Certificate[] = [];
  kept.set(socket, chain);
  try {
    let next = socket.getPeerX509Certificate();
    while (next !== undefined && chain.length < SHOWN_MAX) {
      chain.push(next);
      next = next.issuerCertificate;
    }
  } catch {
    // Whoever shows what cannot be read has shown nothing.
    chain.length = 0;
  }
};

/** What a client showed, its own certificate first, the others in any order; empty when it showed none. */
export const clientChainOf = (socket: TLSSocket): readonly X509Certificate[] => {
  if (!kept.has(socket)) keepPeerChain(socket);
  return kept.get(socket) ?? [];
};

/** What a server showed, of which Node.js has followed the issuers, its own certificate first and the anchor last. */
export const serverChainOf = (
  shown: PeerCertificate | DetailedPeerCertificate,
): readonly X509Certificate[] => {
  const chain: X509Certificate[] = [];
  const seen = new Set<object>();
  let next: PeerCertificate | undefined = shown;
  while (next !== undefined && chain.length < SHOWN_MAX && !seen.has(next)) {
    seen.add(next);
    chain.push(new X509Certificate(next.raw));
    next =
      "issuerCertificate" in next ? (next as DetailedPeerCertificate).issuerCertificate : undefined;
  }
  return chain;
};
