// Opens a gRPC channel to one server of another organisation, under the same rules as every dial: the
// address checked and resolved once, and the peer checked during the handshake.
import {
  credentials,
  type ChannelCredentials,
  type ChannelOptions,
  type Client,
  type ClientOptions,
} from "@grpc/grpc-js";
import { isIP } from "node:net";
import type { PeerCertificate, SecureContext } from "node:tls";
import { formatAddress, type Address } from "./address.js";
import { resolveAddress, type DialPolicy } from "./dial.js";

const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
const SESSION_MEMORY_MB_MAX = 32;

/** The constructor of a client, as ts-proto generates it and as grpc-js makes it of a loaded .proto file. */
export type GrpcClientConstructor<C extends Client> = new (
  target: string,
  credentials: ChannelCredentials,
  options: Partial<ClientOptions>,
) => C;

/** Whom to reach, and how to know that it is them. */
export interface GrpcEndpoint {
  readonly address: Address;
  readonly policy: DialPolicy;
  /** The name for SNI and for the certificate check; the address's host unless given. */
  readonly serverName?: string | undefined;
  /** How large an answer may be, in bytes; 4 MiB unless given. */
  readonly messageBytesMax?: number | undefined;
  /** From certs/: our certificate, the anchors and the TLS versions. */
  readonly secureContext: SecureContext;
  /** From certs/: whether the certificate is the expected peer's. An error ends the handshake. */
  readonly checkServerIdentity: (host: string, certificate: PeerCertificate) => Error | undefined;
}

// An IP address is no name for SNI (RFC 6066, 3), and the library sends one in any case: then this one, which
// nothing has. The check of the certificate is given the address.
const NO_SERVER_NAME = "address.invalid";

const channelOptions = (address: Address, name: string): ChannelOptions => ({
  // The target is an IP address, so the name for SNI is said apart.
  "grpc.ssl_target_name_override": isIP(name) === 0 ? name : NO_SERVER_NAME,
  "grpc.default_authority": formatAddress(address),
  "grpc.enable_retries": 0,
  // Nothing in the environment may send the connection through a proxy.
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
  // A channel owns its connection, so that closing the one closes the other.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.enable_channelz": 0,
  "grpc.keepalive_time_ms": KEEPALIVE_MS,
  "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  "grpc-node.max_session_memory": SESSION_MEMORY_MB_MAX,
});

/**
 * Opens a channel. It connects with its first call; a failed handshake shows there as UNAVAILABLE with
 * the reason. The channel never resolves again: after a failure the caller closes it and opens another.
 *
 * @returns the client, which the caller closes
 * @throws DialRefused or the resolver's error
 */
export const openGrpcClient = async <C extends Client>(
  constructor: GrpcClientConstructor<C>,
  endpoint: GrpcEndpoint,
): Promise<C> => {
  const { address, policy, secureContext, serverName = address.host } = endpoint;
  const ip = await resolveAddress(address, policy);
  const target = `${isIP(ip) === 6 ? "ipv6" : "ipv4"}:${formatAddress({ host: ip, port: address.port })}`;
  const checkServerIdentity = (_host: string, certificate: PeerCertificate) =>
    endpoint.checkServerIdentity(serverName, certificate);
  const secure = credentials.createFromSecureContext(secureContext, { checkServerIdentity });
  return new constructor(target, secure, {
    ...channelOptions(address, serverName),
    "grpc.max_receive_message_length": endpoint.messageBytesMax ?? MESSAGE_BYTES_MAX,
  });
};
