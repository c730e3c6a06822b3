// The endpoints about peers, services and certificates (FSC Core 2.0.0, Manager).
import { jwksOf } from "../contracts/jwks.js";
import { audienceOf } from "../contracts/token.js";
import { emptyReply, jsonReply, type Endpoint } from "./endpoint.js";
import { UNUSED_BODY_BYTES_MAX } from "./fsc-limits.js";
import { listReply } from "./list-reply.js";
import { LOGGING_EXTENSION, PROVABLE_LOG_EXTENSION, WITNESS_EXTENSION } from "./log-interface.js";
import type { ListedPeer, PublishedService } from "./manager-interface.js";
import { NO_PAGE, pageQuery, type Parameters } from "./queries.js";

const NAME_LENGTH_MAX = 255;

/** PUT /announce: 200 when it is known where the caller's manager is. */
export const announce: Endpoint = async (call, { handlers }) => {
  const from = { identity: call.caller, address: call.managerAddress() };
  // FSC has no body here; some clients send one all the same.
  await call.body({ type: "*", bytesMax: UNUSED_BODY_BYTES_MAX });
  await handlers.announce(from);
  return emptyReply(200);
};

/** GET /peer: who we are and what we speak. */
export const describePeer: Endpoint = (_call, { handlers, logs, witness }) => {
  const { peerId, name, fscVersion, extensions } = handlers.describe();
  const ofLogs = logs === undefined ? [] : [LOGGING_EXTENSION, PROVABLE_LOG_EXTENSION];
  const ofWitness = witness === undefined ? [] : [WITNESS_EXTENSION];
  return Promise.resolve(
    jsonReply({
      peer_id: peerId,
      peer_name: name,
      fsc_version: fscVersion,
      enabled_extensions: Object.fromEntries([...extensions, ...ofLogs, ...ofWitness]),
    }),
  );
};

const peerIdsOf = (parameters: Parameters, rule: (text: string) => ListedPeer["id"] | undefined) =>
  parameters.list("peer_id", rule, "a peer id by the group's rule");

const peerJson = ({ id, name, managerAddress }: ListedPeer) => ({
  id,
  name,
  manager_address: audienceOf(managerAddress),
});

/** GET /peers: the peers that are known. Ids overrule all other parameters. */
export const listPeers: Endpoint = ({ parameters }, { handlers, group, limits }) => {
  const page = pageQuery(parameters);
  const nameContains = parameters.one("peer_name", NAME_LENGTH_MAX);
  const peerIds = peerIdsOf(parameters, group.peerIdRule);
  const query =
    peerIds.length === 0
      ? { ...page, nameContains, peerIds }
      : { ...NO_PAGE, nameContains: undefined, peerIds };
  return listReply({
    name: "peers",
    limit: query.limit,
    isPaged: peerIds.length === 0,
    page: (limit) => handlers.listPeers({ ...query, limit }),
    json: peerJson,
    bytesMax: limits.pageBytesMax,
  });
};

const serviceTypeOf = ({ delegator }: PublishedService): string =>
  delegator === undefined ? "SERVICE_TYPE_SERVICE" : "SERVICE_TYPE_DELEGATED_SERVICE";

const serviceJson = (service: PublishedService) => {
  const { managerAddress, delegator, properties } = service;
  const type = serviceTypeOf(service);
  const address =
    managerAddress === undefined ? {} : { manager_address: audienceOf(managerAddress) };
  const data = {
    type,
    peer: { id: service.peerId, name: service.peerName, ...address },
    name: service.name,
    protocol: service.protocol,
    ...(properties === undefined ? {} : { properties }),
    ...(delegator === undefined
      ? {}
      : { delegator: { peer_id: delegator.peerId, peer_name: delegator.name } }),
  };
  // FSC's OpenAPI file asks for `type` beside `data` too, and does not say what it holds.
  return { type, data };
};

/** GET /services: the services with a valid publication contract. */
export const listServices: Endpoint = ({ parameters }, { handlers, group, limits }) => {
  const query = {
    ...pageQuery(parameters),
    peerId: parameters.parsed("peer_id", group.peerIdRule, "a peer id by the group's rule"),
    nameContains: parameters.one("service_name", NAME_LENGTH_MAX),
  };
  return listReply({
    name: "services",
    limit: query.limit,
    isPaged: true,
    page: (limit) => handlers.listServices({ ...query, limit }),
    json: serviceJson,
    bytesMax: limits.pageBytesMax,
  });
};

/** GET /.well-known/jwks.json: certificates that signed contracts or tokens. */
export const listCertificates: Endpoint = (_call, { handlers }) =>
  Promise.resolve(jsonReply(jwksOf(handlers.certificates())));
