// The content of a contract (FSC Core 2.0.0): what is signed, and never changes.
import type { PeerIdRule } from "../core/names.js";
import { Fields, FieldError } from "./fields.js";
import { parseGrant, type Grant } from "./grant.js";
import { canonical } from "./jcs.js";
import { isJsonObject, parseJson, type JsonValue } from "./json.js";
import { ContractRefusal } from "./refusal.js";
import { quoted } from "./shown-text.js";

/** The version of FSC Core that our own contracts carry. */
export const FSC_VERSION = "2.0.0";

/** The versions whose contracts are understood. */
export const FSC_VERSIONS_KNOWN: readonly string[] = [FSC_VERSION];

/** The one hash algorithm of FSC Core 2.0.0. */
export const HASH_ALGORITHM = "HASH_ALGORITHM_SHA3_512";

/** How large the canonical form of a content may be, in bytes. */
export const CONTENT_BYTES_MAX = 1024 * 1024;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const VERSION_LENGTH_MAX = 50;

/** How many grants are read; how many a contract may have is `checkContent`'s. */
const GRANTS_READ_MAX = 100;

/** When a contract counts: from `not_before` to the end of the second `not_after`, both in seconds since 1970. */
export interface Validity {
  readonly not_before: number;
  readonly not_after: number;
}

/** A contract's content with the names of the wire, frozen. Only `parseContent` and `proposeContent` make one. */
export interface ContractContent {
  readonly fsc_version: string;
  /** A UUID of any version, in the case in which it was sent: `ivKey` is what to compare. */
  readonly iv: string;
  readonly group_id: string;
  readonly validity: Validity;
  readonly grants: readonly Grant[];
  readonly hash_algorithm: typeof HASH_ALGORITHM;
  /** Seconds since 1970. */
  readonly created_at: number;
}

/** The group whose contracts are read. */
export interface ContractGroup {
  readonly groupId: string;
  readonly peerIdRule: PeerIdRule;
}

/** What no two contracts of a peer may share: the iv in lower case. */
export const ivKey = ({ iv }: ContractContent): string => iv.toLowerCase();

/**
 * Runs a reading of fields.
 *
 * @throws ContractRefusal ERROR_CODE_REQUEST_INVALID for a FieldError
 */
export const refusingFields = <T>(read: () => T): T => {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    throw new ContractRefusal("ERROR_CODE_REQUEST_INVALID", error.message, { cause: error });
  }
};

// Before all else: a contract of another version may have another shape, and then the version is the
// reason and not the first field that looks odd. Contracts of FSC 1.x have no version in them.
const checkVersion = (value: JsonValue | undefined): void => {
  if (!isJsonObject(value)) return;
  const version = value["fsc_version"];
  if (typeof version === "string" && FSC_VERSIONS_KNOWN.includes(version)) return;
  const found =
    typeof version === "string"
      ? `the contract says version ${quoted(version)}`
      : `the contract says no version${version === undefined ? ", as those of FSC 1" : " in words"}`;
  throw new ContractRefusal(
    "ERROR_CODE_UNKNOWN_FSC_VERSION",
    `${found}, understood here is ${FSC_VERSIONS_KNOWN.join(", ")}`,
  );
};

const checkAlgorithm = (fields: Fields): typeof HASH_ALGORITHM => {
  const found = fields.text("hash_algorithm", { max: 255 });
  if (found === HASH_ALGORITHM) return found;
  throw new ContractRefusal(
    "ERROR_CODE_UNKNOWN_HASH_ALGORITHM_HASH",
    `the contract says ${quoted(found)}, known is ${HASH_ALGORITHM}`,
  );
};

const checkGroup = (fields: Fields, { groupId }: ContractGroup): string => {
  const found = fields.text("group_id", { max: 255 });
  if (found === groupId) return found;
  throw new ContractRefusal(
    "ERROR_CODE_INCORRECT_GROUP_ID",
    `the contract says ${quoted(found)}, this is the group ${quoted(groupId)}`,
  );
};

const validityOf = (fields: Fields): Validity => {
  const validity = {
    not_before: fields.seconds("not_before"),
    not_after: fields.seconds("not_after"),
  };
  fields.end();
  return Object.freeze(validity);
};

const grantsOf = (fields: Fields, rule: PeerIdRule): readonly Grant[] => {
  const list = fields.list("grants");
  if (list.length > GRANTS_READ_MAX) {
    throw new FieldError(
      fields.pathOf("grants"),
      `has ${String(list.length)} grants, more than ${String(GRANTS_READ_MAX)} are not read`,
    );
  }
  return Object.freeze(
    list.map((grant, at) => parseGrant(grant, `content.grants[${String(at)}]`, rule)),
  );
};

const checkSize = (content: ContractContent): void => {
  const bytes = Buffer.byteLength(canonical(content));
  if (bytes <= CONTENT_BYTES_MAX) return;
  throw new ContractRefusal(
    "ERROR_CODE_BODY_TOO_LARGE",
    `the canonical form of the content has ${String(bytes)} bytes, allowed are ${String(CONTENT_BYTES_MAX)}`,
  );
};

/**
 * Reads a contract's content: version, hash algorithm and group first, then every field. What comes back
 * has the canonical form of what went in, so that hashes are those of what was received. Members that
 * FSC does not have are refused, but for those inside a grant's `properties`: nobody signs what
 * they have not understood. The rules on time, grants and parties are `checkContent`'s.
 *
 * @throws ContractRefusal ERROR_CODE_UNKNOWN_FSC_VERSION, ERROR_CODE_UNKNOWN_HASH_ALGORITHM_HASH or
 * ERROR_CODE_INCORRECT_GROUP_ID; ERROR_CODE_REQUEST_INVALID for a field that is absent, unknown or not
 * allowed; ERROR_CODE_BODY_TOO_LARGE
 */
export const parseContent = (
  value: JsonValue | undefined,
  group: ContractGroup,
): ContractContent => {
  checkVersion(value);
  return refusingFields(() => {
    const fields = new Fields(value, "content");
    const hash_algorithm = checkAlgorithm(fields);
    const group_id = checkGroup(fields, group);
    const content = {
      fsc_version: fields.text("fsc_version", { max: VERSION_LENGTH_MAX }),
      iv: fields.parsed("iv", {
        ...{ min: 36, max: 36 },
        parse: (text) => (UUID.test(text) ? text : undefined),
        what: "a UUID",
      }),
      group_id,
      validity: validityOf(fields.fields("validity")),
      grants: grantsOf(fields, group.peerIdRule),
      hash_algorithm,
      created_at: fields.seconds("created_at"),
    };
    fields.end();
    checkSize(content);
    return Object.freeze(content);
  });
};

/** What a peer decides about a contract that it proposes. */
export interface Proposal {
  /** A UUID that this peer has not used before; version 7 keeps contracts in order. */
  readonly iv: string;
  readonly validity: Validity;
  readonly grants: readonly Grant[];
  /** Seconds since 1970. */
  readonly createdAt: number;
}

/**
 * Makes the content of a new contract, read again as a receiver would.
 *
 * @throws ContractRefusal as `parseContent` does; TypeError or JsonError when properties are no strict JSON
 */
export const proposeContent = (
  { iv, validity, grants, createdAt }: Proposal,
  group: ContractGroup,
): ContractContent => {
  const content = {
    ...{ fsc_version: FSC_VERSION, iv, group_id: group.groupId },
    ...{ validity, grants, hash_algorithm: HASH_ALGORITHM, created_at: createdAt },
  };
  return parseContent(parseJson(Buffer.from(canonical(content))), group);
};
