// How a component gets its first internal certificate: it makes sure that the manager is the one its code
// comes from, tells it the secret, and writes its identity folder.
import type { KeyObject, X509Certificate } from "node:crypto";
import type { EnrolmentCode } from "../certs/enrolment-code.js";
import { anchorShown, firstContactTls } from "../certs/first-contact.js";
import { prepareIdentity, type PreparedIdentity } from "../certs/identity-folder.js";
import type { InternalIdentity } from "../certs/internal-identity.js";
import { createKeyRequest } from "../certs/key-request.js";
import { createRsaKey } from "../certs/private-key.js";
import { checkReceived } from "../certs/received-certificate.js";
import type { Address } from "../core/address.js";
import { peek } from "../core/dial.js";
import {
  EnrolmentServiceClient,
  type EnrolRequest,
  type EnrolResponse,
} from "../proto/gen/schakel/manager/v1/enrolment.js";
import { callManager } from "./manager-call.js";
import { MANAGER_DIALS, openManagerFirst } from "./manager-channel.js";

const CONTACT_TIMEOUT_MS = 10_000;

/** What is needed to enrol. */
export interface Enrolling {
  readonly code: EnrolmentCode;
  readonly manager: Address;
  /** Where the identity folder will be; absent or empty. */
  readonly dir: string;
}

/** The manager's root, from a handshake in which nothing of ours is sent. */
const meet = ({ code, manager }: Enrolling): Promise<X509Certificate> =>
  peek(
    {
      address: manager,
      policy: MANAGER_DIALS,
      tls: firstContactTls(),
      timeoutMs: CONTACT_TIMEOUT_MS,
    },
    (socket) => anchorShown(socket, code.caKeyHash),
  );

const exchange = async (
  manager: Address,
  anchor: X509Certificate,
  request: EnrolRequest,
): Promise<EnrolResponse> => {
  const client = await openManagerFirst(EnrolmentServiceClient, { address: manager, anchor });
  try {
    return await callManager((...rest) => client.enrol(request, ...rest));
  } finally {
    client.close();
  }
};

const fetchInto = async (
  prepared: PreparedIdentity,
  key: KeyObject,
  enrolling: Enrolling,
): Promise<InternalIdentity> => {
  const { code, manager } = enrolling;
  const anchor = await meet(enrolling);
  const request = { secret: code.secret, certificateRequest: createKeyRequest(key) };
  const answer = await exchange(manager, anchor, request);
  const { chain, identity } = checkReceived(answer, { key, anchor });
  await prepared.complete({ chain, anchor, manager });
  return identity;
};

/**
 * Exchanges a code for an identity folder. The secret goes over a connection alone whose other side has shown
 * a certificate of the CA that the code names, with the role manager. The folder appears whole or not at all.
 *
 * @returns who the component is from now on
 * @throws IdentityExists; CertificateError when something else than the manager answers; ManagerError when it
 * refuses; DialRefused or a system error when it cannot be reached
 */
export const enrol = async (enrolling: Enrolling): Promise<InternalIdentity> => {
  const key = await createRsaKey();
  const prepared = await prepareIdentity(enrolling.dir, key);
  try {
    return await fetchInto(prepared, key, enrolling);
  } catch (error) {
    await prepared.abandon();
    throw error;
  }
};
