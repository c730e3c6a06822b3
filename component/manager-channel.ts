// A channel from a component to the manager of its own organisation.
import type { Client } from "@grpc/grpc-js";
import type { X509Certificate } from "node:crypto";
import type { InternalBundle } from "../certs/internal-bundle.js";
import {
  checkManager,
  enrolmentSecureContext,
  internalSecureContext,
} from "../certs/internal-tls.js";
import type { Address } from "../core/address.js";
import type { DialPolicy } from "../core/dial.js";
import { openGrpcClient, type GrpcClientConstructor } from "../core/grpc-client.js";

/** How a manager is dialled: it is our own organisation's, so on any port, and on private addresses too. */
export const MANAGER_DIALS: DialPolicy = {
  ports: undefined,
  privateAddresses: true,
  hosts: new Map(),
};

// The manager is known by its role, not by a name; a fixed one serves where the address is an IP address.
const SERVER_NAME = "manager";

/** Whom a component without a certificate reaches, and by which root it knows them. */
export interface FirstDialling {
  readonly address: Address;
  /** The internal CA's root. */
  readonly anchor: X509Certificate;
}

/** Opens a channel as `openManager` does, for a component that has no certificate yet. */
export const openManagerFirst = <C extends Client>(
  constructor: GrpcClientConstructor<C>,
  { address, anchor }: FirstDialling,
): Promise<C> =>
  openGrpcClient(constructor, {
    address,
    policy: MANAGER_DIALS,
    serverName: SERVER_NAME,
    secureContext: enrolmentSecureContext(anchor),
    checkServerIdentity: checkManager({ anchor }),
  });

/** What a channel is opened with. */
export interface ManagerDialling {
  readonly bundle: InternalBundle;
  /** Where the manager is; what the identity folder says unless given. */
  readonly address?: Address | undefined;
  /** How large an answer may be, in bytes; 4 MiB unless given. */
  readonly messageBytesMax?: number | undefined;
}

/**
 * Opens a channel to the manager; what answers must hold a certificate of the internal CA with the role
 * manager. It connects with its first call; a failed handshake shows there as UNAVAILABLE.
 *
 * @returns the client, which the caller closes
 * @throws Error when neither the options nor the identity folder say where the manager is; DialRefused or
 * the resolver's error
 */
export const openManager = async <C extends Client>(
  constructor: GrpcClientConstructor<C>,
  { bundle, address = bundle.manager, messageBytesMax }: ManagerDialling,
): Promise<C> => {
  if (address === undefined) {
    throw new Error("the identity folder does not say where the manager is (file 'manager')");
  }
  return await openGrpcClient(constructor, {
    address,
    messageBytesMax,
    policy: MANAGER_DIALS,
    serverName: SERVER_NAME,
    secureContext: internalSecureContext(bundle),
    checkServerIdentity: checkManager(bundle),
  });
};
