// Writing and strict reading of the few value shapes of the log's format: big-endian numbers, texts
// with a length before them, fixed-size values that may be absent.
import { isUtf8 } from "node:buffer";

/** Bytes that are not what the format says: what was found, where, and what is allowed. */
export class FormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "FormatError";
  }
}

const SHORT = 40;

/** The value of a digit of a UUID by its code; -1 for what is none. */
const NIBBLES = Int8Array.from({ length: 128 }, (_, code) =>
  "0123456789abcdef".indexOf(String.fromCharCode(code)),
);
const nibble = (text: string, at: number): number => NIBBLES[text.charCodeAt(at)] ?? -1;

/** Where in a UUID's text its bytes stand, and where its dashes. */
const UUID_BYTES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const UUID_DASHES = [8, 13, 18, 23];
const UUID_LENGTH = 36;
const DASH = 45;

/**
 * A buffer that grows. Values that cannot be written (a negative number, a text over its length field)
 * throw a RangeError and leave `length` where it was before that value or a part of it further; the caller resets it.
 */
export class ByteWriter {
  /** What was written stands in its first `length` bytes. */
  buffer: Buffer;
  length = 0;

  constructor(capacity: number) {
    this.buffer = Buffer.allocUnsafeSlow(capacity);
  }

  /** Makes room for this many more bytes. */
  reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }

  u8(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  u16(value: number): void {
    if (!(value >= 0 && value <= 0xffff)) throw new RangeError(`${value} does not fit 16 bits`);
    this.reserve(2);
    this.buffer[this.length++] = value >>> 8;
    this.buffer[this.length++] = value;
  }

  u32(value: number): void {
    this.reserve(4);
    this.length = this.buffer.writeUInt32BE(value, this.length);
  }

  /** A whole number from 0 to 2^53 - 1 in 64 bits. */
  u64(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`${value} is not a whole number from 0 to 2^53 - 1`);
    }
    this.u32(Math.floor(value / 0x1_0000_0000));
    this.u32(value % 0x1_0000_0000);
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
  }

  /** A fixed-size value that may be absent: its length or 0 in one byte, then the value. */
  fixed(value: Uint8Array | undefined, size: number): void {
    if (value === undefined) {
      this.u8(0);
    } else {
      if (value.length !== size) throw new RangeError(`${value.length} bytes instead of ${size}`);
      this.u8(size);
      this.bytes(value);
    }
  }

  /** A number that may be absent: 0 or 8 in one byte, then 64 bits. */
  optionalU64(value: number | undefined): void {
    this.u8(value === undefined ? 0 : 8);
    if (value !== undefined) this.u64(value);
  }

  /** A text with its length in 16 bits; absent is the same as empty. */
  text(value: string | undefined): void {
    if (value === undefined || value === "") {
      this.u16(0);
      return;
    }
    this.reserve(2 + value.length * 3);
    const size = this.#utf8(value, this.length + 2);
    this.u16(size);
    this.length += size;
  }

  /** A text with its length in 32 bits; absent is the same as empty. */
  longText(value: string | undefined): void {
    if (value === undefined || value === "") {
      this.u32(0);
      return;
    }
    const bytes = Buffer.from(value);
    this.u32(bytes.length);
    this.bytes(bytes);
  }

  /** A UUID in its 16 bytes. */
  uuid(value: string): void {
    this.reserve(16);
    const { buffer } = this;
    let to = this.length;
    let isUuid = value.length === UUID_LENGTH;
    for (const at of UUID_DASHES) isUuid &&= value.charCodeAt(at) === DASH;
    for (const at of UUID_BYTES) {
      const byte = (nibble(value, at) << 4) | nibble(value, at + 1);
      // Below 0 when either is no digit.
      isUuid &&= byte >= 0;
      buffer[to++] = byte;
    }
    if (!isUuid) throw new RangeError("not a UUID in lower case");
    this.length = to;
  }

  // Most texts are short ASCII, for which a loop beats the call into the runtime.
  #utf8(value: string, at: number): number {
    if (value.length <= SHORT) {
      let i = 0;
      for (; i < value.length; i++) {
        const code = value.charCodeAt(i);
        if (code > 0x7f) break;
        this.buffer[at + i] = code;
      }
      if (i === value.length) return i;
    }
    return this.buffer.write(value, at);
  }
}

/** Reads values in order. Whatever a writer would not have written that way throws a FormatError. */
export class ByteReader {
  #at = 0;

  readonly #buffer: Buffer;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  /** How many bytes have been read. */
  get position(): number {
    return this.#at;
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#skip(1));
  }

  u16(): number {
    return this.#buffer.readUInt16BE(this.#skip(2));
  }

  u32(): number {
    return this.#buffer.readUInt32BE(this.#skip(4));
  }

  u64(): number {
    const value = this.u32() * 0x1_0000_0000 + this.u32();
    if (!Number.isSafeInteger(value)) throw this.#refused("a number is over 2^53 - 1");
    return value;
  }

  bytes(size: number): Buffer {
    const start = this.#skip(size);
    return this.#buffer.subarray(start, start + size);
  }

  fixed(size: number): Buffer | undefined {
    const length = this.u8();
    if (length !== 0 && length !== size) {
      throw this.#refused(`a length of ${length}, allowed are 0 and ${size},`);
    }
    return length === 0 ? undefined : this.bytes(size);
  }

  optionalU64(): number | undefined {
    const length = this.u8();
    if (length !== 0 && length !== 8) {
      throw this.#refused(`a length of ${length}, allowed are 0 and 8,`);
    }
    return length === 0 ? undefined : this.u64();
  }

  text(): string {
    return this.#utf8(this.u16());
  }

  longText(): string {
    return this.#utf8(this.u32());
  }

  uuid(): string {
    const start = this.#skip(16);
    const hex = this.#buffer.toString("hex", start, start + 16);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  /** One of the words that a byte stands for: 1 is the first. */
  word<W extends string>(words: readonly W[]): W {
    const code = this.u8();
    const word = words[code - 1];
    if (word === undefined) {
      throw this.#refused(`the value ${code}, allowed is 1 to ${words.length},`);
    }
    return word;
  }

  /** Refuses bytes that are left over. */
  end(): void {
    if (this.#at !== this.#buffer.length) {
      throw this.#refused(`${this.#buffer.length - this.#at} bytes too many`);
    }
  }

  /** Goes on by this many bytes, and gives where they begin. */
  #skip(size: number): number {
    const start = this.#at;
    if (start + size > this.#buffer.length) throw this.#refused(`${size} bytes are needed`);
    this.#at = start + size;
    return start;
  }

  #utf8(size: number): string {
    if (size === 0) return "";
    const bytes = this.bytes(size);
    if (!isUtf8(bytes)) throw this.#refused("a text that is not UTF-8");
    return bytes.toString("utf8");
  }

  #refused(what: string): FormatError {
    return new FormatError(`${what} at byte ${this.#at} of ${this.#buffer.length}`);
  }
}
