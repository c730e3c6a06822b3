// Peers of a test group with what a component of theirs holds: the group, a bundle, and announcements.
import { signAnnouncement, type AnnouncementContent } from "../../catalogue/announcement.js";
import type { SignedAnnouncement } from "../../catalogue/announcement.js";
import { loadBundle, type Bundle } from "../../certs/bundle.js";
import { parseGroup, type Group } from "../../certs/group.js";
import type { DialPolicy } from "../../core/dial.js";
import type { ComponentName, ServiceName } from "../../core/names.js";
import { readFile } from "node:fs/promises";
import { TestGroup, type TestGroupOptions, type TestPeer } from "./pki.js";

/** The peers, by role. */
export const ROLES = {
  directory: { peerId: "00000000000000000001", name: "Directory", names: ["directory.test"] },
  provider: { peerId: "00000000000000000002", name: "Provider", names: ["inway.test"] },
  other: {
    peerId: "00000000000000000003",
    name: "Other",
    names: ["other.test", "inway.other.test"],
  },
} as const;

type Role = keyof typeof ROLES;

/** Names of the tests resolve to this machine, and any port of it may be dialled. */
export const LOCAL: DialPolicy = {
  ports: undefined,
  privateAddresses: true,
  hosts: new Map(
    Object.values(ROLES).flatMap(({ names }) => names.map((name) => [name, "127.0.0.1"])),
  ),
};

/** A group with its peers. Whoever makes it removes it. */
export class Members {
  private constructor(
    readonly test: TestGroup,
    readonly group: Group,
    readonly peers: Readonly<Record<Role, TestPeer>>,
    readonly bundles: Readonly<Record<Role, Bundle>>,
  ) {}

  static async create(options: TestGroupOptions = {}): Promise<Members> {
    const test = await TestGroup.create(options);
    const group = parseGroup(await readFile(test.groupFile, "utf8"));
    const made = await Promise.all(
      Object.entries(ROLES).map(async ([role, about]) => {
        const peer = await test.peer(about);
        return [role, peer, await loadBundle(peer.files, group)] as const;
      }),
    );
    const peers = Object.fromEntries(made.map(([role, peer]) => [role, peer])) as Members["peers"];
    const bundles = Object.fromEntries(
      made.map(([role, , bundle]) => [role, bundle]),
    ) as Members["bundles"];
    return new Members(test, group, peers, bundles);
  }

  /** An announcement of the provider's inway "inway-1" at inway.test:443 with the service "echo", signed; with changes. */
  sign(
    changes: Partial<AnnouncementContent> = {},
    bundle = this.bundles.provider,
    group = this.group,
  ): SignedAnnouncement {
    return signAnnouncement({ ...announcement(), ...changes }, bundle, group);
  }

  remove(): Promise<void> {
    return this.test.remove();
  }
}

/** A service as an inway announces it. */
export const service = (name: string) =>
  ({ name: name as ServiceName, openapiPath: undefined, protocol: "HTTP/1.1" }) as const;

/** Names of services, more than an answer lists. */
export const MANY: readonly string[] = Array.from(
  { length: 12 },
  (_, at) => `s${String(at).padStart(2, "0")}`,
);

/** The services of these tests, all published: for what is not about publication. */
export const PUBLISHED: ReadonlySet<string> = new Set([
  ..."echo abc other old new x a b aB b.2".split(" "),
  ...MANY,
]);

/** An inway's part of an announcement. */
export const inwayAt = (host: string, port: number, ...services: readonly string[]) => ({
  address: { host, port },
  services: services.map(service),
});

/** What `sign` signs. */
export const announcement = (now = Date.now()): AnnouncementContent => ({
  component: "inway-1" as ComponentName,
  sequence: 1000,
  issuedAt: now,
  validUntil: now + 3_600_000,
  version: "1.0.0",
  inway: inwayAt("inway.test", 443, "echo"),
});
