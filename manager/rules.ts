// Rules that accept requests for access without a person.
import type { Kysely } from "kysely";
import { connectionDelegator, isConnection, type GrantData } from "../contracts/grant.js";
import { stateAt } from "../contracts/state.js";
import { SchakelError } from "../core/errors.js";
import type { PeerId, PeerIdRule, ServiceName } from "../core/names.js";
import type { StoredContract } from "../fsc/stored-contract.js";
import type { AccessRule as WireRule } from "../proto/gen/schakel/manager/v1/administration.js";
import { invalidRequest, optionalPeer, seconds, serviceName } from "./request.js";
import type { ManagerSchema } from "./schema.js";

/** How many rules a peer may have. */
export const RULES_MAX = 1000;

/** A rule. All that is set must agree. */
export interface AccessRule {
  /** Rising, never given twice. */
  readonly id: number;
  /** Only requests in which this peer alone consumes; undefined for every peer of the group. */
  readonly peerId: PeerId | undefined;
  /** Only this service; undefined for every service of ours. */
  readonly service: ServiceName | undefined;
  readonly validitySecondsMax: number;
}

/** What a rule is asked about. */
export interface RuleQuestion {
  readonly own: PeerId;
  /** Whether a service is ours. */
  readonly offers: (service: ServiceName) => boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Whether a contract waits for our signature and asks for nothing but our services. */
const isRequest = (contract: StoredContract, { own, offers, now }: RuleQuestion): boolean => {
  const { decision, content, signatures, grants } = contract;
  if (stateAt(decision, content.validity, now) !== "PROPOSED") return false;
  if (signatures.some(({ signer }) => signer === own)) return false;
  return grants.every(
    ({ grant }) =>
      isConnection(grant) && grant.service.peer_id === own && offers(grant.service.name),
  );
};

// A rule for a peer speaks of that peer alone: neither may it bring another in by delegating to it, nor
// be brought in by another. Properties are for a person to read.
const matchesGrant = (rule: AccessRule, grant: GrantData): boolean => {
  if (!isConnection(grant) || grant.properties !== undefined) return false;
  if (rule.service !== undefined && rule.service !== grant.service.name) return false;
  const consumers = [grant.outway.peer_id, connectionDelegator(grant) ?? grant.outway.peer_id];
  return rule.peerId === undefined || consumers.every((peer) => peer === rule.peerId);
};

/**
 * The first of some rules by which a contract is to be accepted: it waits for our signature, every grant
 * of it is a connection grant for a service of ours, and the rule matches all of them and its length.
 */
export const matchingRule = (
  rules: readonly AccessRule[],
  contract: StoredContract,
  question: RuleQuestion,
): AccessRule | undefined => {
  if (!isRequest(contract, question)) return undefined;
  const { not_before, not_after } = contract.content.validity;
  return rules.find(
    (rule) =>
      not_after - not_before <= rule.validitySecondsMax &&
      contract.grants.every(({ grant }) => matchesGrant(rule, grant)),
  );
};

/**
 * Reads a rule as a request has it.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID
 */
export const readRule = (rule: WireRule | undefined, peers: PeerIdRule): Omit<AccessRule, "id"> => {
  if (rule === undefined) throw invalidRequest("rule is absent");
  const validitySecondsMax = seconds("rule.validity_seconds_max", rule.validitySecondsMax);
  if (validitySecondsMax === 0) {
    throw invalidRequest("rule.validity_seconds_max is 0, allowed is 1 or more");
  }
  return {
    peerId: optionalPeer("rule.peer_id", rule.peerId, peers),
    service:
      rule.serviceName === "" ? undefined : serviceName("rule.service_name", rule.serviceName),
    validitySecondsMax,
  };
};

/** A rule as it is shown. */
export const wireRule = ({ id, peerId, service, validitySecondsMax }: AccessRule): WireRule => ({
  id: String(id),
  peerId: peerId ?? "",
  serviceName: service ?? "",
  validitySecondsMax: BigInt(validitySecondsMax),
});

/** The rules of our peer. What was added or removed is durable when the call resolves. */
export class AccessRules {
  constructor(
    private readonly db: Kysely<ManagerSchema>,
    private readonly groupId: string,
  ) {}

  /** All rules, ordered by id. */
  async list(): Promise<readonly AccessRule[]> {
    const rows = await this.db
      .selectFrom("manager_access_rule")
      .selectAll()
      .where("group_id", "=", this.groupId)
      .orderBy("id")
      .execute();
    return rows.map((row) => ({
      id: row.id,
      // Was checked when it was put in; of a peer that the group's rule allows no more it matches nothing.
      peerId: row.peer_id === "" ? undefined : (row.peer_id as PeerId),
      service: row.service_name === "" ? undefined : (row.service_name as ServiceName),
      validitySecondsMax: row.validity_seconds_max,
    }));
  }

  /**
   * Adds a rule, or finds the same one.
   *
   * @throws SchakelError ERROR_CODE_LIMIT_EXCEEDED
   */
  async add(
    rule: Omit<AccessRule, "id">,
  ): Promise<{ readonly rule: AccessRule; readonly created: boolean }> {
    const rules = await this.list();
    const isSame = (each: AccessRule): boolean =>
      each.peerId === rule.peerId &&
      each.service === rule.service &&
      each.validitySecondsMax === rule.validitySecondsMax;
    const found = rules.find(isSame);
    if (found !== undefined) return { rule: found, created: false };
    if (rules.length >= RULES_MAX) {
      throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", {
        detail: `a peer may have ${RULES_MAX} access rules`,
      });
    }
    const row = await this.db
      .insertInto("manager_access_rule")
      .values({
        ...{ group_id: this.groupId, peer_id: rule.peerId ?? "" },
        ...{ service_name: rule.service ?? "", validity_seconds_max: rule.validitySecondsMax },
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning("id")
      .executeTakeFirst();
    // The same rule came a moment earlier in another call.
    if (row === undefined) return this.add(rule);
    return { rule: { id: row.id, ...rule }, created: true };
  }

  /** Ends a rule. One that is not there is no error. */
  async remove(id: string): Promise<void> {
    if (!/^[1-9][0-9]{0,14}$/.test(id)) return;
    await this.db
      .deleteFrom("manager_access_rule")
      .where("group_id", "=", this.groupId)
      .where("id", "=", Number(id))
      .execute();
  }
}
