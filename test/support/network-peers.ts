// Who is in the group of a network, and what one of its organisations has on disk before anything runs.
import { cp, mkdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { randomInt, X509Certificate } from "node:crypto";
import { identityOf, type PeerIdentity } from "../../certs/identity.js";
import { peerIdRule, PEER_ID_PATTERN_DEFAULT } from "../../core/names.js";
import type { GrantData } from "../../contracts/grant.js";
import { Administrator } from "./administrator.js";
import { InternalPki } from "./internal-pki.js";
import type { TestGroup, TestPeer } from "./pki.js";

export const PEERS = {
  directory: {
    peerId: "00000000000000000001",
    name: "Beheerder van de directory",
    host: "directory.test",
  },
  provider: {
    peerId: "00000000000000000002",
    name: "Register van Gemeenten",
    host: "inway.provider.test",
  },
  consumer: {
    peerId: "00000000000000000003",
    name: "Gemeente Ütrecht aan Zee",
    host: "outway.consumer.test",
  },
  stranger: {
    peerId: "00000000000000000004",
    name: "Adviesbureau Zonder Recht",
    host: "outway.stranger.test",
  },
} as const;

/** A peer of the network. */
export type PeerRole = keyof typeof PEERS;

/** A peer with a manager, which an organisation is. */
export type OrganisationName = Exclude<PeerRole, "directory">;

/** The name of an organisation's manager in its certificate. */
export const managerHost = (name: OrganisationName): string => `manager.${name}.test`;

const ORGANISATIONS = ["provider", "consumer", "stranger"] as const;

/** The names in a peer's certificate. */
export const namesOf = (role: PeerRole): readonly string[] => [
  PEERS[role].host,
  ...ORGANISATIONS.filter((each) => each === role).map(managerHost),
  "localhost",
];

/** Every name of the group at this machine, as the setting --resolve has it. */
export const RESOLVE = [
  ...Object.values(PEERS).map(({ host }) => host),
  ...ORGANISATIONS.map(managerHost),
]
  .map((host) => `${host}=127.0.0.1`)
  .join(",");

// Below the ports that the kernel gives to whoever asks for any, so that none of those takes one meanwhile.
const PORTS = { from: 12_000, count: 20_000 } as const;
const givenPorts = new Set<number>();

const isFree = async (port: number): Promise<boolean> => {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
};

/** A port that was free a moment ago; never the same twice. */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = PORTS.from + randomInt(PORTS.count);
    if (givenPorts.has(port)) continue;
    givenPorts.add(port);
    if (await isFree(port)) return port;
  }
};

/** Who a peer of the network is by its certificate. */
export const certified = async ({ files }: TestPeer): Promise<PeerIdentity> =>
  identityOf(new X509Certificate(await readFile(files.cert)), peerIdRule(PEER_ID_PATTERN_DEFAULT));

/** One organisation: its certificate in the group, its internal CA, and its manager's data and ports. */
export class NetworkOrganisation {
  #administrator: Administrator | undefined;

  private constructor(
    readonly pki: InternalPki,
    /** The data folder of its manager. */
    readonly data: string,
    /** Where other managers reach its manager, and where its own components do. */
    readonly ports: { readonly fsc: number; readonly internal: number },
  ) {}

  /** Makes the folders as `schakel init` does. */
  static async prepare(group: TestGroup, name: OrganisationName): Promise<NetworkOrganisation> {
    const [pki, fsc, internal] = await Promise.all([
      InternalPki.create(`${name} in the network`),
      freePort(),
      freePort(),
    ]);
    const data = join(group.dir, `manager-${name}`);
    await mkdir(data, { recursive: true });
    await cp(pki.caDir, join(data, "internal-ca"), { recursive: true });
    await cp(await pki.identity("manager", "manager"), join(data, "identity"), { recursive: true });
    return new NetworkOrganisation(pki, data, { fsc, internal });
  }

  /** An identity folder for a component. */
  identity(role: "inway" | "outway" | "cli", name: string): Promise<string> {
    return this.pki.identity(role, name, {
      manager: { host: "127.0.0.1", port: this.ports.internal },
    });
  }

  /** Somebody of the organisation, at its manager. */
  async administrator(): Promise<Administrator> {
    this.#administrator ??= await Administrator.open(this.pki, this.ports.internal);
    return this.#administrator;
  }

  async remove(): Promise<void> {
    this.#administrator?.close();
    await this.pki.remove();
  }
}

/** What a contract's content says beside what the manager fills in. */
export const contentBytes = (
  groupId: string,
  grants: readonly GrantData[],
  seconds = { before: 60, after: 86_400 },
): Buffer => {
  const now = Math.floor(Date.now() / 1000);
  const content = {
    group_id: groupId,
    validity: { not_before: now - seconds.before, not_after: now + seconds.after },
    grants: grants.map((data) => ({ data })),
    hash_algorithm: "HASH_ALGORITHM_SHA3_512",
  };
  return Buffer.from(JSON.stringify(content));
};
