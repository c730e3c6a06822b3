// Settings of a process: one table gives the flags, the environment variables, the checks, the help
// text and docs/settings.md. All mistakes are reported together, before anything is started.
import { isIP } from "node:net";
import { parseAddress, isHostName, isLoopback, type Address } from "./address.js";
import { parseComponentName, type ComponentName } from "./names.js";

/** One setting: how it is written, what it becomes, and what a reader should know. */
export interface Setting<T> {
  /** What the value looks like, for help texts: "HOST:PORT", "FILE", … Empty for a switch. */
  readonly form: string;
  /** One sentence: what it does. */
  readonly text: string;
  /** What is allowed, for error messages: "a number from 1 to 100". */
  readonly allowed: string;
  /** The written form of the default; undefined for a setting that must be given or may be absent. */
  readonly defaultText: string | undefined;
  readonly required: boolean;
  /** Takes the written form; undefined when it is not allowed. */
  readonly parse: (text: string) => T | undefined;
}

type Table = Readonly<Record<string, Setting<unknown>>>;

/** The values of a table, by the table's keys. An optional setting without default may be undefined. */
export type SettingsOf<T extends Table> = {
  readonly [K in keyof T]: T[K] extends Setting<infer V> ? V : never;
};

interface About {
  readonly text: string;
  readonly default?: string;
}

const make = <T>(
  form: string,
  allowed: string,
  parse: (text: string) => T | undefined,
  about: About,
): Setting<T> => ({
  form,
  allowed,
  parse,
  text: about.text,
  defaultText: about.default,
  required: about.default === undefined,
});

/** Turns a setting without default into one that may be left out; its value is then undefined. */
export const optional = <T>(setting: Setting<T>): Setting<T | undefined> => ({
  ...setting,
  required: false,
});

/** Any text of 1 to 1000 characters without control characters. */
export const text = (form: string, about: About): Setting<string> =>
  make(
    form,
    "1 to 1000 characters without control characters",
    (t) => (/^\P{Cc}{1,1000}$/u.test(t) ? t : undefined),
    about,
  );

/** The name of an inway or outway. */
export const componentName = (about: About): Setting<ComponentName> =>
  make("NAME", "1 to 100 of a-z A-Z 0-9 - . _", parseComponentName, about);

/** A path in the file system. */
export const path = (form: "FILE" | "DIR", about: About): Setting<string> =>
  make(form, "a path", (t) => (t === "" || t.includes("\0") ? undefined : t), about);

/** "host:port". */
export const address = (about: About): Setting<Address> =>
  make("HOST:PORT", "HOST:PORT, with a port from 0 to 65535", parseAddress, about);

/** Loopback "host:port": localhost, 127.x.x.x or [::1]. */
export const loopbackAddress = (about: About): Setting<Address> =>
  make(
    "HOST:PORT",
    "HOST:PORT on loopback: localhost, 127.x.x.x or [::1]",
    (t) => {
      const parsed = parseAddress(t);
      return parsed !== undefined && isLoopback(parsed.host) ? parsed : undefined;
    },
    about,
  );

/** A whole number within bounds. */
export const integer = (min: number, max: number, about: About): Setting<number> =>
  make(
    "N",
    `a whole number from ${String(min)} to ${String(max)}`,
    (t) => {
      const value = /^(0|[1-9][0-9]{0,14})$/.test(t) ? Number(t) : NaN;
      return value >= min && value <= max ? value : undefined;
    },
    about,
  );

interface Scale {
  readonly units: Readonly<Record<string, number>>;
  /** The largest value, in the smallest unit. The smallest is 1: nought would switch a limit off. */
  readonly max: number;
}

const scaled =
  (pattern: RegExp, { units, max }: Scale) =>
  (t: string) => {
    const match = pattern.exec(t);
    const factor = units[match?.[2] ?? ""];
    const value = match === null || factor === undefined ? 0 : Number(match[1]) * factor;
    return value >= 1 && value <= max ? value : undefined;
  };

// Node's timers take no more than 2^31 - 1 ms and fire at once beyond it.
const milliseconds = scaled(/^([1-9][0-9]{0,8})(ms|s|m|h)$/, {
  units: { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 },
  max: 500 * 3_600_000,
});

/** A length of time such as 500ms, 30s, 5m or 72h, from 1ms to 500h; the value is in milliseconds. */
export const duration = (about: About): Setting<number> =>
  make("TIME", "a time such as 500ms, 30s, 5m or 72h, from 1ms to 500h", milliseconds, about);

const byteCount = scaled(/^([1-9][0-9]{0,11})(KiB|MiB|GiB)?$/, {
  units: { "": 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 },
  max: 1024 ** 4,
});

/** A number of bytes such as 65536, 64KiB or 1MiB, from 1 to 1024GiB. */
export const bytes = (about: About): Setting<number> =>
  make("SIZE", "a size such as 65536, 64KiB or 1MiB, from 1 to 1024GiB", byteCount, about);

/** A DNS host name; the value is in lower case. */
export const hostName = (about: About): Setting<string> =>
  make("NAME", "a DNS host name", (t) => (isHostName(t) ? t.toLowerCase() : undefined), about);

/** One of a few words. */
export const choice = <const W extends readonly string[]>(
  words: W,
  about: About,
): Setting<W[number]> =>
  make(
    words.join("|"),
    `one of ${words.join(", ")}`,
    (t) => words.find((word) => word === t),
    about,
  );

const parseList = (t: string): readonly string[] | undefined => {
  const items = t === "" ? [] : t.split(",");
  return items.every((item) => /^[^\s\p{Cc}]{1,255}$/u.test(item)) ? items : undefined;
};

