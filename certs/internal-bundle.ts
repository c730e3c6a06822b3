// The identity folder of a component: its key and certificate of the organisation's internal CA, the
// CA's root, and where the manager is.
import type { KeyObject, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { parseAddress, type Address } from "../core/address.js";
import { systemCode } from "../core/errors.js";
import type { Log } from "../core/log.js";
import { BundleError } from "./bundle.js";
import { CHAIN_LENGTH_MAX, isRoot } from "./chain.js";
import { removeLeftovers } from "./identity-leftovers.js";
import { internalIdentityOf, type InternalIdentity } from "./internal-identity.js";
import { internalPathProblems } from "./internal-path.js";
import { readCertificates, writeCertificates } from "./pem.js";
import { exposureOf } from "./private-file.js";
import { parsePrivateKey, writePrivateKey } from "./private-key.js";
import { readText } from "./read-file.js";
import { Watched } from "./watched.js";

const FILE_BYTES_MAX = 64 * 1024;
const ADDRESS_BYTES_MAX = 1024;

/** The files of an identity folder. */
export const identityFiles = (dir: string) => ({
  certificate: join(dir, "certificate.pem"),
  key: join(dir, "private.key"),
  ca: join(dir, "ca.pem"),
  manager: join(dir, "manager"),
});

/** A component's key with the certificates that say its role and name. Never logged. */
export interface InternalBundle {
  readonly key: KeyObject;
  /** PKCS #8. */
  readonly keyPem: string;
  /** The component's certificate first, without the root. */
  readonly chain: readonly X509Certificate[];
  readonly chainPem: string;
  /** The internal CA's root: the only anchor inside the organisation. */
  readonly anchor: X509Certificate;
  readonly anchorPem: string;
  readonly identity: InternalIdentity;
  /** Where the manager is; undefined in the manager's own folder. */
  readonly manager: Address | undefined;
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** Runs a step of the check: what it throws becomes a problem, and the steps that need it are left out. */
const attempt = async <T>(
  problems: string[],
  prefix: string,
  step: () => Promise<T>,
): Promise<T | undefined> => {
  try {
    return await step();
  } catch (error) {
    problems.push(`${prefix}${messageOf(error)}`);
    return undefined;
  }
};

const loadKey = async (problems: string[], path: string): Promise<KeyObject | undefined> => {
  const pem = await attempt(problems, "", () => readText(path, FILE_BYTES_MAX));
  if (pem === undefined) return undefined;
  const exposure = await exposureOf(path);
  if (exposure !== undefined) problems.push(exposure);
  return await attempt(
    problems,
    `${path}: `,
    async () => await Promise.resolve(parsePrivateKey(pem)),
  );
};

const loadCertificates = async (
  problems: string[],
  path: string,
  countMax: number,
): Promise<readonly X509Certificate[] | undefined> => {
  const pem = await attempt(problems, "", () => readText(path, FILE_BYTES_MAX));
  if (pem === undefined) return undefined;
  return await attempt(
    problems,
    `${path}: `,
    async () => await Promise.resolve(readCertificates(pem, countMax)),
  );
};

const loadManager = async (problems: string[], path: string): Promise<Address | undefined> => {
  let text: string;
  try {
    text = await readText(path, ADDRESS_BYTES_MAX);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") problems.push(messageOf(error));
    return undefined;
  }
  const address = parseAddress(text.trim());
  if (address === undefined) problems.push(`${path}: it is not HOST:PORT`);
  return address;
};

const identify = (
  problems: string[],
  path: string,
  chain: readonly X509Certificate[],
): InternalIdentity | undefined => {
  const [leaf] = chain;
  if (leaf === undefined) return undefined;
  try {
    return internalIdentityOf(leaf);
  } catch (error) {
    problems.push(`${path}: the certificate is no component's: ${messageOf(error)}`);
    return undefined;
  }
};

/**
 * Loads an identity folder and checks all of it: that the chain leads to the CA's root and holds now, that
 * it names a role and a component, that nobody else may read the key, and that the key is the certificate's.
 *
 * @param now milliseconds since 1970; the machine's clock unless given
 * @throws BundleError with every problem at once
 */
export const loadInternalBundle = async (
  dir: string,
  now = Date.now(),
): Promise<InternalBundle> => {
  const paths = identityFiles(dir);
  const problems: string[] = [];
  const [anchor] = (await loadCertificates(problems, paths.ca, 1)) ?? [];
  if (anchor !== undefined && !isRoot(anchor)) problems.push(`${paths.ca}: it is not a root`);
  const chain = await loadCertificates(problems, paths.certificate, CHAIN_LENGTH_MAX);
  const identity = chain && identify(problems, paths.certificate, chain);
  if (anchor !== undefined && chain !== undefined) {
    const faults = internalPathProblems(chain, anchor, now, "client authentication");
    problems.push(...faults.map((fault) => `${paths.certificate}: ${fault}`));
  }
  const key = await loadKey(problems, paths.key);
  if (key !== undefined && chain?.[0]?.checkPrivateKey(key) === false) {
    problems.push(`the key in ${paths.key} does not match the certificate in ${paths.certificate}`);
  }
  const manager = await loadManager(problems, paths.manager);
  if (problems.length > 0 || !anchor || !chain || !identity || !key)
    throw new BundleError(problems);
  return Object.freeze({
    key,
    keyPem: writePrivateKey(key),
    chain: Object.freeze(chain),
    chainPem: writeCertificates(chain),
    anchor,
    anchorPem: writeCertificates([anchor]),
    identity,
    manager,
  });
};

const isSame = (a: InternalBundle, b: InternalBundle): boolean =>
  a.chainPem === b.chainPem &&
  a.keyPem === b.keyPem &&
  a.anchorPem === b.anchorPem &&
  a.manager?.host === b.manager?.host &&
  a.manager?.port === b.manager?.port;

/**
 * The internal bundle of a process. Follows its folder: a content that is not right leaves the one in use as
 * it is, with an error in the log. It renews nothing itself.
 */
export class InternalSource {
  readonly #watched: Watched<InternalBundle>;

  private constructor(
    readonly dir: string,
    watched: Watched<InternalBundle>,
  ) {
    this.#watched = watched;
  }

  /** Loads the folder and begins to follow it; what is left of one that was not made whole is removed. Throws BundleError with every problem at once. */
  static async open(dir: string, log: Log): Promise<InternalSource> {
    await removeLeftovers(dir);
    const watched = await Watched.open<InternalBundle>({
      paths: Object.values(identityFiles(dir)),
      read: async (current) => {
        const next = await loadInternalBundle(dir);
        if (current === undefined) return next;
        if (isSame(next, current)) return current;
        const { role, name, certificateThumbprint } = next.identity;
        log.info({ dir, role, component: name, certificateThumbprint }, "identity loaded again");
        return next;
      },
      failed: (error) =>
        log.error({ dir, err: error }, "the new identity is refused; the old one stays"),
    });
    return new InternalSource(dir, watched);
  }

  /** The bundle in use. */
  get current(): InternalBundle {
    return this.#watched.current;
  }

  /** Calls the listener with each new bundle. Returns the function that ends this. */
  onChange(listener: (bundle: InternalBundle) => void): () => void {
    return this.#watched.onChange(listener);
  }

  /** Reads the folder again soon, without waiting for the change to be noticed. */
  reload(): void {
    this.#watched.reload();
  }

  /** Ends the watch; no listener is called from now on. */
  close(): void {
    this.#watched.close();
  }
}
