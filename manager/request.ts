// Reading the fields of requests: what is not allowed is refused with the field's name and what is allowed.
import { SchakelError } from "../core/errors.js";
import type { PeerId, PeerIdRule, ServiceName } from "../core/names.js";
import { parseServiceName } from "../core/names.js";
import { quoted } from "../contracts/shown-text.js";

/** The refusal of a request. The detail names the field, what was found and what is allowed. */
export const invalidRequest = (detail: string, choices: readonly string[] = []): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail, choices });

/**
 * Takes a field's value.
 *
 * @throws SchakelError ERROR_CODE_REQUEST_INVALID when `parse` gives nothing
 */
export const parsed = <T>(
  field: string,
  text: string,
  parse: (text: string) => T | undefined,
  allowed: string,
): T => {
  const value = parse(text);
  if (value === undefined) {
    throw invalidRequest(`${field} is ${quoted(text)}, allowed is ${allowed}`);
  }
  return value;
};

/** A peer id; undefined when the field is empty. Throws as `parsed` does. */
export const optionalPeer = (field: string, text: string, rule: PeerIdRule): PeerId | undefined =>
  text === "" ? undefined : parsed(field, text, rule, "a peer id by the group's rule");

/** A service's name. Throws as `parsed` does. */
export const serviceName = (field: string, text: string): ServiceName =>
  parsed(field, text, parseServiceName, "1 to 100 of a-z A-Z 0-9 - . _");

/** A number of seconds that a calculation with dates can hold. Throws as `parsed` does. */
export const seconds = (field: string, value: bigint, max = 253_402_300_799): number => {
  if (value >= 0n && value <= BigInt(max)) return Number(value);
  throw invalidRequest(`${field} is ${String(value)}, allowed is 0 to ${String(max)}`);
};

const PAGE_SIZE_DEFAULT = 100;
const PAGE_SIZE_MAX = 1000;
const PAGE_TOKEN_MAX = 1000;

/** Which page is asked for, checked. */
export interface PageRequest {
  readonly limit: number;
  /** Undefined for the first page. */
  readonly token: string | undefined;
}

/** Reads a request's page. Throws as `parsed` does. */
export const pageOf = (request: {
  readonly pageSize: number;
  readonly pageToken: string;
}): PageRequest => {
  const { pageSize, pageToken } = request;
  if (pageSize > PAGE_SIZE_MAX) {
    throw invalidRequest(
      `page_size is ${pageSize}, allowed is 1 to ${PAGE_SIZE_MAX}, or 0 for ${PAGE_SIZE_DEFAULT}`,
    );
  }
  if (pageToken.length > PAGE_TOKEN_MAX) {
    throw invalidRequest("page_token is not the next_page_token of an answer");
  }
  return {
    limit: pageSize === 0 ? PAGE_SIZE_DEFAULT : pageSize,
    token: pageToken === "" ? undefined : pageToken,
  };
};
