// The directory as a witness: it co-signs the checkpoints of peers' transaction logs (C2SP tlog-witness), and of each it
// keeps the one that it co-signed last.
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BundleSource } from "../certs/bundle.js";
import type { GroupSource } from "../certs/group.js";
import type { Clock } from "../core/clock.js";
import { writeFileDurably } from "../core/durable-file.js";
import { SchakelError, systemCode } from "../core/errors.js";
import type { PeerId } from "../core/names.js";
import type { LogClient, WitnessHandlers } from "../fsc/log-interface.js";
import type { ManagerClient } from "../fsc/manager-interface.js";
import type { PeerBook } from "../fsc/peer-book.js";
import { OtherKeys, type FetchedKeys } from "../txlog/reconcile/other-keys.js";
import { WitnessDesk } from "../txlog/reconcile/witness-desk.js";
import { migrateLog } from "../txlog/store/migrations.js";
import type { LogDatabase } from "../txlog/store/schema.js";
import { WitnessRows } from "../txlog/store/witness-rows.js";
import { witnessName } from "../txlog/tree/checkpoint.js";
import { signKeyStatement } from "../txlog/tree/key-statement.js";
import { noteKey, type NoteKey } from "../txlog/tree/note.js";

const KEY_FILE = "witness-key.pem";

/** What the witness stands on. */
export interface WitnessParts {
  /** The directory's data folder, where its key is. */
  readonly data: string;
  /** Its tables are made here. */
  readonly db: LogDatabase;
  readonly groups: GroupSource;
  readonly bundles: BundleSource;
  readonly peers: Pick<PeerBook, "addressOf">;
  readonly client: Pick<ManagerClient, "certificates">;
  readonly logs: Pick<LogClient, "keys">;
  readonly clock: Clock;
}

const readKey = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
};

/** The key in the data folder; made when there is none. */
const openKey = async (data: string, name: string): Promise<NoteKey> => {
  const path = join(data, KEY_FILE);
  const known = await readKey(path);
  if (known !== undefined) return noteKey(name, createPrivateKey(known), 4);
  const { privateKey } = generateKeyPairSync("ed25519");
  await writeFileDurably(path, privateKey.export({ type: "pkcs8", format: "pem" }));
  return noteKey(name, privateKey, 4);
};

const fetchKeys =
  ({ peers, client, logs }: WitnessParts) =>
  async (peerId: PeerId): Promise<FetchedKeys> => {
    const address = await peers.addressOf(peerId);
    if (address === undefined) {
      const detail = `where the manager of ${peerId} is, is not known; announce it first`;
      throw new SchakelError("ERROR_CODE_PEER_NOT_FOUND", { detail });
    }
    const to = { peerId, address };
    const statements = await logs.keys(to);
    const { keys } = await client.certificates(to);
    return { statements, certificates: [...keys.values()].flatMap(({ chain }) => chain) };
  };

/** States the witness's key with the certificate in use; once for each. */
const statements = ({ bundles, clock }: WitnessParts, key: NoteKey): (() => Promise<string>) => {
  let made: { readonly thumbprint: string; readonly statement: Promise<string> } | undefined;
  return () => {
    const { key: signing, chain, identity } = bundles.current;
    const [certificate] = chain;
    if (certificate === undefined) throw new TypeError("a bundle has a certificate");
    const thumbprint = identity.certificateThumbprint;
    if (made?.thumbprint === thumbprint) return made.statement;
    const from = Math.floor(clock.now() / 1000);
    const claim = { origin: key.name, vkey: key.vkey, from };
    const statement = signKeyStatement(claim, { key: signing, certificate });
    made = { thumbprint, statement };
    return statement;
  };
};

/** Opens the witness. */
export const openWitness = async (parts: WitnessParts): Promise<WitnessHandlers> => {
  const { data, db, groups, bundles, clock } = parts;
  await migrateLog(db);
  const groupId = groups.current.id;
  const key = await openKey(data, witnessName(groupId, bundles.current.identity.peerId));
  const stated = statements(parts, key);
  const desk = new WitnessDesk({
    ...{ groups, clock, key: () => key, store: new WitnessRows(db, groupId) },
    keys: new OtherKeys({ groups, clock, fetch: fetchKeys(parts) }),
  });
  return {
    addCheckpoint: (body, { peerId }) => desk.answer(body, peerId),
    keys: async () => [await stated()],
  };
};
