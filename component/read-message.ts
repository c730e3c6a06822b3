// Takes the pieces of the manager's messages: whatever does not have its form, or is not what its hash says,
// is refused.
import type { X509Certificate } from "node:crypto";
import { CERTIFICATE_BYTES_MAX, CHAIN_LENGTH_MAX } from "../certs/chain.js";
import { readCertificates } from "../certs/pem.js";
import { CRL_BYTES_MAX, type RevocationList } from "../certs/revocation-list.js";
import { PROTOCOLS, type Protocol } from "../contracts/grant.js";
import { parseContent, CONTENT_BYTES_MAX, type ContractGroup } from "../contracts/content.js";
import { contentHash, parseGrantHash } from "../contracts/hash.js";
import { parseJson } from "../contracts/json.js";
import type { ContractDecision } from "../contracts/state.js";
import { parseAddress, type Address } from "../core/address.js";
import {
  parseComponentName,
  parseServiceName,
  type PeerId,
  type PeerIdRule,
} from "../core/names.js";
import * as wire from "../proto/gen/schakel/manager/v1/component.js";
import type { HeldContract, OfferedService, OutwayClient } from "./component-state.js";

const URL_LENGTH_MAX = 2_000;
const OPENAPI_PATH = /^\/[!-~]{0,499}$/;
const TOKEN_HASH_BYTES = 32;
const CLIENT_GRANTS_MAX = 1_000;

/** A piece of a message that is not believed. */
export class MessageError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "MessageError";
  }
}

const refuse = (reason: string): never => {
  throw new MessageError(reason);
};

// A decision that is not known here permits nothing, as one that is not stated.
const DECISIONS = new Map<wire.ContractDecision, ContractDecision>([
  [wire.ContractDecision.CONTRACT_DECISION_PROPOSED, "PROPOSED"],
  [wire.ContractDecision.CONTRACT_DECISION_ACCEPTED, "ACCEPTED"],
  [wire.ContractDecision.CONTRACT_DECISION_REJECTED, "REJECTED"],
  [wire.ContractDecision.CONTRACT_DECISION_REVOKED, "REVOKED"],
]);

/** The decision as it is sent. */
export const wireDecision = (decision: ContractDecision): wire.ContractDecision =>
  [...DECISIONS].find(([, each]) => each === decision)?.[0] ??
  wire.ContractDecision.CONTRACT_DECISION_UNSPECIFIED;

/**
 * Reads a contract; its hash is computed again over what the content says.
 *
 * @param known the contract with this hash as it is held already: its content cannot be another
 * @throws MessageError, ContractRefusal or JsonError
 */
export const readContract = (
  { hash, content: bytes, decision: sent }: wire.ContractState,
  group: ContractGroup,
  known: HeldContract | undefined,
): HeldContract => {
  const decision = DECISIONS.get(sent) ?? "PROPOSED";
  if (known?.content.group_id === group.groupId) return Object.freeze({ ...known, decision });
  if (bytes.length > CONTENT_BYTES_MAX) refuse(`its content has ${String(bytes.length)} bytes`);
  const content = parseContent(parseJson(bytes), group);
  const computed = contentHash(content);
  if (computed !== hash)
    refuse(`its hash is ${computed}, the manager says "${hash.slice(0, 100)}"`);
  return Object.freeze({ hash: computed, content, decision });
};

const sourceOf = (text: string): URL => {
  const url = text.length > URL_LENGTH_MAX ? null : URL.parse(text);
  const plain =
    url !== null &&
    ["http:", "https:"].includes(url.protocol) &&
    [url.username, url.password, url.search, url.hash].every((part) => part === "") &&
    url.hostname !== "";
  return plain
    ? url
    : refuse("its source is not http(s)://HOST[:PORT] without user, query or fragment");
};

/** Of a manager that says nothing it is the first. */
const protocolOf = ({ name, protocol }: wire.OfferedService): Protocol =>
  PROTOCOLS.find((known) => known === (protocol === "" ? PROTOCOLS[0] : protocol)) ??
  refuse(`the protocol of ${name} is unknown`);

/** Reads a service. Throws MessageError. */
export const readService = (service: wire.OfferedService): OfferedService => {
  const name = parseServiceName(service.name) ?? refuse("its name is none of a service");
  const { openapiPath } = service;
  if (openapiPath !== "" && !OPENAPI_PATH.test(openapiPath)) {
    refuse(`the OpenAPI path of ${name} is not a path of at most 500 characters`);
  }
  return Object.freeze({
    name,
    source: sourceOf(service.sourceUrl),
    openapiPath: openapiPath === "" ? undefined : openapiPath,
    protocol: protocolOf(service),
    published: service.published,
  });
};

/** Reads a client of outways. Throws MessageError. */
export const readClient = (client: wire.OutwayClient): OutwayClient => {
  const name = parseComponentName(client.name) ?? refuse("its name is none of a client");
  const { tokenHash, grantHashes } = client;
  if (tokenHash.length !== 0 && tokenHash.length !== TOKEN_HASH_BYTES) {
    refuse(`the hash of the token of ${name} has ${String(tokenHash.length)} bytes`);
  }
  if (grantHashes.length > CLIENT_GRANTS_MAX) refuse(`${name} has too many grants`);
  const grants = grantHashes.map(
    (text) => parseGrantHash(text)?.hash ?? refuse(`a grant of ${name} is no grant hash`),
  );
  return Object.freeze({
    name,
    tokenHash: tokenHash.length === 0 ? undefined : Buffer.from(tokenHash),
    grantHashes: new Set(grants),
  });
};

/** Reads where another peer's manager is. Throws MessageError. */
export const readManager = (
  { peerId, address }: wire.PeerManager,
  rule: PeerIdRule,
): readonly [PeerId, Address] => {
  const parsed = parseAddress(address);
  return [
    rule(peerId) ?? refuse("its peer id is none of the group"),
    parsed === undefined || parsed.port === 0
      ? refuse(`the address of the manager of peer ${peerId} is not HOST:PORT`)
      : parsed,
  ];
};

/** Reads one certificate; nothing of it is believed yet. Throws MessageError or CertificateError. */
export const readCertificate = (der: Uint8Array): X509Certificate => {
  if (der.length > CERTIFICATE_BYTES_MAX) refuse(`a certificate of ${String(der.length)} bytes`);
  const base64 = Buffer.from(der).toString("base64");
  const pem = `-----BEGIN CERTIFICATE-----\n${base64.replaceAll(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
  const [certificate] = readCertificates(pem, 1);
  return certificate?.raw.equals(der) === true ? certificate : refuse("a certificate is not DER");
};

/** Reads a revocation list; nothing of it is believed yet. Throws MessageError or CertificateError. */
export const readRevocationList = ({ crl, issuerChain }: wire.RevocationList): RevocationList => {
  if (crl.length > CRL_BYTES_MAX) refuse(`it has ${String(crl.length)} bytes`);
  if (issuerChain.length > CHAIN_LENGTH_MAX) {
    refuse(`its chain has ${String(issuerChain.length)} certificates`);
  }
  return Object.freeze({ crl: Buffer.from(crl), issuerChain: issuerChain.map(readCertificate) });
};
