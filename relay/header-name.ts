// A header that is looked up in every head: found by its octets, so that only its own value becomes text.
import type { ReceivedLines } from "./edited-lines.js";
import { headerValues } from "./message.js";
import { isWord, word } from "./scan-bytes.js";
import { PER_LINE } from "./scan-lines.js";

/** A name, made once. */
export class HeaderName {
  readonly #word: Uint8Array;

  constructor(private readonly name: string) {
    this.#word = word(name.toLowerCase());
  }

  /** Every value of it in a head, in order; empty when there is none. */
  valuesIn(head: ReceivedLines): readonly string[] {
    const { raw } = head;
    if (raw === undefined) return headerValues(head.headers, this.name);
    const { bytes, offsets } = raw;
    const values: string[] = [];
    for (let line = 0; line < offsets.length; line += PER_LINE) {
      if (!isWord(bytes, offsets[line] ?? 0, offsets[line + 1] ?? 0, this.#word)) continue;
      values.push(bytes.toString("latin1", offsets[line + 2], offsets[line + 3]));
    }
    if (head.beside !== undefined) values.push(...headerValues(head.beside, this.name));
    return values;
  }
}
