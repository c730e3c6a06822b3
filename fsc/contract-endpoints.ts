// The endpoints about contracts (FSC Core 2.0.0, Manager): submit, accept, reject, revoke, list.
import { contractJson, parseSubmission, SUBMISSION_BYTES_MAX } from "../contracts/contract.js";
import { GRANT_TYPES } from "../contracts/grant.js";
import { parseGrantHash } from "../contracts/hash.js";
import { emptyReply, type Endpoint } from "./endpoint.js";
import { listReply } from "./list-reply.js";
import type { ContractQuery, SubmissionKind } from "./manager-interface.js";
import { NO_PAGE, pageQuery, type Parameters } from "./queries.js";
import { contractGroup } from "./wire.js";

const SUBMISSION = { type: "application/json", bytesMax: SUBMISSION_BYTES_MAX };

/** POST /contracts and PUT /contracts/{hash}/accept, reject, revoke: 201 when contract and signature are stored. */
export const submitting =
  (kind: SubmissionKind): Endpoint =>
  async (call, { handlers, group }) => {
    const from = { identity: call.caller, address: call.managerAddress() };
    const submission = parseSubmission(await call.body(SUBMISSION), contractGroup(group));
    await handlers.receive(kind, submission, from, call.segment);
    return emptyReply(201);
  };

const contractQuery = (parameters: Parameters): ContractQuery => {
  const page = pageQuery(parameters);
  const grantType = parameters.parsed(
    "grant_type",
    (text) => GRANT_TYPES.find((type) => type === text),
    GRANT_TYPES.join(" or "),
  );
  const grantHashes = parameters.list(
    "grant_hash",
    (text) => parseGrantHash(text)?.hash,
    "a grant hash ($1$, 2 to 5, $ and 86 characters)",
  );
  // Hashes overrule all other parameters.
  return grantHashes.length === 0
    ? { ...page, grantType, grantHashes }
    : { ...NO_PAGE, grantType: undefined, grantHashes };
};

/** GET /contracts: those that the caller is a party of. */
export const listContracts: Endpoint = ({ caller, parameters }, { handlers, limits }) => {
  const query = contractQuery(parameters);
  return listReply({
    name: "contracts",
    limit: query.limit,
    isPaged: query.grantHashes.length === 0,
    page: (limit) => handlers.listContracts({ ...query, limit }, caller),
    json: contractJson,
    bytesMax: limits.pageBytesMax,
  });
};
