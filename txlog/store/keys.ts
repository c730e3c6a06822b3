// The keys of our log: one that signs its checkpoints, one that co-signs others'. Their private halves are files,
// made once and kept; the database has their public halves and the statements that bind them to our peer.
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../core/clock.js";
import { writeFileDurably } from "../../core/durable-file.js";
import { logOrigin, witnessName } from "../tree/checkpoint.js";
import type { KeyStatement } from "../tree/key-statement.js";
import { noteKey, parseVerifier, type NoteKey, type Verifier } from "../tree/note.js";
import type { StoredKey } from "./read-side.js";
import type { LogDatabase } from "./schema.js";

/** What keys are opened with. */
export interface LogKeysOptions {
  /** Where the private keys are: a folder of its own. */
  readonly folder: string;
  readonly db: LogDatabase;
  readonly groupId: string;
  readonly peerId: string;
  readonly clock: Clock;
  /** Signs a statement about a key with our peer's certificate (txlog/tree/key-statement.ts). */
  readonly sign: (statement: KeyStatement) => Promise<string>;
}

type Purpose = StoredKey["purpose"];

const fileName = (purpose: Purpose, number: number): string =>
  `${purpose}-${String(number).padStart(4, "0")}.pem`;

/** The highest number in use; 0 for none. */
const lastNumber = async (folder: string, purpose: Purpose): Promise<number> => {
  const numbers = (await readdir(folder)).flatMap((name) => {
    const [, found] = new RegExp(`^${purpose}-([0-9]{4})\\.pem$`).exec(name) ?? [];
    return found === undefined ? [] : [Number(found)];
  });
  return Math.max(0, ...numbers);
};

const make = async (folder: string, purpose: Purpose, number: number): Promise<void> => {
  const { privateKey } = generateKeyPairSync("ed25519");
  const pem = privateKey.export({ type: "pkcs8", format: "pem" });
  await writeFileDurably(join(folder, fileName(purpose, number)), pem);
};

/** The keys. */
export class LogKeys {
  private constructor(
    private readonly options: LogKeysOptions,
    private log: NoteKey,
    /** Co-signs others' checkpoints. */
    readonly witness: NoteKey,
  ) {}

  /** Opens the keys in the folder; makes those that are not there. */
  static async open(options: LogKeysOptions): Promise<LogKeys> {
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    const log = await openKey(options, "log");
    const witness = await openKey(options, "witness");
    return new LogKeys(options, log, witness);
  }

  /** Signs our checkpoints. */
  get signer(): NoteKey {
    return this.log;
  }

  /** The keys that have signed our checkpoints, the one in use and those before it. */
  async verifiers(): Promise<readonly Verifier[]> {
    const keys = await storedKeys(this.options.db, this.options.groupId);
    return keys.filter(({ purpose }) => purpose === "log").map(({ vkey }) => parseVerifier(vkey));
  }

  /** Makes a new key for checkpoints. The one before stays known: what it signed remains signed. */
  async rotate(): Promise<StoredKey> {
    const { folder } = this.options;
    await make(folder, "log", (await lastNumber(folder, "log")) + 1);
    this.log = await openKey(this.options, "log");
    const [newest] = await storedKeys(this.options.db, this.options.groupId);
    if (newest?.vkey !== this.log.vkey) throw new Error("the new key is not the newest");
    return newest;
  }
}

const openKey = async (options: LogKeysOptions, purpose: Purpose): Promise<NoteKey> => {
  const { folder, groupId, peerId } = options;
  let number = await lastNumber(folder, purpose);
  if (number === 0) {
    number = 1;
    await make(folder, purpose, number);
  }
  const pem = await readFile(join(folder, fileName(purpose, number)));
  const name = purpose === "log" ? logOrigin(groupId, peerId) : witnessName(groupId, peerId);
  const key = noteKey(name, createPrivateKey(pem), purpose === "log" ? 1 : 4);
  await register(options, purpose, key);
  return key;
};

/** Notes a key that is new, with its statement, and that the one before is retired. */
const register = async (
  { db, groupId, clock, sign }: LogKeysOptions,
  purpose: Purpose,
  { name, vkey }: NoteKey,
): Promise<void> => {
  const keys = await storedKeys(db, groupId);
  if (keys.some((key) => key.vkey === vkey)) return;
  const previous = keys.find((key) => key.purpose === purpose && key.retiredMs === undefined);
  const now = clock.now();
  const from = Math.floor(now / 1000);
  const previousVkey = previous === undefined ? {} : { previousVkey: previous.vkey };
  const statement = await sign({ origin: name, vkey, from, ...previousVkey });
  await db.transaction().execute(async (tx) => {
    await tx
      .updateTable("txlog_key")
      .set({ retired_ms: now })
      .where("group_id", "=", groupId)
      .where("purpose", "=", purpose)
      .where("retired_ms", "is", null)
      .execute();
    const row = { group_id: groupId, purpose, vkey, from_ms: now, retired_ms: null, statement };
    await tx.insertInto("txlog_key").values(row).execute();
  });
};

/** All keys, newest first. */
export const storedKeys = async (
  db: LogDatabase,
  groupId: string,
): Promise<readonly StoredKey[]> => {
  const rows = await db
    .selectFrom("txlog_key")
    .selectAll()
    .where("group_id", "=", groupId)
    .orderBy("from_ms", "desc")
    .orderBy("purpose")
    .execute();
  return rows.map((row) => ({
    purpose: row.purpose === "log" ? "log" : "witness",
    vkey: row.vkey,
    fromMs: row.from_ms,
    retiredMs: row.retired_ms ?? undefined,
    statement: row.statement,
  }));
};
