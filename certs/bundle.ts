// A peer's key and certificate chain, checked against the group whenever they are loaded.
import type { KeyObject, X509Certificate } from "node:crypto";
import type { Log } from "../core/log.js";
import { pathProblems } from "./chain.js";
import type { Group, GroupSource } from "./group.js";
import { certifiesHost, identityOf, type PeerIdentity } from "./identity.js";
import { readCertificates, writeCertificates } from "./pem.js";
import { exposureOf } from "./private-file.js";
import { parsePrivateKey, writePrivateKey } from "./private-key.js";
import { readText } from "./read-file.js";
import { Watched } from "./watched.js";

/** The files of a bundle. */
export interface BundleFiles {
  /** PEM: the certificate first, then each issuer below the anchor. */
  readonly cert: string;
  /** PEM: the private key, not encrypted, readable by its owner alone. */
  readonly key: string;
}

/** A key with the certificates that say whose it is. Never logged. */
export interface Bundle {
  readonly key: KeyObject;
  /** PKCS #8. */
  readonly keyPem: string;
  /** The peer's certificate first, without the anchor. */
  readonly chain: readonly X509Certificate[];
  readonly chainPem: string;
  readonly identity: PeerIdentity;
}

/** All that is wrong with a bundle, one line each. */
export class BundleError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "BundleError";
  }
}

/** How a bundle is checked. */
export interface BundleOptions {
  /** A host name that the certificate must have. */
  readonly name?: string | undefined;
  /** Milliseconds since 1970; the machine's clock unless given. */
  readonly now?: number | undefined;
}

const FILE_BYTES_MAX = 256 * 1024;
const FILE_CERTIFICATES_MAX = 20;

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** Runs a step of the check: what it throws becomes a problem, and the steps that need it are left out. */
const attempt = <T>(problems: string[], prefix: string, step: () => T): T | undefined => {
  try {
    return step();
  } catch (error) {
    problems.push(`${prefix}${messageOf(error)}`);
    return undefined;
  }
};

const readOrReport = async (problems: string[], path: string): Promise<string | undefined> => {
  try {
    return await readText(path, FILE_BYTES_MAX);
  } catch (error) {
    problems.push(messageOf(error));
    return undefined;
  }
};

const loadKey = async (problems: string[], path: string): Promise<KeyObject | undefined> => {
  const pem = await readOrReport(problems, path);
  if (pem === undefined) return undefined;
  const exposure = await exposureOf(path);
  if (exposure !== undefined) problems.push(exposure);
  return attempt(problems, `${path}: `, () => parsePrivateKey(pem));
};

const loadChain = async (
  problems: string[],
  path: string,
  anchors: readonly X509Certificate[],
): Promise<readonly X509Certificate[] | undefined> => {
  const pem = await readOrReport(problems, path);
  if (pem === undefined) return undefined;
  const all = attempt(problems, `${path}: `, () => readCertificates(pem, FILE_CERTIFICATES_MAX));
  const last = all?.at(-1);
  const endsInAnchor = anchors.some((anchor) => last?.raw.equals(anchor.raw) === true);
  return endsInAnchor && all !== undefined && all.length > 1 ? all.slice(0, -1) : all;
};

const checkName = (identity: PeerIdentity, name: string): string[] => {
  const names = identity.dnsNames.join(", ");
  return certifiesHost(identity, name)
    ? []
    : [`the name ${name} is not in the certificate (names are: ${names === "" ? "none" : names})`];
};

/** A peer's certificate with its issuers, checked; the peer's own first, without the anchor. */
export interface CheckedChain {
  readonly chain: readonly X509Certificate[];
  readonly identity: PeerIdentity;
}

const checkChain = async (
  problems: string[],
  path: string,
  group: Group,
  { name, now = Date.now() }: BundleOptions,
): Promise<Partial<CheckedChain>> => {
  const chain = await loadChain(problems, path, group.anchors);
  const leaf = chain?.[0];
  if (chain === undefined || leaf === undefined) return {};
  const identity = attempt(problems, `${path}: the certificate is no peer's: `, () =>
    identityOf(leaf, group.peerIdRule),
  );
  problems.push(...pathProblems(chain, group, now).map((each) => `${path}: ${each}`));
  if (identity === undefined) return { chain };
  if (name !== undefined) problems.push(...checkName(identity, name));
  return { chain, identity };
};

