// The names that appear in addresses, certificates and records, as types of their own: a string that
// has not been through one of these functions is not a name.
import { v7, validate, version } from "uuid";
import { drawnRandom } from "./drawn-random.js";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** An organisation's id in its group: the subject serialNumber of its certificate. */
export type PeerId = Branded<"PeerId">;
/** A service's name, unique within its peer. */
export type ServiceName = Branded<"ServiceName">;
/** The name of an inway or outway, unique within its peer. */
export type ComponentName = Branded<"ComponentName">;
/** A UUID of version 7, lower case, that both sides' records of one exchange carry. */
export type TransactionId = Branded<"TransactionId">;
/** SHA-256 of a public key's SPKI DER, 64 lower-case hexadecimal characters. */
export type Thumbprint = Branded<"Thumbprint">;

/** FSC: `^[a-zA-Z0-9-._]{1,100}$`, which is also what a path segment and a component name may be. */
const NAME = /^[a-zA-Z0-9._-]{1,100}$/;
const isDotSegment = (text: string): boolean => text === "." || text === "..";

/** The rule for peer ids when a group states none: 20 digits, as an OIN has. */
export const PEER_ID_PATTERN_DEFAULT = "^[0-9]{20}$";

const PEER_ID = /^[^\s/\p{C}]+$/u;

/** How a group checks peer ids. */
export type PeerIdRule = (text: string) => PeerId | undefined;

/**
 * Makes the group's rule for peer ids from its pattern, a regular expression over the whole id, also
 * without "^" and "$". Ids are case-sensitive; whatever the pattern says, an id has 1 to 255 characters
 * without "/", controls or spaces, and is not "." or "..".
 *
 * @throws SyntaxError when the pattern is no regular expression
 */
export const peerIdRule = (pattern: string): PeerIdRule => {
  // Compiled alone first: "a)|(b" is no expression, and only looks like one between our brackets.
  const allowed = new RegExp(`^(?:${new RegExp(pattern, "u").source})$`, "u");
  return (text) =>
    text.length <= 255 && PEER_ID.test(text) && !isDotSegment(text) && allowed.test(text)
      ? (text as PeerId)
      : undefined;
};

/** Takes a service name, or undefined when it is none. */
export const parseServiceName = (text: string): ServiceName | undefined =>
  NAME.test(text) && !isDotSegment(text) ? (text as ServiceName) : undefined;

/** Takes a component name, or undefined when it is none. */
export const parseComponentName = (text: string): ComponentName | undefined =>
  NAME.test(text) && !isDotSegment(text) ? (text as ComponentName) : undefined;

/** Takes a transaction id: a UUID of version 7 in either case, given back in lower case. */
export const parseTransactionId = (text: string): TransactionId | undefined =>
  validate(text) && version(text) === 7 ? (text.toLowerCase() as TransactionId) : undefined;

const RANDOM_BYTES = 16;
/** When the last transaction id was made, and its place among those of that millisecond. */
let lastMs = 0;
let place = 0;

/** A new transaction id. Ids made by one process rise. */
export const newTransactionId = (): TransactionId => {
  const random = drawnRandom(RANDOM_BYTES);
  const now = Date.now();
  if (now > lastMs) {
    lastMs = now;
    // From the lower half of 32 bits: there is room for more in one millisecond than can be made.
    place = random.readUInt32BE() >>> 1;
  } else {
    place += 1;
  }
  return v7({ msecs: lastMs, seq: place, random }) as TransactionId;
};

/** Takes a public key thumbprint in hexadecimal, either case, given back in lower case. */
export const parseThumbprint = (text: string): Thumbprint | undefined =>
  /^[0-9a-fA-F]{64}$/.test(text) ? (text.toLowerCase() as Thumbprint) : undefined;
