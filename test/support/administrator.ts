// Somebody of an organisation who acts through its manager process, over gRPC with a cli identity.
import type { Metadata } from "@grpc/grpc-js";
import type { Role } from "../../certs/internal-identity.js";
import { callManager } from "../../component/manager-call.js";
import { openManager } from "../../component/manager-channel.js";
import {
  AdministrationServiceClient,
  type AdministrationServiceService,
} from "../../proto/gen/schakel/manager/v1/administration.js";
import type { InternalPki } from "./internal-pki.js";

type Definitions = typeof AdministrationServiceService;
type RequestOf<K extends keyof Definitions> = ReturnType<Definitions[K]["requestDeserialize"]>;
type ResponseOf<K extends keyof Definitions> = ReturnType<Definitions[K]["responseDeserialize"]>;

const TIMEOUT_MS = 20_000;

/** Calls the methods of one manager. Whoever makes it closes it. */
export class Administrator {
  private constructor(readonly client: AdministrationServiceClient) {}

  /** @param port where the manager listens for its own organisation */
  static async open(
    pki: InternalPki,
    port: number,
    { role = "cli", name = "alice" }: { readonly role?: Role; readonly name?: string } = {},
  ): Promise<Administrator> {
    const address = { host: "127.0.0.1", port };
    const bundle = await pki.bundle(role, name);
    return new Administrator(await openManager(AdministrationServiceClient, { bundle, address }));
  }

  /** Calls a method. Rejects with a ManagerError. */
  call<K extends keyof Definitions>(
    method: K,
    request: RequestOf<K>,
    metadata?: Metadata,
  ): Promise<ResponseOf<K>> {
    const asking = this.client[method].bind(this.client) as unknown as (
      ...args: unknown[]
    ) => never;
    return callManager<ResponseOf<K>>(
      (more, options, answered) => {
        if (metadata !== undefined) more.merge(metadata);
        return asking(request, more, options, answered);
      },
      { timeoutMs: TIMEOUT_MS },
    );
  }

  close(): void {
    this.client.close();
  }
}
