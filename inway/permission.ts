// What an inway may forward, and for whom. The rest of the inway knows this interface alone, not where
// the answers come from.
import type { PeerId, ServiceName, Thumbprint } from "../core/names.js";

/** A service that the inway offers. */
export interface OfferedService {
  readonly name: ServiceName;
  /** Where the service's source is: http or https, with a path only where the source must have one. */
  readonly source: URL;
  /** The path of the OpenAPI description below the source; undefined when there is none. */
  readonly openapiPath: string | undefined;
}

/** Who asks: taken from the certificate of the connection. */
export interface Caller {
  readonly peerId: PeerId;
  readonly publicKeyThumbprint: Thumbprint;
}

/** Services and grants at one moment: a value that is replaced whole when anything changes. */
export interface Permission {
  readonly services: readonly OfferedService[];
  /** The service with this name, if the inway offers it. */
  service(name: ServiceName): OfferedService | undefined;
  /**
   * The clause that lets the caller use the service, for the record; undefined when there is none.
   * Looked up on every exchange: there is no cached yes.
   */
  permit(caller: Caller, service: ServiceName): string | undefined;
}

/** Where the current permission comes from. */
export interface PermissionSource {
  readonly current: Permission;
  /** Calls the listener after each change; returns the function that ends that. */
  onChange(listener: (permission: Permission) => void): () => void;
  close(): void;
}
