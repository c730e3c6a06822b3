// How a component that has no certificate yet knows the manager: by the hash of the internal CA's key alone.
import type { X509Certificate } from "node:crypto";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { CertificateError } from "./certificate-error.js";
import { CHAIN_LENGTH_MAX, isRoot } from "./chain.js";
import { keyHashOf } from "./internal-ca.js";
import { managerMismatch } from "./internal-tls.js";

/** Options for a handshake in which any certificate is shown to us, for `core/dial.ts` `peek` alone. */
export const firstContactTls = (): ConnectionOptions => ({
  minVersion: "TLSv1.3",
  ALPNProtocols: ["h2"],
  rejectUnauthorized: false,
});

const shownBy = (socket: TLSSocket): X509Certificate[] => {
  const chain: X509Certificate[] = [];
  let at = socket.getPeerX509Certificate();
  while (at !== undefined && chain.length <= CHAIN_LENGTH_MAX) {
    chain.push(at);
    at = at.issuerCertificate;
  }
  return chain;
};

/**
 * The internal CA's root in the chain that a server shows, when the server is the manager of that CA. With
 * it as anchor the connection that matters is made.
 *
 * @param keyHash SHA-256 of the root's SubjectPublicKeyInfo, from an enrolment code
 * @throws CertificateError when no root with this key is shown, or the chain below it is not the manager's
 */
export const anchorShown = (socket: TLSSocket, keyHash: Buffer): X509Certificate => {
  const chain = shownBy(socket);
  const index = chain.findIndex((each) => keyHashOf(each).equals(keyHash));
  const anchor = chain[index];
  if (anchor === undefined || !isRoot(anchor)) {
    throw new CertificateError(
      "what answers is not the manager that the code was made by: it does not show the internal CA's root",
    );
  }
  const below = chain.slice(0, index).map(({ raw }) => raw);
  const mismatch = managerMismatch(below, anchor);
  if (mismatch !== undefined) {
    throw new CertificateError(mismatch.message, { cause: mismatch });
  }
  return anchor;
};
