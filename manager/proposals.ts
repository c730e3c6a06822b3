// Proposing contracts, each once: what somebody asks for again names the contract that is there.
import type { Group } from "../certs/group.js";
import {
  CONTENT_BYTES_MAX,
  FSC_VERSION,
  parseContent,
  proposeContent,
  type Validity,
} from "../contracts/content.js";
import { parseBody } from "../contracts/contract.js";
import type { GrantData } from "../contracts/grant.js";
import { canonical } from "../contracts/jcs.js";
import { isJsonObject, type JsonObject } from "../contracts/json.js";
import { ContractRefusal } from "../contracts/refusal.js";
import { stateAt } from "../contracts/state.js";
import type { Clock } from "../core/clock.js";
import { SchakelError } from "../core/errors.js";
import { newTransactionId } from "../core/names.js";
import type { ContractBook } from "../fsc/contract-book.js";
import type { StoredContract } from "../fsc/stored-contract.js";
import { contractsOf } from "../fsc/all-contracts.js";
import { invalidRequest } from "./request.js";

/** A contract that was named or made. */
export interface Proposed {
  readonly contract: StoredContract;
  readonly created: boolean;
}

/** A grant that is wanted, and what a contract must offer to serve instead of a new one. */
export interface Wanted {
  readonly grant: GrantData;
  readonly validity: Validity;
  /** Whether a contract with this validity does as well. */
  readonly isServedBy: (validity: Validity) => boolean;
}

/** What proposing stands on. */
export interface ProposalParts {
  readonly book: Pick<ContractBook, "list" | "propose">;
  readonly group: () => Group;
  readonly clock: Clock;
}

/** A grant without what may be written in several ways. */
const grantKey = (grant: GrantData): string => {
  if (!("outway" in grant)) return canonical(grant);
  const { identification } = grant.outway;
  const plain =
    identification.type === "OUTWAY_IDENTIFICATION_TYPE_DOMAIN_NAME"
      ? { ...identification, domain_name: identification.domain_name.toLowerCase() }
      : {
          ...identification,
          public_key_thumbprint: identification.public_key_thumbprint.toLowerCase(),
        };
  return canonical({ ...grant, outway: { ...grant.outway, identification: plain } });
};

/** Whether a contract says everything that a text says. */
const says = ({ content }: StoredContract, given: JsonObject): boolean => {
  const members = content as unknown as JsonObject;
  return Object.entries(given).every(
    ([name, value]) => members[name] !== undefined && canonical(members[name]) === canonical(value),
  );
};

const OURS: readonly string[] = ["ERROR_CODE_REQUEST_INVALID", "ERROR_CODE_CONTRACT_INVALID"];

/** What another manager would be told with a code of FSC, a person is told as one error that names the code. */
const namingCode = (error: unknown): unknown =>
  error instanceof ContractRefusal && !OURS.includes(error.code)
    ? new SchakelError("ERROR_CODE_CONTRACT_INVALID", {
        detail: `${error.code}: ${error.detail}`,
        cause: error,
      })
    : error;

/** Proposes contracts. Looking for one and making one are one step, whoever asks at the same time. */
export class Proposals {
  readonly #with: ProposalParts;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: ProposalParts) {
    this.#with = parts;
  }

  /**
   * The contract that is valid or waits, has the grant and serves the time that is wanted; a new one
   * when there is none.
   *
   * @throws SchakelError ERROR_CODE_CONTRACT_INVALID, ERROR_CODE_REQUEST_INVALID
   */
  forGrant({ grant, validity, isServedBy }: Wanted): Promise<Proposed> {
    return this.inTurn(async () => {
      const key = grantKey(grant);
      const { name, peer_id } = grant.service;
      const query = { grantType: grant.type, serviceName: name, peerId: peer_id };
      for await (const contract of contractsOf(this.#with.book, query)) {
        const serves = this.#isAlive(contract) && isServedBy(contract.content.validity);
        if (serves && contract.grants.some((each) => grantKey(each.grant) === key)) {
          return { contract, created: false };
        }
      }
      const proposal = {
        ...{ iv: newTransactionId(), validity, grants: [{ data: grant }] },
        createdAt: this.#today,
      };
      return this.#with.book.propose(proposeContent(proposal, this.#group));
    });
  }

  /**
   * Proposes a content that somebody wrote. `iv`, `created_at` and `fsc_version` are filled in where they are
   * absent; then a contract that is valid or waits and says all that is written is the same one.
   *
   * @param bytes JSON
   * @throws SchakelError ERROR_CODE_REQUEST_INVALID when it is no such JSON; ERROR_CODE_CONTRACT_INVALID
   * naming FSC's code
   */
  fromJson(bytes: Uint8Array): Promise<Proposed> {
    return this.inTurn(async () => {
      const given = parseBody(bytes, CONTENT_BYTES_MAX);
      if (!isJsonObject(given)) throw invalidRequest("content must be a JSON object");
      const filled = {
        fsc_version: FSC_VERSION,
        iv: newTransactionId(),
        created_at: this.#today,
        ...given,
      };
      const content = parseContent(filled, this.#group);
      if (Object.keys(filled).length > Object.keys(given).length) {
        for await (const contract of contractsOf(this.#with.book)) {
          if (this.#isAlive(contract) && says(contract, given)) return { contract, created: false };
        }
      }
      return this.#with.book.propose(content);
    });
  }

  get #today(): number {
    return Math.floor(this.#with.clock.now() / 1000);
  }

  get #group() {
    const { id: groupId, peerIdRule } = this.#with.group();
    return { groupId, peerIdRule };
  }

  #isAlive({ decision, content }: StoredContract): boolean {
    const state = stateAt(decision, content.validity, this.#with.clock.now());
    return state === "VALID" || state === "PROPOSED";
  }

  /** Does a piece of work while nothing is proposed. Rejects as it does; an error with a code of FSC's names that code. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work).catch((error: unknown) => {
      throw namingCode(error);
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
