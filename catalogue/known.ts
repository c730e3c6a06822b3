// The catalogue that a consumer knows: verified, limited, in memory and on disk.
import type { Group, GroupSource } from "../certs/group.js";
import type { Clock } from "../core/clock.js";
import type { DialPolicy } from "../core/dial.js";
import type { Log } from "../core/log.js";
import {
  AnnouncementError,
  verifyAnnouncement,
  type Announcement,
  type SignedAnnouncement,
} from "./announcement.js";
import { apply, Catalogue, type CatalogueChanges, type InwayHealth } from "./catalogue.js";
import { CatalogueFile } from "./catalogue-file.js";

/** How many components one group may have, as far as a consumer goes along. */
export const COMPONENTS_MAX = 20_000;
/** How large all signed announcements of a group may be together. */
export const CATALOGUE_BYTES_MAX = 256 * 1024 ** 2;

/** What a consumer's catalogue stands on. */
export interface Knowing {
  readonly groups: GroupSource;
  readonly policy: DialPolicy;
  /** Where the last catalogue lies. */
  readonly file: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** One component that is believed. */
export type Believed = CatalogueChanges["upserted"][number];

/** A component with how it was known. */
interface Unverified {
  readonly signed: SignedAnnouncement;
  readonly live: boolean;
  readonly health: InwayHealth;
  readonly shown: ReadonlySet<string>;
}

const sizeOf = ({ announcement, signature, certificateChain }: SignedAnnouncement): number =>
  announcement.length +
  signature.length +
  certificateChain.reduce((sum, { length }) => sum + length, 0);

const sameBytes = (a: SignedAnnouncement, b: SignedAnnouncement): boolean =>
  a.announcement.equals(b.announcement) &&
  a.signature.equals(b.signature) &&
  a.certificateChain.length === b.certificateChain.length &&
  a.certificateChain.every((bytes, index) => b.certificateChain[index]?.equals(bytes) === true);

/** Throws when these are more, or larger, than a group's catalogue may be. */
export const checkSize = (entries: Iterable<{ readonly announcement: Announcement }>): void => {
  let components = 0;
  let bytes = 0;
  for (const { announcement } of entries) {
    components += 1;
    bytes += sizeOf(announcement.signed);
  }
  if (components > COMPONENTS_MAX || bytes > CATALOGUE_BYTES_MAX) {
    throw new Error(
      `the catalogue is too large: allowed are ${COMPONENTS_MAX} components and ${CATALOGUE_BYTES_MAX} bytes`,
    );
  }
};

/** Puts entries into an empty catalogue, those that are gone as gone. */
const restore = (
  empty: Catalogue,
  entries: readonly (Believed & { readonly live: boolean })[],
): Catalogue => {
  const { catalogue } = apply(empty, { upserted: entries });
  const removed = entries.filter(({ live }) => !live).map(({ announcement }) => announcement.key);
  return apply(catalogue, { upserted: [], removed }).catalogue;
};

/** Holds the catalogue in use and replaces it whole. */
export class KnownCatalogue {
  #current: Catalogue | undefined;
  /** Verified under the group in use, by signature; spares the work when a stream begins anew. */
  readonly #verified = new Map<string, Announcement>();
  readonly #with: Knowing;
  readonly #file: CatalogueFile;
  readonly #listeners = new Set<(catalogue: Catalogue) => void>();

  private constructor(knowing: Knowing) {
    this.#with = knowing;
    this.#file = new CatalogueFile(knowing.file, knowing.log);
  }

  /** Opens it with what lies on disk. A file that cannot be used is logged and left out. */
  static async open(knowing: Knowing): Promise<KnownCatalogue> {
    const known = new KnownCatalogue(knowing);
    try {
      await known.#load();
    } catch (error) {
      knowing.log.warn({ err: error, file: knowing.file }, "the stored catalogue is not used");
    }
    return known;
  }

  /** The catalogue in use; undefined when there has been none. */
  get current(): Catalogue | undefined {
    return this.#current;
  }

  /** Calls back after each change. Returns the function that ends that. */
  onChange(listener: (catalogue: Catalogue) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #load(): Promise<void> {
    const { groups, clock, log } = this.#with;
    const stored = await this.#file.read();
    if (stored?.groupId !== groups.current.id) return;
    // The directory's view of that time says nothing of now.
    const entries = this.#verifyAll(
      stored.components.map((component) => ({ ...component, health: "unknown" })),
    );
    if (entries.length === 0) return;
    this.#current = restore(new Catalogue(groups.current.id, clock), entries);
    log.info({ components: entries.length }, "the stored catalogue is in use");
  }

  /** Verifies everything again after the group has changed: who is trusted no longer is left out at once. */
  recheck(): void {
    const { groups, clock } = this.#with;
    const { id } = groups.current;
    this.#verified.clear();
    if (this.#current === undefined) return;
    const known = id === this.#current.groupId ? [...this.#current.remembered()] : [];
    const entries = this.#verifyAll(
      known.map(({ announcement, ...entry }) => ({ ...entry, signed: announcement.signed })),
    );
    this.#use(restore(new Catalogue(id, clock), entries));
  }

  #verifyAll(components: readonly Unverified[]): (Believed & { readonly live: boolean })[] {
    const { groups, log } = this.#with;
    return components.flatMap(({ signed, live, health, shown }) => {
      try {
        return [{ announcement: this.verify(signed, groups.current), live, health, shown }];
      } catch (error) {
        if (!(error instanceof AnnouncementError)) throw error;
        log.warn({ reason: error.message }, "a known announcement is left out");
        return [];
      }
    });
  }

  /**
   * Verifies an announcement, or finds it verified already.
   *
   * @throws AnnouncementError
   */
  verify(signed: SignedAnnouncement, group: Group): Announcement {
    const { clock, policy } = this.#with;
    const name = signed.signature.toString("base64");
    const now = clock.now();
    const before = this.#verified.get(name);
    if (before !== undefined && sameBytes(before.signed, signed) && before.validUntil > now) {
      return before;
    }
    const anyPort = policy.ports === undefined;
    const announcement = verifyAnnouncement(signed, { group, now, anyPort });
    if (this.#verified.size >= COMPONENTS_MAX) this.#verified.clear();
    this.#verified.set(name, announcement);
    return announcement;
  }

  /**
   * Makes a change.
   *
   * @returns the announcements that did not get in because a later one is known
   * @throws Error when the catalogue would become too large; then nothing changes
   */
  change(groupId: string, changes: CatalogueChanges): readonly Announcement[] {
    const before = this.#current ?? new Catalogue(groupId, this.#with.clock);
    const { catalogue, outdated } = apply(before, changes);
    checkSize(catalogue.remembered());
    this.#use(catalogue);
    return outdated;
  }

  #use(catalogue: Catalogue): void {
    this.#current = catalogue;
    this.#file.write(catalogue);
    for (const listener of this.#listeners) listener(catalogue);
  }

  /** Writes what is not on disk yet. */
  close(): Promise<void> {
    return this.#file.close();
  }
}
