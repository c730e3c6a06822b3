// The work of `schakel access`.
import type { Contract } from "../proto/gen/schakel/manager/v1/administration.js";
import { administer, present } from "./administration.js";
import { CommandError } from "./command.js";
import { contractOf, contractsThat, sign } from "./contract-calls.js";
import { contractDocument, givesAccess, haveSigned, stateOf } from "./contract-document.js";
import { contractTable, contractText, outcomeText, pasteable } from "./contract-text.js";
import { print } from "./print.js";
import type { CliSettings } from "./settings.js";
import type { DecisionWord, StateWord } from "./state-words.js";
import { checkWait, type WaitOptions } from "./wait-options.js";
import { waitWhenAsked } from "./waiting.js";

/** Which service is asked for. */
export interface AskedService {
  readonly peer: string;
  readonly service: string;
}

/** What `access request` is given; times are in seconds. */
export interface RequestOptions extends WaitOptions {
  readonly outway?: string;
  readonly publicKey?: string;
  readonly domain?: string;
  readonly onBehalfOf?: string;
  readonly let?: string;
  readonly offeredFor?: string;
  readonly from?: number;
  readonly valid?: number;
  readonly until?: number;
}

/** What `access list` is given. */
export interface ListOptions {
  readonly state?: StateWord;
  readonly peer?: string;
  readonly service?: string;
  readonly waiting?: true;
}

/** What a party can do with a request for access. */
export type AccessDecision = "approve" | "reject" | "withdraw" | "revoke";

/** Asks for access, and waits for the others' signatures when asked to. */
export const request = async (
  settings: CliSettings,
  { peer, service }: AskedService,
  options: RequestOptions,
): Promise<void> => {
  checkWait(options);
  const { created, ...answer } = await administer(settings, (ask) =>
    ask("requestAccess", {
      peerId: peer,
      serviceName: service,
      serviceDelegatorPeerId: options.offeredFor ?? "",
      outway: options.outway ?? "",
      publicKeyThumbprint: options.publicKey ?? "",
      domainName: options.domain ?? "",
      delegatorPeerId: options.onBehalfOf ?? "",
      outwayPeerId: options.let ?? "",
      notBefore: BigInt(options.from ?? 0),
      notAfter: BigInt(options.until ?? 0),
      validitySeconds: BigInt(options.valid ?? 0),
    }),
  );
  const contract = await waitWhenAsked(settings, present(answer.contract), options);
  print(settings, { created, contract: contractDocument(contract) }, () =>
    outcomeText(created ? "Asked, with the contract" : "Asked before, with the contract", contract),
  );
};

/** Lists contracts that give access. */
export const list = (settings: CliSettings, options: ListOptions): Promise<void> =>
  administer(settings, async (ask) => {
    const contracts = (await contractsThat(ask, options)).filter(givesAccess);
    print(settings, contracts.map(contractDocument), () => contractTable(contracts));
  });

const accessContract = (contract: Contract): Contract => {
  if (givesAccess(contract)) return contract;
  const hash = pasteable(contract.hash);
  throw new CommandError(
    `the contract ${hash} gives no access: it publishes a service`,
    `use 'schakel contract show ${hash}' and 'schakel contract sign ${hash}'`,
  );
};

/** Shows one contract. */
export const show = (settings: CliSettings, hash: string): Promise<void> =>
  administer(settings, async (ask) => {
    const contract = accessContract(await contractOf(ask, hash));
    print(settings, contractDocument(contract), () => contractText(contract));
  });

const SIGNATURES: Readonly<Record<AccessDecision, DecisionWord>> = {
  approve: "accept",
  reject: "reject",
  withdraw: "revoke",
  revoke: "revoke",
};

const DONE: Readonly<Record<AccessDecision, string>> = {
  approve: "Approved the contract",
  reject: "Rejected the contract",
  withdraw: "Withdrew the contract",
  revoke: "Revoked the contract",
};

/** Which other command fits, when a decision does not fit a contract that is still open. */
const instead = (contract: Contract, decision: AccessDecision): AccessDecision | undefined => {
  const state = stateOf(contract);
  if (state === "valid") {
    return decision === "reject" || decision === "withdraw" ? "revoke" : undefined;
  }
  if (state !== "proposed") return undefined;
  if (haveSigned(contract, "accept")) {
    return decision === "reject" || decision === "revoke" ? "withdraw" : undefined;
  }
  return decision === "withdraw" || decision === "revoke" ? "reject" : undefined;
};

const checkFits = (contract: Contract, decision: AccessDecision): void => {
  const better = instead(contract, decision);
  if (better === undefined || haveSigned(contract, SIGNATURES[decision])) return;
  const hash = pasteable(contract.hash);
  const state = stateOf(contract);
  const ours = haveSigned(contract, "accept") ? "which we have signed" : "which we have not signed";
  throw new CommandError(
    `the contract ${hash} is ${state === "valid" ? state : `${state}, ${ours}`}: there is nothing to ${decision}`,
    `what fits is 'schakel access ${better} ${hash}'`,
  );
};

/** Signs a contract, and waits for the others' signatures when asked to. The same decision again changes nothing. */
export const decide = async (
  settings: CliSettings,
  { hash, decision }: { readonly hash: string; readonly decision: AccessDecision },
  options: WaitOptions,
): Promise<void> => {
  checkWait(options);
  const { changed, ...signed } = await administer(settings, async (ask) => {
    const found = accessContract(await contractOf(ask, hash));
    checkFits(found, decision);
    return sign(ask, found.hash, SIGNATURES[decision]);
  });
  const contract = await waitWhenAsked(settings, signed.contract, options);
  print(settings, { changed, contract: contractDocument(contract) }, () =>
    outcomeText(changed ? DONE[decision] : "Nothing has changed with the contract", contract),
  );
};
