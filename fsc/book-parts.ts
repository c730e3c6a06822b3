// What the parts of the contract book stand on.
import type { BundleSource } from "../certs/bundle.js";
import type { GroupSource } from "../certs/group.js";
import type { ContractContent } from "../contracts/content.js";
import type { Clock } from "../core/clock.js";
import type { Log } from "../core/log.js";
import type { PeerId, ServiceName } from "../core/names.js";
import type { BookLimits } from "./book-limits.js";
import type { ManagerClient } from "./manager-interface.js";
import type { PeerBook } from "./peer-book.js";
import type { FscDatabase } from "./schema.js";

/** What is shared by all parts of one contract book. */
export interface BookParts {
  readonly db: FscDatabase;
  readonly groups: Pick<GroupSource, "current">;
  readonly bundles: Pick<BundleSource, "current" | "onChange">;
  readonly client: Pick<ManagerClient, "submit" | "certificates" | "peer">;
  readonly peers: PeerBook;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: BookLimits;
  /** Whether our peer offers a service; undefined when nobody here can say. */
  readonly offers: ((name: ServiceName) => boolean) | undefined;
  /** Why our peer takes no such contract, whatever FSC allows; undefined for one that it takes. */
  readonly refusal: ((content: ContractContent) => string | undefined) | undefined;
  /** Gives numbers from 0 up to 1. */
  readonly random: () => number;
}

/** Our own peer. */
export const ownPeerId = ({ bundles }: Pick<BookParts, "bundles">): PeerId =>
  bundles.current.identity.peerId;
