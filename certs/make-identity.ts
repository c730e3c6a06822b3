// Makes an identity folder straight from the internal CA, for whoever holds its folder.
import { parseComponentName } from "../core/names.js";
import type { Address } from "../core/address.js";
import type { Ca } from "./ca.js";
import { CertificateError } from "./certificate-error.js";
import { prepareIdentity } from "./identity-folder.js";
import { issueInternal } from "./internal-ca.js";
import {
  internalIdentityOf,
  parseRole,
  ROLES,
  type InternalIdentity,
} from "./internal-identity.js";
import { createRsaKey } from "./private-key.js";

/** What is made. */
export interface IdentityWish {
  readonly role: string;
  readonly name: string;
  /** DNS names under which it is reached; only for an outway and pages. None unless given. */
  readonly hostNames?: readonly string[] | undefined;
  /** Where the folder will be; absent or empty. */
  readonly dir: string;
  readonly manager: Address;
  readonly keyBits?: number | undefined;
}

/**
 * Makes a key and a certificate with a role and a name, in a new identity folder.
 *
 * @throws CertificateError for a role, name or host name that is not allowed; IdentityExists
 */
export const makeIdentity = async (ca: Ca, wish: IdentityWish): Promise<InternalIdentity> => {
  const role = parseRole(wish.role);
  if (role === undefined) throw new CertificateError(`the role is not one of ${ROLES.join(", ")}`);
  const name = parseComponentName(wish.name);
  if (name === undefined)
    throw new CertificateError("the name is not 1 to 100 of a-z A-Z 0-9 . - _");
  const key = await createRsaKey(wish.keyBits);
  const prepared = await prepareIdentity(wish.dir, key);
  try {
    const { hostNames } = wish;
    const certificate = await issueInternal(ca, { role, name, hostNames, publicKey: key });
    const content = { chain: [certificate, ca.issuing], anchor: ca.root, manager: wish.manager };
    await prepared.complete(content);
    return internalIdentityOf(certificate);
  } catch (error) {
    await prepared.abandon();
    throw error;
  }
};
