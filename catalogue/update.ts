// Takes in one stream of a directory, message by message, and believes only what a peer has signed.
import type { Group } from "../certs/group.js";
import type { Log } from "../core/log.js";
import { parseComponentName } from "../core/names.js";
import {
  ComponentKind,
  Health,
  type CatalogueEntry as WireEntry,
  type CatalogueKey,
  type WatchCatalogueResponse,
} from "../proto/gen/schakel/directory/v1/directory.js";
import { AnnouncementError, SERVICES_MAX, type ComponentKey } from "./announcement.js";
import type { InwayHealth } from "./catalogue.js";
import { checkSize, type Believed, type KnownCatalogue } from "./known.js";

/** How many refusals of one stream are logged one by one. */
const WARNINGS_MAX = 20;

const HEALTH: Readonly<Record<number, InwayHealth>> = {
  [Health.HEALTH_UP]: "up",
  [Health.HEALTH_DOWN]: "down",
};

const KIND: Readonly<Record<number, string>> = {
  [ComponentKind.COMPONENT_KIND_INWAY]: "inway",
  [ComponentKind.COMPONENT_KIND_OUTWAY]: "outway",
};

/** One stream. The first full catalogue is taken into use when it is complete, and not in parts. */
export class Update {
  readonly #known: KnownCatalogue;
  readonly #group: Group;
  readonly #log: Log;
  #snapshot: Believed[] | undefined = [];
  #warnings = 0;

  constructor(known: KnownCatalogue, group: Group, log: Log) {
    this.#known = known;
    this.#group = group;
    this.#log = log;
  }

  /** Whether the first full catalogue has come and is in use. */
  get isComplete(): boolean {
    return this.#snapshot === undefined;
  }

  /** Takes one message. Throws when the stream cannot go on: the catalogue is too large. */
  take({ upserted, removed, snapshotComplete }: WatchCatalogueResponse): void {
    const believed = upserted.flatMap((entry) => this.#believe(entry));
    if (this.#snapshot === undefined) {
      this.#change({ upserted: believed, removed: removed.flatMap((key) => this.#keyOf(key)) });
      return;
    }
    this.#snapshot.push(...believed);
    checkSize(this.#snapshot);
    if (!snapshotComplete) return;
    this.#change({ upserted: this.#snapshot, complete: true });
    this.#snapshot = undefined;
  }

  #change(changes: Parameters<KnownCatalogue["change"]>[1]): void {
    const { upserted, removed = [], complete = false } = changes;
    if (upserted.length === 0 && removed.length === 0 && !complete) return;
    for (const { key } of this.#known.change(this.#group.id, changes)) {
      this.#warn({ component: key, reason: "a later announcement is known" });
    }
  }

  #believe({ announcement, health, publishedServices }: WireEntry): Believed[] {
    if (announcement === undefined) {
      this.#warn({ reason: "an entry without announcement" });
      return [];
    }
    try {
      return [
        {
          announcement: this.#known.verify(announcement, this.#group),
          health: HEALTH[health] ?? "unknown",
          shown: new Set(publishedServices.slice(0, SERVICES_MAX)),
        },
      ];
    } catch (error) {
      if (!(error instanceof AnnouncementError)) throw error;
      this.#warn({ reason: error.message });
      return [];
    }
  }

  #keyOf({ peerId, kind, component }: CatalogueKey): ComponentKey[] {
    const word = KIND[kind];
    const name = parseComponentName(component);
    if (word !== undefined && name !== undefined) return [`${peerId}/${word}/${name}`];
    this.#warn({ reason: "a removed component without kind or name" });
    return [];
  }

  #warn(details: object): void {
    this.#warnings += 1;
    if (this.#warnings > WARNINGS_MAX) return;
    const more = this.#warnings === WARNINGS_MAX ? { more: "further ones are not logged" } : {};
    this.#log.warn({ ...details, ...more }, "the directory sent what is not believed");
  }
}
