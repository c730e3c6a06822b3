// The internal CA of an organisation for tests, with identity folders for its components. CA and keys are
// made once a test process, so that a folder costs a few milliseconds.
import type { KeyObject } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCa, openCa, type Ca } from "../../certs/ca.js";
import { prepareIdentity } from "../../certs/identity-folder.js";
import { loadInternalBundle, type InternalBundle } from "../../certs/internal-bundle.js";
import { issueInternal } from "../../certs/internal-ca.js";
import type { Role } from "../../certs/internal-identity.js";
import { createRsaKey } from "../../certs/private-key.js";
import type { Address } from "../../core/address.js";
import { parseComponentName, type ComponentName } from "../../core/names.js";

const KEY_BITS = 2048;

const shared = mkdtempSync(join(tmpdir(), "schakel-test-internal-"));
process.once("exit", () => rmSync(shared, { recursive: true, force: true }));
const cas = new Map<string, Promise<string>>();
const keys = new Map<string, Promise<KeyObject>>();

const madeOnce = <T>(made: Map<string, Promise<T>>, id: string, make: () => Promise<T>) => {
  const value = made.get(id) ?? make();
  made.set(id, value);
  return value;
};

const caFolder = (organisation: string): Promise<string> =>
  madeOnce(cas, organisation, async () => {
    const dir = join(shared, String(cas.size));
    await createCa(dir, { name: `${organisation} internal`, keyBits: KEY_BITS });
    return dir;
  });

/** The key that test components with this role and name have; the same for the whole process. */
export const componentKey = (role: string, name: string): Promise<KeyObject> =>
  madeOnce(keys, `${role}/${name}`, () => createRsaKey(KEY_BITS));

/** How an identity differs from the usual. */
export interface TestIdentityOptions {
  /** Where the manager is; 127.0.0.1:8444 unless given. The manager's own folder says nothing. */
  readonly manager?: Address;
  readonly now?: number;
  readonly lifeMs?: number;
  readonly hostNames?: readonly string[];
}

const nameOf = (text: string): ComponentName => {
  const name = parseComponentName(text);
  if (name === undefined) throw new Error(`${text} is no component name`);
  return name;
};

/** An organisation's internal CA in a temporary folder. Whoever makes it removes it. */
export class InternalPki {
  #folders = 0;

  private constructor(
    readonly dir: string,
    /** The CA's folder. */
    readonly caDir: string,
    readonly ca: Ca,
  ) {}

  /** Makes one; organisations with the same name share a CA within the test process. */
  static async create(organisation = "Test"): Promise<InternalPki> {
    const dir = await mkdtemp(join(tmpdir(), "schakel-test-identities-"));
    const caDir = join(dir, "internal-ca");
    await cp(await caFolder(organisation), caDir, { recursive: true });
    return new InternalPki(dir, caDir, await openCa(caDir));
  }

  /** Makes an identity folder and returns its path. Components with the same role and name share a key. */
  async identity(role: Role, name: string, options: TestIdentityOptions = {}): Promise<string> {
    const { now, lifeMs, hostNames } = options;
    const key = await componentKey(role, name);
    const issuance = { role, name: nameOf(name), publicKey: key, hostNames, now, lifeMs };
    const certificate = await issueInternal(this.ca, issuance);
    this.#folders += 1;
    const folder = join(this.dir, `${role}-${name}-${String(this.#folders)}`);
    const manager =
      role === "manager" ? undefined : (options.manager ?? { host: "127.0.0.1", port: 8444 });
    const prepared = await prepareIdentity(folder, key);
    const chain = [certificate, this.ca.issuing];
    await prepared.complete({ chain, anchor: this.ca.root, manager });
    return folder;
  }

  /** Makes an identity folder and loads it as it is at the moment `now`. */
  async bundle(
    role: Role,
    name: string,
    options: TestIdentityOptions = {},
  ): Promise<InternalBundle> {
    return await loadInternalBundle(await this.identity(role, name, options), options.now);
  }

  /** Removes the CA and every folder. */
  async remove(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }
}
