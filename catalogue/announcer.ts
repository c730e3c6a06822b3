// Tells every directory of the group what a component offers, for as long as it runs. Inways and
// outways share this one loop.
import type { BundleSource } from "../certs/bundle.js";
import type { GroupSource } from "../certs/group.js";
import type { Clock } from "../core/clock.js";
import type { DialPolicy } from "../core/dial.js";
import type { Lifecycle } from "../core/lifecycle.js";
import type { Log } from "../core/log.js";
import type { ComponentName, PeerId } from "../core/names.js";
import { repeat, type Backoff } from "../core/retry.js";
import { VERSION } from "../core/version.js";
import {
  ComponentKind,
  type DirectoryServiceClient,
} from "../proto/gen/schakel/directory/v1/directory.js";
import { createDraft, type Described, type Draft } from "./draft.js";
import {
  announceTo,
  DirectoryError,
  openDirectory,
  withdrawFrom,
  type DirectoryEndpoint,
} from "./directory-client.js";
import { startRestartable, type Restartable } from "../core/restartable.js";

const BACKOFF: Backoff = { firstMs: 100, maxMs: 20_000 };
// Whatever a directory says, renewals come neither in a tight loop nor hours apart.
const LEASE_MS_MIN = 1_000;
const LEASE_MS_MAX = 600_000;

/** What is announced, and how the directories are reached. */
export interface Announcing {
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  readonly policy: DialPolicy;
  readonly component: ComponentName;
  /** Asked before each announcement; `kind` never changes. */
  readonly describe: () => Described;
  readonly clock: Clock;
  readonly log: Log;
  readonly lifecycle: Lifecycle;
}

/** A running announcer. It announces at the start, at each change and at a third of the lease, until the process stops. */
export interface Announcer {
  /** Says that `describe` would answer otherwise now: announces at once. */
  changed(): void;
  /** When a directory last accepted, in milliseconds since 1970; undefined before the first time. */
  readonly lastAnnouncedAt: number | undefined;
  /** Why no directory knows of the component now; undefined when one does. For the health page. */
  problem(): string | undefined;
}

class Announcement implements Announcer {
  lastAnnouncedAt: number | undefined;
  readonly #with: Announcing;
  readonly #draft: Draft;
  readonly #work: Restartable;
  readonly #accepted = new Set<PeerId>();
  #failure = "it has not been announced yet";

  constructor(announcing: Announcing) {
    this.#with = announcing;
    this.#draft = createDraft({ ...announcing, version: VERSION });
    this.#work = startRestartable((signal) => this.#announceToAll(signal));
    const { groups, bundles, lifecycle } = announcing;
    const unsubscribe = [
      groups.onChange(() => this.#work.restart()),
      bundles.onChange(() => this.#work.restart()),
    ];
    lifecycle.onStop("announcer", async () => {
      unsubscribe.forEach((end) => end());
      await this.#work.stop();
      await this.#withdraw();
    });
  }

  changed(): void {
    this.#work.restart();
  }

  problem(): string | undefined {
    return this.#accepted.size > 0 ? undefined : this.#failure;
  }

  async #announceToAll(signal: AbortSignal): Promise<void> {
    await Promise.all(
      this.#with.groups.current.directories.map((directory) => this.#announceTo(directory, signal)),
    );
  }

  async #announceTo(directory: DirectoryEndpoint, signal: AbortSignal): Promise<void> {
    let client: DirectoryServiceClient | undefined;
    const { log } = this.#with;
    await repeat(signal, {
      backoff: BACKOFF,
      turn: async () => {
        client ??= await this.#open(directory);
        return await this.#announceOnce(client, directory, signal);
      },
      failed: (error, failures, waitMs) => {
        client?.close();
        client = undefined;
        this.#accepted.delete(directory.peerId);
        const reason = error instanceof Error ? error.message : String(error);
        this.#failure = `directory ${directory.peerId} did not accept the announcement: ${reason}`;
        log.warn({ directory: directory.peerId, reason, failures, waitMs }, "not announced");
      },
    });
    client?.close();
  }

  #open(directory: DirectoryEndpoint): Promise<DirectoryServiceClient> {
    const { groups, bundles, policy } = this.#with;
    return openDirectory({ directory, policy, group: groups.current, bundle: bundles.current });
  }

  async #announceOnce(
    client: DirectoryServiceClient,
    directory: DirectoryEndpoint,
    signal: AbortSignal,
  ): Promise<number> {
    const { clock, log } = this.#with;
    const draft = this.#draft.current();
    try {
      const { leaseMs } = await announceTo(client, draft, signal);
      if (!this.#accepted.has(directory.peerId)) {
        log.info({ directory: directory.peerId }, "announced");
      }
      this.#accepted.add(directory.peerId);
      this.lastAnnouncedAt = clock.now();
      const lease = Math.min(LEASE_MS_MAX, Math.max(LEASE_MS_MIN, Number(leaseMs)));
      return (lease / 3) * (0.9 + Math.random() * 0.1);
    } catch (error) {
      if (
        error instanceof DirectoryError &&
        error.code === "ERROR_CODE_ANNOUNCEMENT_OUTDATED" &&
        !this.#draft.raise(Number(error.choices[0]))
      ) {
        log.error(
          { directory: directory.peerId, reason: error.message },
          "the directory knows a sequence number that no clock gives; it is not used",
        );
      }
      throw error;
    }
  }

  async #withdraw(): Promise<void> {
    const { groups, component, describe, log } = this.#with;
    const isInway = describe().kind === "inway";
    const request = {
      groupId: groups.current.id,
      component,
      kind: isInway ? ComponentKind.COMPONENT_KIND_INWAY : ComponentKind.COMPONENT_KIND_OUTWAY,
    };
    await Promise.all(
      // Also where this run was never announced: an earlier one may still be known there.
      groups.current.directories.map(async (directory) => {
        try {
          const client = await this.#open(directory);
          await withdrawFrom(client, request).finally(() => client.close());
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          log.info({ directory: directory.peerId, reason }, "not withdrawn; the lease will end");
        }
      }),
    );
  }
}

/** Begins to announce a component to every directory of the group, until the process stops; then it withdraws. */
export const startAnnouncing = (announcing: Announcing): Announcer => new Announcement(announcing);
