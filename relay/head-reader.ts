// Reads heads out of the octets of a connection, also when they come in pieces.
import { Gathered } from "./gathered.js";

interface Found {
  /** Offset of the first octet behind the head. */
  readonly end: number;
}

/** One after the other: after a head its body must be read elsewhere before the next is asked for. */
export class HeadReader<T extends Found> {
  readonly #gathered = new Gathered();

  /**
   * @param scan scans a head that begins at an offset; gives undefined when there is more to come
   * @param most octets of a head with which `scan` is asked again in any case
   */
  constructor(
    private readonly scan: (bytes: Buffer, from: number) => T | undefined,
    private readonly most: number,
  ) {}

  /** Whether a part of a head is held. */
  get begun(): boolean {
    return this.#gathered.length > 0;
  }

  /**
   * Takes octets from an offset on; with `end` as the offset in them.
   *
   * @returns undefined when all of them have been taken and there is more to come
   * @throws what `scan` throws
   */
  read(bytes: Buffer, from: number): T | undefined {
    const gathered = this.#gathered;
    const before = gathered.length;
    if (before === 0) {
      const found = this.scan(bytes, from);
      if (found === undefined && from < bytes.length) gathered.add(bytes, from, 0);
      return found;
    }
    if (!gathered.add(bytes, from, this.most)) return undefined;
    const found = this.scan(gathered.bytes, 0);
    if (found === undefined) return undefined;
    gathered.clear();
    return { ...found, end: from + found.end - before };
  }
}
