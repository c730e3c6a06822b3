// The directory as a peer's manager (FSC Core 2.0.0): it takes in publication contracts, signs them by its
// rule, and lists peers and services. It has no inways and gives no tokens.
import type { Kysely } from "kysely";
import type { BundleSource } from "../certs/bundle.js";
import type { GroupSource } from "../certs/group.js";
import type { Address } from "../core/address.js";
import type { Clock } from "../core/clock.js";
import type { DialPolicy } from "../core/dial.js";
import type { Lifecycle } from "../core/lifecycle.js";
import type { Log } from "../core/log.js";
import { contractsOf } from "../fsc/all-contracts.js";
import { BookHandlers } from "../fsc/book-handlers.js";
import { ContractBook } from "../fsc/contract-book.js";
import { openManagerClient } from "../fsc/fsc-client.js";
import { FscServer } from "../fsc/fsc-server.js";
import { PeerBook } from "../fsc/peer-book.js";
import { migrateFsc, type FscSchema } from "../fsc/schema.js";
import type { StoredContract } from "../fsc/stored-contract.js";
import { Publications } from "./publications.js";
import type { DirectorySettings } from "./settings.js";

/** How often it is looked whether time alone has changed what is shown. */
const TICK_MS = 1_000;

/** What the directory's manager side stands on. */
export interface ManagerSideParts {
  readonly settings: DirectorySettings;
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  /** Its tables are made here; its owner closes it. */
  readonly db: Kysely<FscSchema>;
  readonly policy: () => DialPolicy;
  readonly clock: Clock;
  readonly log: Log;
  readonly lifecycle: Lifecycle;
}

/** A directory's contracts and what follows from them. */
export interface ManagerSide {
  readonly book: ContractBook;
  readonly publications: Publications;
  /** Answers the connections of managers that the directory's listener hands it. */
  readonly server: FscServer;
  /** Calls back when what is shown may have changed. */
  readonly onChange: (listener: () => void) => void;
}

const ownAddress = ({ groups, bundles }: ManagerSideParts): Address | undefined => {
  const { peerId } = bundles.current.identity;
  return groups.current.directories.find((each) => each.peerId === peerId)?.address;
};

/** Signs what waits, when the rule is automatic; a failure is logged and tried again with the next change. */
const sign = async (
  contract: StoredContract,
  { book, publications }: Pick<ManagerSide, "book" | "publications">,
  { settings, log }: ManagerSideParts,
): Promise<void> => {
  if (settings.publications !== "automatic" || !publications.isWaiting(contract)) return;
  try {
    await book.decide(contract.hash, "accept");
  } catch (error) {
    log.error({ err: error, contract: contract.hash }, "a publication contract was not signed");
  }
};

const follow = async (
  side: Pick<ManagerSide, "book" | "publications">,
  parts: ManagerSideParts,
  changed: () => void,
): Promise<void> => {
  const { book, publications } = side;
  const running = new Set<Promise<void>>();
  const consider = (contract: StoredContract): void => {
    publications.note(contract);
    changed();
    const signing = sign(contract, side, parts).finally(() => running.delete(signing));
    running.add(signing);
  };
  const unfollow = book.onChange(consider);
  for await (const contract of contractsOf(book)) consider(contract);
  const timer = setInterval(() => {
    publications.recheck();
    changed();
  }, TICK_MS);
  parts.lifecycle.onStop("publications", async () => {
    clearInterval(timer);
    unfollow();
    await Promise.all(running);
  });
};

/** Opens the directory's contracts and begins to follow them. */
export const openManagerSide = async (parts: ManagerSideParts): Promise<ManagerSide> => {
  const { settings, groups, bundles, db, policy, clock, log, lifecycle } = parts;
  await migrateFsc(db);
  const client = openManagerClient({
    ...{ groups, bundles, policy, clock, log },
    ownAddress: ownAddress(parts),
  });
  const peerBook = new PeerBook({ db, groups, clock });
  const book = await ContractBook.open({
    ...{ db, groups, bundles, client, peers: peerBook, clock, log, lifecycle },
  });
  const publications = new Publications(bundles.current.identity.peerId, clock);
  const handlers = new BookHandlers({
    ...{ groups, bundles, book, peerBook, clock },
    called: () => Promise.resolve(),
    certificates: () => book.certificates(),
    inwaysOf: () => [],
    tokenLifetimeMs: 1_000,
  });
  const server = new FscServer({
    ...{ handlers, groups, log, clock, allowAnyPort: settings.allowAnyPort },
  });
  lifecycle.onStop("connections of managers", () => server.close());
  const listeners = new Set<() => void>();
  const changed = (): void => {
    for (const listener of listeners) listener();
  };
  await follow({ book, publications }, parts, changed);
  return { book, publications, server, onChange: (listener) => void listeners.add(listener) };
};
