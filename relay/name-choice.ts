// A choice among header names that is made once for a name, and found again by its octets.
import type { ReceivedLines } from "./edited-lines.js";
import type { HeaderLines } from "./message.js";
import { LOWER } from "./scan-bytes.js";
import { PER_LINE } from "./scan-lines.js";

const SLOTS = 512;
/** Longer names are judged anew each time, so that what is kept stays small. */
const KEPT_OCTETS_MAX = 64;

interface Known {
  readonly name: Uint8Array;
  readonly chosen: boolean;
}

/** Keeps what a pure function says of names. Bounded: a name gives way to another that falls on its place. */
export class NameChoice {
  readonly #isChosen = ([name]: HeaderLines[number]): boolean => this.choose(name.toLowerCase());
  readonly #known: (Known | undefined)[] = Array.from({ length: SLOTS }, () => undefined);

  /** @param choose asked with the name in lower case; must always say the same of the same name */
  constructor(readonly choose: (lowerName: string) => boolean) {}

  /** The lines of a head whose names are chosen, in order; nothing of the others becomes text. */
  linesIn(head: ReceivedLines): HeaderLines {
    const { raw, beside } = head;
    if (raw === undefined) return head.headers.filter(this.#isChosen);
    const { bytes, offsets } = raw;
    const lines: HeaderLines[number][] = [];
    for (let line = 0; line < offsets.length; line += PER_LINE) {
      const from = offsets[line] ?? 0;
      const to = offsets[line + 1] ?? 0;
      if (!this.of(bytes, from, to)) continue;
      const value = bytes.toString("latin1", offsets[line + 2], offsets[line + 3]);
      lines.push([bytes.toString("latin1", from, to), value]);
    }
    if (beside !== undefined && beside.length > 0) lines.push(...beside.filter(this.#isChosen));
    return lines;
  }

  /** What it says of the name that stands from `from` to `to`. */
  of(bytes: Buffer, from: number, to: number): boolean {
    let hash = to - from;
    for (let at = from; at < to; at++) hash = (hash * 31 + (bytes[at] ?? 0)) | 0;
    const slot = (hash ^ (hash >>> 9)) & (SLOTS - 1);
    const known = this.#known[slot];
    if (known !== undefined && isSame(bytes, from, to, known.name)) return known.chosen;
    const name = Uint8Array.prototype.slice.call(bytes, from, to);
    const chosen = this.choose(textOf(name));
    if (name.length <= KEPT_OCTETS_MAX) this.#known[slot] = { name, chosen };
    return chosen;
  }
}

const isSame = (bytes: Buffer, from: number, to: number, name: Uint8Array): boolean => {
  if (to - from !== name.length) return false;
  for (let at = 0; at < name.length; at++) if (bytes[from + at] !== name[at]) return false;
  return true;
};

const textOf = (name: Uint8Array): string =>
  Buffer.from(name.map((octet) => LOWER[octet] ?? 0)).toString("latin1");
