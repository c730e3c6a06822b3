// The announcement that a component stands by at this moment: signed anew only when it has to be, so
// that a renewal sends the same bytes.
import type { Bundle, BundleSource } from "../certs/bundle.js";
import type { Group, GroupSource } from "../certs/group.js";
import type { Address } from "../core/address.js";
import type { Clock } from "../core/clock.js";
import type { ComponentName } from "../core/names.js";
import type { SignedAnnouncement } from "../proto/gen/schakel/directory/v1/directory.js";
import { signAnnouncement, type AnnouncedInway, type AnnouncedService } from "./announcement.js";

/** How long an announcement is valid: so long may directories be away without a peer vanishing. */
export const VALIDITY_MS = 72 * 3_600_000;
/** Sequence numbers are milliseconds of the clock, so nobody can honestly know one far above it. */
const SEQUENCE_AHEAD_MAX = 24 * 3_600_000;

/** What a component says of itself at this moment. */
export type Described =
  | {
      readonly kind: "inway";
      readonly address: Address;
      readonly services: readonly AnnouncedService[];
    }
  | { readonly kind: "outway" };

/** What a draft is made from. */
export interface Drafting {
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  readonly component: ComponentName;
  readonly describe: () => Described;
  readonly clock: Clock;
  readonly version: string;
}

/** The announcement of one component over time. */
export interface Draft {
  /** The announcement: the same bytes until the content, the bundle or the group changes, or a third of the validity has passed. */
  current(): SignedAnnouncement;
  /** Makes the next announcement one with at least this sequence number. False when it is not believable: then nothing changes. */
  raise(sequence: number): boolean;
}

interface Signed {
  readonly signed: SignedAnnouncement;
  readonly content: string;
  readonly bundle: Bundle;
  readonly group: Group;
  readonly issuedAt: number;
}

const inwayOf = (described: Described): AnnouncedInway | undefined =>
  described.kind === "inway"
    ? { address: described.address, services: described.services }
    : undefined;

/** Makes the draft of a component that has not announced anything yet. */
export const createDraft = (drafting: Drafting): Draft => {
  const { groups, bundles, component, describe, clock, version } = drafting;
  let last: Signed | undefined;
  let sequence = 0;

  const isCurrent = (signed: Signed, content: string, now: number): boolean =>
    signed.content === content &&
    signed.bundle === bundles.current &&
    signed.group === groups.current &&
    now >= signed.issuedAt &&
    now < signed.issuedAt + VALIDITY_MS / 3;

  const sign = (inway: AnnouncedInway | undefined, now: number): SignedAnnouncement => {
    // Above any number that an earlier run used, without remembering it: the clock has gone on since.
    sequence = Math.max(sequence + 1, now);
    const times = { issuedAt: now, validUntil: now + VALIDITY_MS };
    const content = { component, sequence, version, inway, ...times };
    return signAnnouncement(content, bundles.current, groups.current);
  };

  return {
    current: () => {
      const now = Math.floor(clock.now());
      const inway = inwayOf(describe());
      const content = JSON.stringify(inway ?? null);
      if (last === undefined || !isCurrent(last, content, now)) {
        const signed = sign(inway, now);
        last = {
          signed,
          content,
          bundle: bundles.current,
          group: groups.current,
          issuedAt: now,
        };
      }
      return last.signed;
    },
    raise: (wanted) => {
      const believable = Number.isSafeInteger(wanted) && wanted <= clock.now() + SEQUENCE_AHEAD_MAX;
      if (!believable) return false;
      sequence = Math.max(sequence, wanted - 1);
      last = undefined;
      return true;
    },
  };
};
