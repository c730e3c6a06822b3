// Strict JSON: RFC 8259 within the limits of I-JSON (RFC 7493). Whatever two readers could understand
// in two ways is refused, since a signature counts for what the reader understands.

/** A JSON value, frozen all through. Objects have no prototype: every member is one that was sent. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** A JSON object. Its members are own properties, `__proto__` too. */
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** How deep arrays and objects may lie in each other. */
export const JSON_DEPTH_MAX = 32;

/** How large a JSON text may be unless the caller says otherwise, in bytes. */
export const JSON_BYTES_MAX = 1024 * 1024;

/** How many values a JSON text may hold unless the caller says otherwise, members and elements counted. */
export const JSON_VALUES_MAX = 100_000;

/** How many digits a number may be written with, zeros at either end not counted: a double tells 17 apart. */
export const NUMBER_DIGITS_MAX = 17;

/** How many characters a number may be written with: enough for the smallest double without an exponent. */
export const NUMBER_LENGTH_MAX = 400;

/** A text that is not strict JSON. The message says what was found and where; it repeats nothing of the text. */
export class JsonError extends Error {
  constructor(
    message: string,
    /** Whether the text is over its size, which HTTP answers with 413, and not malformed. */
    readonly isTooLarge = false,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "JsonError";
  }
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const SPACE = /[ \t\n\r]*/y;
const LITERALS = [
  ["true", true],
  ["false", false],
  ["null", null],
] as const;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);
const NONCHARACTER = /\p{Noncharacter_Code_Point}/u;

/** Whether a text may be a string of I-JSON (RFC 7493, 2.1): no lone surrogate, no noncharacter. */
export const isInteroperableText = (text: string): boolean =>
  text.isWellFormed() && !NONCHARACTER.test(text);

class Reader {
  #at = 0;
  #values = 0;

  constructor(
    private readonly text: string,
    private readonly valuesMax: number,
  ) {}

