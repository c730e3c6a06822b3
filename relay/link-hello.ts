// HELLO: the version, and what its sender takes. The first frame of each side.
import { LINK_CODE, LinkError } from "./link-codes.js";
import { LINK_VERSION, NUMBER_MAX } from "./link-frames.js";
import type { LinkLimits } from "./link-limits.js";

/** What a side has said that it takes. */
export type LinkOffer = Pick<
  LinkLimits,
  | "exchangesMax"
  | "exchangeWindow"
  | "connectionWindow"
  | "headBytesMax"
  | "dataBytesMax"
  | "tokensMax"
  | "tokenBytesMax"
>;

const ENTRY_BYTES = 6;
const LENGTH_MAX = 0xff_ffff - 64;

interface Entry {
  readonly name: keyof LinkOffer;
  readonly min: number;
  readonly max: number;
}

// The key of an entry is its place here, from 1.
const ENTRIES: readonly Entry[] = [
  { name: "exchangesMax", min: 0, max: NUMBER_MAX },
  { name: "exchangeWindow", min: 1_024, max: NUMBER_MAX },
  { name: "connectionWindow", min: 1_024, max: NUMBER_MAX },
  { name: "headBytesMax", min: 1_024, max: LENGTH_MAX },
  { name: "dataBytesMax", min: 1_024, max: LENGTH_MAX },
  { name: "tokensMax", min: 0, max: 0xff_ffff },
  { name: "tokenBytesMax", min: 1_024, max: LENGTH_MAX },
];

/** The payload of HELLO. */
export const writeHello = (offer: LinkOffer): Buffer => {
  const payload = Buffer.alloc(2 + ENTRIES.length * ENTRY_BYTES);
  payload.writeUInt16BE(LINK_VERSION, 0);
  for (const [index, { name }] of ENTRIES.entries()) {
    payload.writeUInt16BE(index + 1, 2 + index * ENTRY_BYTES);
    payload.writeUInt32BE(offer[name], 4 + index * ENTRY_BYTES);
  }
  return payload;
};

const refuse = (rule: string): never => {
  throw new LinkError(LINK_CODE.frame, `a HELLO ${rule}`);
};

/**
 * Reads the payload of HELLO. Entries with keys that this version does not know are passed over.
 *
 * @throws LinkError version, or frame when an entry is missing, comes twice or is outside of its range
 */
export const readHello = (payload: Buffer): LinkOffer => {
  const version = payload.readUInt16BE(0);
  if (version !== LINK_VERSION) {
    throw new LinkError(LINK_CODE.version, `a HELLO of version ${version}`);
  }
  if ((payload.length - 2) % ENTRY_BYTES !== 0) refuse("that is cut off");
  const found = new Map<keyof LinkOffer, number>();
  for (let at = 2; at < payload.length; at += ENTRY_BYTES) {
    const key = payload.readUInt16BE(at);
    const value = payload.readUInt32BE(at + 2);
    const entry = ENTRIES[key - 1];
    if (entry === undefined) continue;
    if (found.has(entry.name)) refuse(`with entry ${key} twice`);
    if (value < entry.min || value > entry.max) refuse(`with ${value} in entry ${key}`);
    found.set(entry.name, value);
  }
  const offered = (name: keyof LinkOffer): number =>
    found.get(name) ?? refuse(`without its entry for ${name}`);
  return {
    exchangesMax: offered("exchangesMax"),
    exchangeWindow: offered("exchangeWindow"),
    connectionWindow: offered("connectionWindow"),
    headBytesMax: offered("headBytesMax"),
    dataBytesMax: offered("dataBytesMax"),
    tokensMax: offered("tokensMax"),
    tokenBytesMax: offered("tokenBytesMax"),
  };
};
