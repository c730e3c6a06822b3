// What several commands do with contracts: finding, listing and signing them.
import { status } from "@grpc/grpc-js";
import { ManagerError } from "../component/manager-call.js";
import type {
  Contract,
  ListContractsRequest,
} from "../proto/gen/schakel/manager/v1/administration.js";
import { present, type Ask } from "./administration.js";
import { CommandError } from "./command.js";
import { kindName, stateName, stateOf } from "./contract-document.js";
import { pasteable } from "./contract-text.js";
import type { DecisionWord, StateWord } from "./state-words.js";

/** So many contracts are asked for at once; fewer when they are so large that an answer cannot hold them. */
const PAGE_SIZE = 100;

const HASH_BEGIN = "$1$1$";

/** The hash or begin of one that a user gave, also without the `$1$1$` that a shell may have taken away. */
export const hashGiven = (text: string): string => {
  const bare = /^\$[0-9]+\$/.test(text) ? text : `${HASH_BEGIN}${text}`;
  return text === "" ? text : bare;
};

/** Which contracts to list. */
export interface ContractFilter {
  readonly state?: StateWord | undefined;
  readonly peer?: string | undefined;
  readonly service?: string | undefined;
  readonly grantType?: string | undefined;
  readonly waiting?: boolean | undefined;
}

const requestOf = (filter: ContractFilter): ListContractsRequest => ({
  state: stateName(filter.state),
  peerId: filter.peer ?? "",
  serviceName: filter.service ?? "",
  grantType: filter.grantType ?? "",
  waitingForUs: filter.waiting ?? false,
  pageSize: PAGE_SIZE,
  pageToken: "",
});

const TOO_LARGE: number = status.RESOURCE_EXHAUSTED;

const isTooLarge = (error: unknown): boolean =>
  error instanceof ManagerError && error.status === TOO_LARGE && error.code === undefined;

const pageOf = async (
  ask: Ask,
  request: ListContractsRequest,
): Promise<{ readonly contracts: Contract[]; readonly next: ListContractsRequest }> => {
  try {
    const { contracts, nextPageToken } = await ask("listContracts", request);
    return { contracts, next: { ...request, pageToken: nextPageToken } };
  } catch (error) {
    if (request.pageSize === 1 || !isTooLarge(error)) throw error;
    return pageOf(ask, { ...request, pageSize: Math.ceil(request.pageSize / 2) });
  }
};

/** Every contract that a filter finds, newest first. */
export const contractsThat = async (ask: Ask, filter: ContractFilter): Promise<Contract[]> => {
  const found: Contract[] = [];
  let request = requestOf(filter);
  do {
    const { contracts, next } = await pageOf(ask, request);
    found.push(...contracts);
    request = next;
  } while (request.pageToken !== "");
  return found;
};

/** The contract that a hash or its begin names. */
export const contractOf = async (ask: Ask, hash: string): Promise<Contract> =>
  present((await ask("getContract", { hash: hashGiven(hash) })).contract);

/**
 * Signs a contract.
 *
 * @throws CommandError when we had accepted it before and it has ended since: that is no success
 */
export const sign = async (
  ask: Ask,
  hash: string,
  decision: DecisionWord,
): Promise<{ readonly contract: Contract; readonly changed: boolean }> => {
  const request = { hash: hashGiven(hash), kind: kindName(decision) };
  const { changed, ...answer } = await ask("signContract", request);
  const contract = present(answer.contract);
  const state = stateOf(contract);
  if (decision === "accept" && state !== "proposed" && state !== "valid") {
    throw new CommandError(
      `the contract ${pasteable(contract.hash)} is ${state}: that we accepted it has no effect any more`,
      "what has ended is final: propose another contract",
    );
  }
  return { contract, changed };
};
