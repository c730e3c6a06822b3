// Reads the members of a JSON object by name and refuses what was not asked for.
import { isJsonObject, type JsonObject, type JsonValue } from "./json.js";
import { quoted } from "./shown-text.js";

/** A field that is absent, of another type, or not allowed. The message names its path and what is allowed. */
export class FieldError extends Error {
  constructor(path: string, problem: string) {
    super(`${path === "" ? "the whole" : path} ${problem}`);
    this.name = "FieldError";
  }
}

/** What a text field may hold. */
export interface TextRule {
  /** The fewest characters; 1 unless given. */
  readonly min?: number;
  /** The most characters. */
  readonly max: number;
}

/** The latest time that a field may hold: the end of the year 9999, beyond which dates have no common form. */
export const SECONDS_MAX = 253_402_300_799;

const typeOf = (value: JsonValue | undefined): string => {
  if (value === undefined) return "is absent";
  if (value === null) return "is null";
  return `is ${value instanceof Array ? "an array" : `of type ${typeof value}`}`;
};

/**
 * The members of one object. Each is read once by its name; `end` refuses those that were not read.
 */
export class Fields {
  readonly #object: JsonObject;
  readonly #read = new Set<string>();

  /**
   * @param path where the object stands, for messages: "content.validity"
   * @throws FieldError when it is not an object
   */
  constructor(
    value: JsonValue | undefined,
    readonly path: string,
  ) {
    if (!isJsonObject(value)) throw new FieldError(path, `${typeOf(value)}, it must be an object`);
    this.#object = value;
  }

  /** The path of a member. */
  pathOf(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }

  /** A member as it stands; undefined when there is none. */
  any(name: string): JsonValue | undefined {
    this.#read.add(name);
    return Object.hasOwn(this.#object, name) ? this.#object[name] : undefined;
  }

  /** The names of all members. */
  names(): readonly string[] {
    return Object.keys(this.#object);
  }

  /** Whether the member is there. */
  has(name: string): boolean {
    return Object.hasOwn(this.#object, name);
  }

  /** A text. Throws FieldError when it is absent, no text, or of another length. */
  text(name: string, { min = 1, max }: TextRule): string {
    const value = this.any(name);
    if (typeof value !== "string") {
      throw new FieldError(this.pathOf(name), `${typeOf(value)}, it must be a text`);
    }
    if (value.length < min || value.length > max) {
      throw new FieldError(
        this.pathOf(name),
        `has ${String(value.length)} characters, allowed are ${String(min)} to ${String(max)}`,
      );
    }
    return value;
  }

  /** A text that a function turns into what it stands for. Throws FieldError when it gives undefined. */
  parsed<T>(
    name: string,
    rule: TextRule & { readonly parse: (text: string) => T | undefined; readonly what: string },
  ): T {
    const text = this.text(name, rule);
    const value = rule.parse(text);
    if (value === undefined) {
      throw new FieldError(this.pathOf(name), `is ${quoted(text)}, it must be ${rule.what}`);
    }
    return value;
  }

  /** One of some words. */
  word<W extends string>(name: string, words: readonly W[]): W {
    return this.parsed(name, {
      max: 255,
      parse: (text) => words.find((word) => word === text),
      what: words.join(" or "),
    });
  }

  /** A time in seconds since 1970: an integer from 0 to SECONDS_MAX. Throws FieldError for anything else. */
  seconds(name: string): number {
    const value = this.any(name);
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
      const found = typeof value === "number" ? `is ${String(value)}` : typeOf(value);
      throw new FieldError(
        this.pathOf(name),
        `${found}, it must be a whole number of seconds since 1970`,
      );
    }
    if (value > SECONDS_MAX) {
      throw new FieldError(this.pathOf(name), `is ${String(value)}, which is beyond the year 9999`);
    }
    return value;
  }

  /** An array. Throws FieldError for anything else. */
  list(name: string): readonly JsonValue[] {
    const value = this.any(name);
    if (!(value instanceof Array)) {
      throw new FieldError(this.pathOf(name), `${typeOf(value)}, it must be an array`);
    }
    return value;
  }

  /** An object whose members may be anything. Throws FieldError for anything else. */
  object(name: string): JsonObject {
    const value = this.any(name);
    if (!isJsonObject(value)) {
      throw new FieldError(this.pathOf(name), `${typeOf(value)}, it must be an object`);
    }
    return value;
  }

  /** An object whose members are read by name too. */
  fields(name: string): Fields {
    return new Fields(this.any(name), this.pathOf(name));
  }

  /** Refuses every member that has not been read. Throws FieldError naming the first. */
  end(): void {
    const unread = Object.keys(this.#object).find((name) => !this.#read.has(name));
    if (unread === undefined) return;
    throw new FieldError(
      this.path,
      `has the member ${quoted(unread)}, which is unknown; known are ${[...this.#read].join(", ")}`,
    );
  }
}