/** Words of 1 to 255 characters without spaces, separated by commas; may be none. */
export const list = (form: string, about: About): Setting<readonly string[]> =>
  make(
    `${form},…`,
    "words of 1 to 255 characters without spaces, separated by commas",
    parseList,
    about,
  );

/** On or off: a flag without a value, or true/false in the environment. Off unless given. */
export const toggle = (text: string): Setting<boolean> =>
  make("", "true or false", (t) => (t === "true" ? true : t === "false" ? false : undefined), {
    text,
    default: "false",
  });

const parseHostTable = (t: string): ReadonlyMap<string, string> | undefined => {
  const table = new Map<string, string>();
  for (const pair of t === "" ? [] : t.split(",")) {
    const [name = "", ip = "", ...rest] = pair.toLowerCase().split("=");
    if (rest.length > 0 || !isHostName(name) || isIP(ip) === 0 || table.has(name)) return undefined;
    table.set(name, ip);
  }
  return table;
};

/** Fixed answers instead of DNS: NAME=IP,NAME=IP, each name once. */
export const hostTable = (about: About): Setting<ReadonlyMap<string, string>> =>
  make("NAME=IP,…", "NAME=IP pairs separated by commas, each name once", parseHostTable, about);

const parsePostgres = (text: string): string | undefined => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const whole =
    url !== undefined &&
    ["postgres:", "postgresql:"].includes(url.protocol) &&
    url.username !== "" &&
    url.password === "" &&
    url.hostname !== "" &&
    url.pathname.length > 1;
  return whole ? text : undefined;
};

/** Where a database on a PostgreSQL server is. A password in it is not allowed: an argument list is no place for one. */
export const postgres = (about: About): Setting<string> =>
  make(
    "postgres://USER@HOST/DATABASE",
    "postgres://USER@HOST[:PORT]/DATABASE, without a password (that stands in a file of its own)",
    parsePostgres,
    about,
  );

/** How much is logged. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** How a line looks: `auto` is text on a terminal and JSON elsewhere. */
export const LOG_FORMATS = ["auto", "json", "text"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** The settings that every process has. */
export const COMMON_SETTINGS = {
  logLevel: choice(LOG_LEVELS, { text: "How much the process logs.", default: "info" }),
  logFormat: choice(LOG_FORMATS, {
    text: "How its log looks; auto is text on a terminal and JSON elsewhere.",
    default: "auto",
  }),
  stopTimeout: duration({
    text: "How long running work may take to finish when the process stops.",
    default: "30s",
  }),
} as const;

/** The flag of a table's key: `logLevel` is `--log-level`. */
export const flagOf = (key: string): string => `--${kebab(key)}`;

/** The environment variable of a key: `logLevel` of the inway is `SCHAKEL_INWAY_LOG_LEVEL`. */
export const variableOf = (process: string, key: string): string =>
  `SCHAKEL_${process.toUpperCase()}_${kebab(key).replaceAll("-", "_").toUpperCase()}`;

const kebab = (key: string): string =>
  key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** All that is wrong with the settings of a process, one line each. */
export class SettingsError extends Error {
  constructor(readonly mistakes: readonly string[]) {
    super(mistakes.join("\n"));
    this.name = "SettingsError";
  }
}

/** The processes that take settings; a variable SCHAKEL_X_… of any other X is a mistake. */
export const PROCESSES = ["directory", "manager", "inway", "outway", "peer", "cli"] as const;
export type ProcessName = (typeof PROCESSES)[number];

/** The command whose help lists a process's settings; those of `cli` are the same for all of its commands. */
const commandOf = (process: ProcessName): string => (process === "cli" ? "service list" : process);

const unknownVariables = (process: ProcessName, table: Table, env: NodeJS.ProcessEnv): string[] => {
  const known = new Set(Object.keys(table).map((key) => variableOf(process, key)));
  const others = PROCESSES.filter((name) => name !== process).map(
    (name) => `SCHAKEL_${name.toUpperCase()}_`,
  );
  return Object.keys(env)
    .filter((name) => name.startsWith("SCHAKEL_") && !known.has(name))
    .filter((name) => !others.some((prefix) => name.startsWith(prefix)))
    .map(
      (name) =>
        `${name}: there is no setting with this name; 'schakel ${commandOf(process)} --help' lists them`,
    );
};

/**
 * Reads the settings of one process. A flag wins over its environment variable, which wins over the default.
 *
 * @param flags the values given on the command line, by the table's keys; a switch that was given is true
 * @param env the process's environment; names of other Schakel processes are left alone
 * @throws SettingsError naming every mistake at once
 */
export const readSettings = <T extends Table>(
  process: ProcessName,
  table: T,
  flags: Readonly<Record<string, string | boolean | undefined>>,
  env: NodeJS.ProcessEnv,
): SettingsOf<T> => {
  const mistakes = unknownVariables(process, table, env);
  const values: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(table)) {
    const variable = variableOf(process, key);
    const flag = flags[key];
    const [name, written] =
      flag !== undefined
        ? [flagOf(key), String(flag)]
        : [variable, env[variable] ?? setting.defaultText];
    if (written === undefined) {
      if (setting.required)
        mistakes.push(`${flagOf(key)} is missing (or ${variable}): ${setting.allowed}`);
      continue;
    }
    values[key] = setting.parse(written);
    if (values[key] === undefined)
      mistakes.push(`${name}: found "${written}", allowed is ${setting.allowed}`);
  }
  if (mistakes.length > 0) throw new SettingsError(mistakes);
  return Object.freeze(values) as SettingsOf<T>;
};
