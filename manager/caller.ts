// Who calls the manager inside the organisation, and what a role may do.
import type { InternalIdentity, Role } from "../certs/internal-identity.js";
import { SchakelError } from "../core/errors.js";

/** A caller of the manager's internal interface; undefined for one that showed no certificate. */
export type InternalCaller = InternalIdentity | undefined;

/**
 * The caller, if its role is one of those that a method lists.
 *
 * @throws SchakelError ERROR_CODE_ROLE_NOT_ALLOWED
 */
export const withRole = (caller: InternalCaller, roles: readonly Role[]): InternalIdentity => {
  if (caller !== undefined && roles.includes(caller.role)) return caller;
  throw new SchakelError("ERROR_CODE_ROLE_NOT_ALLOWED", {
    detail: `the caller is ${caller?.role ?? "without a certificate"}, allowed are ${roles.join(", ")}`,
  });
};
