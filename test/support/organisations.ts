// Organisations in one process, for tests of the contract book: each has real certificates of one test group,
// a real database file, and a way to the others that ends in their books.
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { sql } from "kysely";
import { loadBundle, type Bundle } from "../../certs/bundle.js";
import { loadGroup, type Group } from "../../certs/group.js";
import {
  proposeContent,
  type ContractContent,
  type ContractGroup,
} from "../../contracts/content.js";
import { parseSubmission, submissionBody, type Submission } from "../../contracts/contract.js";
import type { GrantData } from "../../contracts/grant.js";
import type { ContentHash } from "../../contracts/hash.js";
import { jwksOf, parseJwks, type Jwks } from "../../contracts/jwks.js";
import type { Address } from "../../core/address.js";
import type { Clock } from "../../core/clock.js";
import { openDatabase } from "../../core/database.js";
import { errorRow, SchakelError } from "../../core/errors.js";
import type { Log } from "../../core/log.js";
import type { PeerId } from "../../core/names.js";
import { ContractBook, type ContractBookOptions } from "../../fsc/contract-book.js";
import {
  RemoteError,
  type CallingManager,
  type ManagerEndpoint,
  type PeerDescription,
  type SubmissionKind,
} from "../../fsc/manager-interface.js";
import { PeerBook } from "../../fsc/peer-book.js";
import { migrateFsc, type FscDatabase, type FscSchema } from "../../fsc/schema.js";
import { TestGroup } from "./pki.js";
import { temporaryFolder } from "./temporary.js";

/** A log that says nothing. */
export const silentLog: Log = pino({ level: "silent" });

/** A certificate in use that can be replaced, as a BundleSource is by its files. */
export class ReplacedBundle {
  readonly #listeners = new Set<(bundle: Bundle) => void>();

  constructor(public current: Bundle) {}

