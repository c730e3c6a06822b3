// The directory as a peer's manager (FSC Core 2.0.0): it takes in publication contracts, signs them by its
// rule, and lists peers and services. It has no inways, gives no tokens and is the directory in a contract
// and nothing else.
import type { Kysely } from "kysely";
import type { BundleSource } from "../certs/bundle.js";
import type { GroupSource } from "../certs/group.js";
import { stateAt } from "../contracts/state.js";
import type { Address } from "../core/address.js";
import type { Clock } from "../core/clock.js";
import type { DialPolicy } from "../core/dial.js";
import type { Lifecycle } from "../core/lifecycle.js";
import type { Log } from "../core/log.js";
import type { PeerId } from "../core/names.js";
import { contractsOf } from "../fsc/all-contracts.js";
import { BookHandlers } from "../fsc/book-handlers.js";
import { ContractBook } from "../fsc/contract-book.js";
import { openManagerClient } from "../fsc/fsc-client.js";
import { FscServer } from "../fsc/fsc-server.js";
import { openLogClient } from "../fsc/log-client.js";
import { PeerBook } from "../fsc/peer-book.js";
import { migrateFsc, type FscSchema } from "../fsc/schema.js";
import type { LogDatabase } from "../txlog/store/schema.js";
import type { StoredContract } from "../fsc/stored-contract.js";
import { notForDirectory, Publications } from "./publications.js";
import type { DirectorySettings } from "./settings.js";
import { AutomaticSigning } from "./signing.js";
import { openWitness } from "./witness.js";

/** How often it is looked whether time alone has changed what is shown. */
const TICK_MS = 500;

/** What the directory's manager side stands on. */
export interface ManagerSideParts {
  readonly settings: Pick<
    DirectorySettings,
    | "publications"
    | "contractsPerPeerMax"
    | "contractBytesPerPeerMax"
    | "deliveryRound"
    | "allowAnyPort"
    | "connectionsMax"
    | "data"
  >;
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  /** Its tables are made here; its owner closes it. */
  readonly db: Kysely<FscSchema>;
  readonly policy: () => DialPolicy;
  /** How long running requests may go on when it stops, in milliseconds. */
  readonly drainMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly lifecycle: Lifecycle;
}

/** A directory's contracts and what follows from them. */
export interface ManagerSide {
  readonly own: PeerId;
  readonly book: ContractBook;
  readonly peers: PeerBook;
  readonly publications: Publications;
  /** Answers the connections of managers that the directory's listener hands it. Whoever hands them to it closes it. */
  readonly server: FscServer;
}

const ownAddress = ({ groups, bundles }: ManagerSideParts): Address | undefined => {
  const { peerId } = bundles.current.identity;
  return groups.current.directories.find((each) => each.peerId === peerId)?.address;
};

/** Whether a contract waits for the directory's decision, and is one that a directory decides about. */
export const isWaiting = (
  { content, signatures, decision }: StoredContract,
  own: PeerId,
  now: number,
): boolean =>
  stateAt(decision, content.validity, now) === "PROPOSED" &&
  !signatures.some(({ signer }) => signer === own) &&
  notForDirectory(content, own) === undefined;

const follow = async (
  { own, book, publications }: Omit<ManagerSide, "server">,
  { settings, clock, log, lifecycle }: ManagerSideParts,
): Promise<void> => {
  const signing =
    settings.publications === "automatic"
      ? new AutomaticSigning({ book, log, lifecycle })
      : undefined;
  const consider = (contract: StoredContract): void => {
    publications.note(contract);
    if (isWaiting(contract, own, clock.now())) signing?.accept(contract.hash);
    else signing?.leave(contract.hash);
  };
  const unfollow = book.onChange(consider);
  const considerAll = async (): Promise<void> => {
    for (const state of ["VALID", "PROPOSED"] as const) {
      for await (const contract of contractsOf(book, { state })) consider(contract);
    }
  };
  await considerAll();
  let again: Promise<void> = Promise.resolve();
  const tick = (): void => {
    if (!publications.recheck()) return;
    log.warn({}, "the clock was set back: publication contracts are read again");
    again = again.then(considerAll).catch((error: unknown) => {
      log.error({ err: error }, "publication contracts could not be read again");
    });
  };
  const timer = setInterval(tick, TICK_MS);
  lifecycle.onStop("publications", async () => {
    clearInterval(timer);
    unfollow();
    await again;
  });
};

/** Opens the directory's contracts and begins to follow them. */
export const openManagerSide = async (parts: ManagerSideParts): Promise<ManagerSide> => {
  const { settings, groups, bundles, db, policy, drainMs, clock, log, lifecycle } = parts;
  await migrateFsc(db);
  const own = bundles.current.identity.peerId;
  const client = openManagerClient({
    ...{ groups, bundles, policy, clock, log },
    ownAddress: ownAddress(parts),
  });
  const peers = new PeerBook({ db, groups, clock });
  const book = await ContractBook.open({
    ...{ db, groups, bundles, client, peers, clock, log, lifecycle },
    refusal: (content) => notForDirectory(content, own),
    limits: {
      contractsPerPeer: settings.contractsPerPeerMax,
      contentBytesPerPeer: settings.contractBytesPerPeerMax,
      partyRoundMs: settings.deliveryRound,
    },
  });
  const publications = new Publications(own, clock);
  const handlers = new BookHandlers({
    ...{ groups, bundles, book, peerBook: peers, clock },
    called: () => Promise.resolve(),
    certificates: () => book.certificates(),
    inwaysOf: () => [],
    published: () => publications.all(),
    // No contract with a connection grant is taken: there is none to give a token for.
    tokenLifetimeMs: 1_000,
  });
  const witness = await openWitness({
    ...{ data: settings.data, groups, bundles, peers, client, clock },
    db: db as unknown as LogDatabase,
    logs: openLogClient({ groups, bundles, policy, ownAddress: ownAddress(parts), clock, log }),
  });
  const server = new FscServer({
    witness,
    ...{ handlers, groups, log, clock, allowAnyPort: settings.allowAnyPort },
    // As many again for gRPC, on the same port.
    limits: { drainMs, connectionsMax: Math.ceil(settings.connectionsMax / 2) },
  });
  const side = { own, book, peers, publications };
  await follow(side, parts);
  return { ...side, server };
};
