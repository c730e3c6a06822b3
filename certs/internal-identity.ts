// Who a component of our own organisation is, by a certificate of the organisation's internal CA.
import type { ComponentName } from "../core/names.js";

/** What a component may be. Its certificate carries one role, and each RPC of the manager lists who may call it. */
export const ROLES = ["inway", "outway", "manager", "cli", "web", "client"] as const;
export type Role = (typeof ROLES)[number];

/** A component as its internal certificate shows it. */
export interface InternalIdentity {
  readonly role: Role;
  /** Unique within the role. */
  readonly name: ComponentName;
  /** SHA-256 of the certificate's DER in base64url. */
  readonly certificateThumbprint: string;
}