/**
 * Loads a certificate with its issuers, without its key, and checks that the chain leads to an anchor of
 * the group and holds now (`pathProblems`), and that it names a peer of the group and the host.
 *
 * @throws BundleError with every problem at once
 */
export const loadCertificates = async (
  path: string,
  group: Group,
  options: BundleOptions = {},
): Promise<CheckedChain> => {
  const problems: string[] = [];
  const { chain, identity } = await checkChain(problems, path, group, options);
  if (problems.length > 0 || chain === undefined || identity === undefined) {
    throw new BundleError(problems);
  }
  return { chain, identity };
};

/**
 * Loads a bundle and checks all of it: the certificates as `loadCertificates` does, that nobody else may
 * read the key, and that the key is the certificate's.
 *
 * @throws BundleError with every problem at once
 */
export const loadBundle = async (
  files: BundleFiles,
  group: Group,
  options: BundleOptions = {},
): Promise<Bundle> => {
  const problems: string[] = [];
  const { chain, identity } = await checkChain(problems, files.cert, group, options);
  const key = await loadKey(problems, files.key);
  if (key !== undefined && chain?.[0]?.checkPrivateKey(key) === false) {
    problems.push(`the key in ${files.key} does not match the certificate in ${files.cert}`);
  }
  if (problems.length > 0 || !chain || !identity || !key) throw new BundleError(problems);
  return Object.freeze({
    key,
    keyPem: writePrivateKey(key),
    chain: Object.freeze(chain),
    chainPem: writeCertificates(chain),
    identity,
  });
};

/** What a process has stored and agreed is its peer's: it does not become another one's while it runs. */
const checkSamePeer = ({ cert }: BundleFiles, next: Bundle, current: Bundle): void => {
  const [now, before] = [next.identity.peerId, current.identity.peerId];
  if (now === before) return;
  throw new BundleError([
    `${cert}: the certificate names peer ${now}, and this process runs for peer ${before}`,
  ]);
};

/** Why the files are not in use as they are now. */
interface Refused {
  reason: string | undefined;
}

/**
 * The bundle of a process. Follows its files, and is checked again when the group changes: a bundle that
 * is not right, or another peer's, leaves the one in use as it is, with an error in the log.
 */
export class BundleSource {
  readonly #watched: Watched<Bundle>;
  readonly #refused: Refused;
  readonly #stop: () => void;

  private constructor(watched: Watched<Bundle>, refused: Refused, stop: () => void) {
    this.#watched = watched;
    this.#refused = refused;
    this.#stop = stop;
  }

  /** Loads the bundle and begins to follow its files. Throws BundleError with every problem at once. */
  static async open(
    files: BundleFiles,
    group: GroupSource,
    log: Log,
    options: { readonly name?: string | undefined } = {},
  ): Promise<BundleSource> {
    const refused: Refused = { reason: undefined };
    const watched = await Watched.open<Bundle>({
      paths: [files.cert, files.key],
      read: async (current) => {
        const next = await loadBundle(files, group.current, options);
        if (current === undefined) return next;
        checkSamePeer(files, next, current);
        refused.reason = undefined;
        if (next.chainPem === current.chainPem && next.keyPem === current.keyPem) return current;
        const { peerId, certificateThumbprint } = next.identity;
        log.info({ cert: files.cert, peerId, certificateThumbprint }, "certificate loaded again");
        return next;
      },
      failed: (error) => {
        refused.reason = messageOf(error);
        log.error(
          { cert: files.cert, err: error },
          "the new certificate is refused; the old one stays",
        );
      },
    });
    const stop = group.onChange(() => watched.reload());
    return new BundleSource(watched, refused, stop);
  }

  /** Why the files as they are now are not in use, for the health page; undefined when they are. */
  problem(): string | undefined {
    const { reason } = this.#refused;
    return reason && `the new certificate is refused, the old one stays: ${reason}`;
  }

  /** The bundle in use. */
  get current(): Bundle {
    return this.#watched.current;
  }

  /** Calls the listener with each new bundle. Returns the function that ends this. */
  onChange(listener: (bundle: Bundle) => void): () => void {
    return this.#watched.onChange(listener);
  }

  /** Ends the watch; no listener is called from now on. */
  close(): void {
    this.#stop();
    this.#watched.close();
  }
}