  read(): JsonValue {
    this.#take(SPACE);
    const value = this.#value(0);
    if (this.#at !== this.text.length) throw this.#error("something after the JSON value");
    return value;
  }

  #error(problem: string): JsonError {
    return new JsonError(`${problem} at character ${String(this.#at + 1)}`);
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  /** Takes a character if it stands here, and the space after it. */
  #skip(character: string): boolean {
    if (this.text[this.#at] !== character) return false;
    this.#at += 1;
    this.#take(SPACE);
    return true;
  }

  // Recursive, which JSON_DEPTH_MAX bounds.
  #value(depth: number): JsonValue {
    if (depth > JSON_DEPTH_MAX) {
      throw this.#error(`more than ${String(JSON_DEPTH_MAX)} arrays and objects in each other`);
    }
    this.#values += 1;
    if (this.#values > this.valuesMax) {
      throw this.#error(`more than ${String(this.valuesMax)} values`);
    }
    const value = this.#anyValue(depth);
    this.#take(SPACE);
    return value;
  }

  #anyValue(depth: number): JsonValue {
    if (this.#skip("{")) return this.#object(depth);
    if (this.#skip("[")) return this.#array(depth);
    if (this.text[this.#at] === '"') return this.#string();
    for (const [word, value] of LITERALS) {
      if (!this.text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    return this.#number();
  }

  #object(depth: number): JsonObject {
    const object = Object.create(null) as Record<string, JsonValue>;
    if (this.#skip("}")) return Object.freeze(object);
    do {
      if (this.text[this.#at] !== '"') throw this.#error("a member without a name in quotes");
      const name = this.#string();
      if (name in object) throw this.#error("an object with the same name twice, which ends");
      this.#take(SPACE);
      if (!this.#skip(":")) throw this.#error('no ":" after a name');
      object[name] = this.#value(depth + 1);
    } while (this.#skip(","));
    if (!this.#skip("}")) throw this.#error('neither "," nor "}" after a member');
    return Object.freeze(object);
  }

  #array(depth: number): readonly JsonValue[] {
    const array: JsonValue[] = [];
    if (this.#skip("]")) return Object.freeze(array);
    do array.push(this.#value(depth + 1));
    while (this.#skip(","));
    if (!this.#skip("]")) throw this.#error('neither "," nor "]" after an element');
    return Object.freeze(array);
  }

  #string(): string {
    this.#at += 1;
    let text = "";
    for (;;) {
      text += this.#take(PLAIN);
      const end = this.text[this.#at];
      if (end === '"') break;
      if (end !== "\\") {
        throw this.#error(
          end === undefined ? "the end inside a string" : "a bare control character",
        );
      }
      this.#at += 1;
      text += this.#escape();
    }
    this.#at += 1;
    if (!isInteroperableText(text)) {
      throw this.#error("a string with a lone surrogate or a noncharacter, which ends");
    }
    return text;
  }

  #escape(): string {
    const letter = this.text[this.#at] ?? "";
    const simple = ESCAPES.get(letter);
    const digits = this.text.slice(this.#at + 1, this.#at + 5);
    if (simple === undefined && !(letter === "u" && /^[0-9a-fA-F]{4}$/.test(digits))) {
      throw this.#error("an escape that JSON does not have");
    }
    this.#at += simple === undefined ? 5 : 1;
    return simple ?? String.fromCharCode(parseInt(digits, 16));
  }

  #number(): number {
    const written = this.#take(NUMBER);
    if (written === "") {
      throw this.#error(this.#at === this.text.length ? "the end instead of a value" : "no value");
    }
    // Before all that looks at its digits: a literal as long as the text would keep that busy for minutes.
    if (written.length > NUMBER_LENGTH_MAX) {
      throw this.#error(
        `a number of more than ${String(NUMBER_LENGTH_MAX)} characters, which ends`,
      );
    }
    const number = Number(written);
    const [mantissa = ""] = written.split(/[eE]/);
    const digits = mantissa.replace(/[-.]/g, "").replace(/^0+/, "").replace(/0+$/, "");
    if (Math.abs(number) > Number.MAX_SAFE_INTEGER) {
      throw this.#error("a number beyond 2^53 - 1, which ends");
    }
    if (digits.length > NUMBER_DIGITS_MAX || (number === 0 && digits !== "")) {
      throw this.#error("a number more precise than a double, which ends");
    }
    // -0 and 0 are one number in the canonical form, so they are one here.
    return number === 0 ? 0 : number;
  }
}

/** How much a JSON text may hold. */
export interface JsonLimits {
  readonly bytesMax?: number | undefined;
  readonly valuesMax?: number | undefined;
}

/**
 * Reads one JSON text. Numbers become doubles: fractions and exponents are allowed, `-0` becomes 0.
 *
 * @throws JsonError for a text over its size, depth or number of values; for bytes that are not UTF-8, a byte
 * order mark, anything that RFC 8259 does not have, a second member of the same name (names are compared
 * after their escapes), a lone surrogate or noncharacter, and a number that is beyond ±(2^53 - 1), has more
 * than 17 significant digits or NUMBER_LENGTH_MAX characters, or would be rounded to 0
 */
export const parseJson = (
  bytes: Uint8Array,
  { bytesMax = JSON_BYTES_MAX, valuesMax = JSON_VALUES_MAX }: JsonLimits = {},
): JsonValue => {
  if (bytes.length > bytesMax) {
    throw new JsonError(
      `a JSON text of ${String(bytes.length)} bytes, allowed are ${String(bytesMax)}`,
      true,
    );
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new JsonError("bytes that are not UTF-8", false, { cause });
  }
  if (text.startsWith("\ufeff")) throw new JsonError("a byte order mark before the JSON value");
  return new Reader(text, valuesMax).read();
};

/** Whether a value is an object, and neither an array nor null. */
export const isJsonObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