  onChange(listener: (bundle: Bundle) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  replace(bundle: Bundle): void {
    this.current = bundle;
    for (const listener of this.#listeners) listener(bundle);
  }
}

/** Certificates for a number of organisations, several for each: made once, shared by all tests of a file. */
export class Certified {
  private constructor(
    readonly test: TestGroup,
    readonly group: Group,
    /** By organisation; the first is the one to begin with. */
    readonly bundles: readonly (readonly Bundle[])[],
    readonly database: string,
  ) {}

  static async create(organisations: number, each: number, groupId = "test"): Promise<Certified> {
    const test = await TestGroup.create({ groupId });
    const group = await loadGroup(test.groupFile);
    const bundles: Bundle[][] = [];
    for (let at = 0; at < organisations; at++) {
      const peerId = String(at + 1).padStart(20, "0");
      const list: Bundle[] = [];
      for (let nth = 0; nth < each; nth++) {
        const names = [`manager${String(at + 1)}.test`];
        const peer = await test.peer({ peerId, name: `Organisation ${String(at + 1)}`, names });
        list.push(await loadBundle(peer.files, group));
      }
      bundles.push(list);
    }
    const database = join(test.dir, "empty.db");
    const db = openDatabase<FscSchema>(database);
    await migrateFsc(db);
    await sql`PRAGMA wal_checkpoint(TRUNCATE)`.execute(db);
    await db.destroy();
    return new Certified(test, group, bundles, database);
  }

  /** A database file with empty tables. */
  databaseFile(): string {
    const file = join(temporaryFolder(), "manager.db");
    copyFileSync(this.database, file);
    return file;
  }

  remove(): Promise<void> {
    return this.test.remove();
  }
}

/** Opens a database whose writes need not survive a power cut. */
export const openQuickly = async (file: string): Promise<FscDatabase> => {
  const db = openDatabase<FscSchema>(file);
  await sql`PRAGMA synchronous = OFF`.execute(db);
  return db;
};

/** What `contracts/` knows of a group. */
export const contractGroup = (group: Group): ContractGroup => ({
  groupId: group.id,
  peerIdRule: group.peerIdRule,
});

/** What an organisation answers to others. */
export interface Reachable {
  readonly book: Pick<ContractBook, "receive" | "certificates">;
  readonly group: Group;
  readonly caller: CallingManager;
}

const remote = (to: ManagerEndpoint, error: unknown): RemoteError => {
  if (!(error instanceof SchakelError)) throw error;
  return new RemoteError(to, errorRow(error.code).status, error.code, error.detail ?? "");
};

/** Hands a submission to a book as it would come over the network: as bytes. Rejects with a RemoteError. */
export const submitTo = async (
  target: Reachable,
  from: CallingManager,
  sent: { readonly kind: SubmissionKind; readonly body: string; readonly hash: ContentHash },
): Promise<void> => {
  try {
    const submission = parseSubmission(Buffer.from(sent.body), contractGroup(target.group));
    const inUrl = sent.kind === "propose" ? undefined : sent.hash;
    await target.book.receive(sent.kind, submission, from, inUrl);
  } catch (error) {
    throw remote({ peerId: target.caller.identity.peerId, address: target.caller.address }, error);
  }
};

/** The keys that a book lists, as they would come over the network. */
export const listedBy = ({ book }: Reachable): Jwks =>
  parseJwks(Buffer.from(JSON.stringify(jwksOf(book.certificates()))));

/** A way to organisations that are all there. */
export const directClient = (
  all: readonly Organisation[],
  own: Organisation,
): ContractBookOptions["client"] => {
  const at = ({ peerId }: ManagerEndpoint): Organisation => {
    const found = all.find((each) => each.peerId === peerId);
    if (found === undefined) throw new Error("connect ECONNREFUSED");
    return found;
  };
  return {
    submit: async (to, kind, submission, hash) =>
      submitTo(at(to), own.caller, { kind, body: submissionBody(submission), hash }),
    certificates: (to) => Promise.resolve().then(() => listedBy(at(to))),
    peer: ({ peerId }): Promise<PeerDescription> =>
      Promise.resolve({ peerId, name: "", fscVersion: "2.0.0", extensions: new Map() }),
  };
};

/** One organisation. */
export class Organisation implements Reachable {
  readonly bundles: ReplacedBundle;
  readonly file: string;
  #db: FscDatabase | undefined;
  #book: ContractBook | undefined;
  #peers: PeerBook | undefined;

  constructor(
    readonly certified: Certified,
    readonly index: number,
  ) {
    this.bundles = new ReplacedBundle(certified.bundles[index]![0]!);
    this.file = certified.databaseFile();
  }

  get group(): Group {
    return this.certified.group;
  }

  get peerId(): PeerId {
    return this.bundles.current.identity.peerId;
  }

  get address(): Address {
    return { host: this.bundles.current.identity.dnsNames[0]!, port: 8443 };
  }

  get caller(): CallingManager {
    return { identity: this.bundles.current.identity, address: this.address };
  }

  get endpoint(): ManagerEndpoint {
    return { peerId: this.peerId, address: this.address };
  }

  get db(): FscDatabase {
    return this.#db!;
  }

  get book(): ContractBook {
    return this.#book!;
  }

  get peers(): PeerBook {
    return this.#peers!;
  }

  get isOpen(): boolean {
    return this.#book !== undefined;
  }

  /** Opens, or opens again, on what its file holds. */
  async open(
    clock: Clock,
    client: ContractBookOptions["client"],
    options: Partial<ContractBookOptions> = {},
    watched: (db: FscDatabase) => FscDatabase = (db) => db,
  ): Promise<void> {
    this.#db = await openQuickly(this.file);
    const db = watched(this.#db);
    const groups = { current: this.group };
    this.#peers = new PeerBook({ db, groups, clock });
    this.#book = await ContractBook.open({
      ...{ db, groups, bundles: this.bundles, client, peers: this.#peers, clock },
      ...{ log: silentLog, lifecycle: undefined, ...options },
    });
  }

  /** Knows where others are. */
  async meet(others: readonly Organisation[]): Promise<void> {
    for (const { peerId, address, bundles } of others) {
      const { name } = bundles.current.identity;
      if (peerId !== this.peerId)
        await this.peers.note({ id: peerId, name, managerAddress: address });
    }
  }

  /** Ends without a word. */
  async close(): Promise<void> {
    this.#book = undefined;
    await this.#db?.destroy();
    this.#db = undefined;
  }
}

/** Organisations that know and reach each other. */
export const openOrganisations = async (
  certified: Certified,
  count: number,
  clock: Clock,
  options: Partial<ContractBookOptions> = {},
): Promise<readonly Organisation[]> => {
  const all = Array.from({ length: count }, (_, index) => new Organisation(certified, index));
  for (const each of all) await each.open(clock, directClient(all, each), options);
  for (const each of all) await each.meet(all);
  return all;
};

/** A grant with which an outway of one organisation may use a service of another. */
export const connection = (outway: PeerId, service: PeerId, name = "parking"): GrantData =>
  ({
    type: "GRANT_TYPE_SERVICE_CONNECTION",
    outway: {
      peer_id: outway,
      identification: {
        type: "OUTWAY_IDENTIFICATION_TYPE_PUBLIC_KEY_THUMBPRINT",
        public_key_thumbprint: "ab".repeat(32),
      },
    },
    service: { type: "SERVICE_TYPE_SERVICE", peer_id: service, name },
  }) as GrantData;

/** The same, acting for a third. */
export const delegatedConnection = (
  outway: PeerId,
  service: PeerId,
  delegator: PeerId,
): GrantData =>
  ({
    ...connection(outway, service),
    type: "GRANT_TYPE_DELEGATED_SERVICE_CONNECTION",
    delegator: { peer_id: delegator },
  }) as GrantData;

/** Makes a content that holds for an hour unless said otherwise. */
export const contentFor = (
  group: Group,
  now: number,
  grants: readonly GrantData[],
  changes: { readonly iv?: string; readonly seconds?: number; readonly createdAt?: number } = {},
): ContractContent => {
  const today = Math.floor(now / 1000);
  return proposeContent(
    {
      iv: changes.iv ?? crypto.randomUUID(),
      validity: { not_before: today - 60, not_after: today + (changes.seconds ?? 3600) },
      grants: grants.map((data) => ({ data })),
      createdAt: changes.createdAt ?? today,
    },
    contractGroup(group),
  );
};

/** Everything that a database has in the tables of fsc/, to see that nothing was stored. */
export const contentsOf = async (db: FscDatabase): Promise<Readonly<Record<string, unknown>>> => {
  const tables = [
    ...(["fsc_contract", "fsc_contract_party", "fsc_grant", "fsc_signature"] as const),
    ...(["fsc_iv", "fsc_certificate", "fsc_peer", "fsc_delivery"] as const),
  ];
  const rows = await Promise.all(
    tables.map(async (table) => [table, await db.selectFrom(table).selectAll().execute()] as const),
  );
  return Object.fromEntries(rows);
};

/** What is submitted with a signature. */
export const submission = (content: ContractContent, signature: string): Submission => ({
  content,
  signature,
});
