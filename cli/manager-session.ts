// How a command talks to the manager: with an identity folder, in the name of a person.
import { Metadata, type Client } from "@grpc/grpc-js";
import { loadInternalBundle, type InternalBundle } from "../certs/internal-bundle.js";
import { openManager } from "../component/manager-channel.js";
import { renewCertificate } from "../component/renewal.js";
import type { GrpcClientConstructor } from "../core/grpc-client.js";
import type { CliSettings } from "./settings.js";

/** A channel to the manager, and what every call is sent with. */
export interface ManagerSession<C extends Client> {
  readonly client: C;
  readonly metadata: Metadata;
}

/** Nobody renews the certificate of a command but its use. */
const renewed = async (dir: string, bundle: InternalBundle): Promise<InternalBundle> => {
  if (Date.now() < bundle.identity.renewableFrom) return bundle;
  try {
    await renewCertificate(dir, bundle);
    return await loadInternalBundle(dir);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`schakel: warning: ${dir} could not be renewed: ${reason}\n`);
    return bundle;
  }
};

/**
 * Opens a channel to the manager, does the work and closes it. An identity that has reached two thirds of its
 * life is renewed first.
 *
 * @param messageBytesMax how large an answer may be; 4 MiB unless given
 * @throws BundleError when the identity folder is not right, and what the work throws
 */
export const withManager = async <C extends Client, T>(
  constructor: GrpcClientConstructor<C>,
  { identity, user }: CliSettings,
  work: (session: ManagerSession<C>) => Promise<T>,
  messageBytesMax?: number,
): Promise<T> => {
  const bundle = await renewed(identity, await loadInternalBundle(identity));
  const client = await openManager(constructor, { bundle, messageBytesMax });
  const metadata = new Metadata();
  if (user !== undefined) metadata.set("schakel-user", user);
  try {
    return await work({ client, metadata });
  } finally {
    client.close();
  }
};
