// Every limit of a link connection, with its default.

/** What a side takes of the other and how long it waits. All numbers are positive but `exchangesMax`, which is 0 on the side that opens exchanges. */
export interface LinkLimits {
  /** Exchanges that may be open at once. */
  readonly exchangesMax: number;
  /** Octets of bodies that one exchange may have under way at first, and at most once its reader has proved fast. */
  readonly exchangeWindow: number;
  readonly exchangeWindowMax: number;
  /** Octets of bodies that all exchanges together may have under way. */
  readonly connectionWindow: number;
  /** Octets of a head; trailers have the same limit. */
  readonly headBytesMax: number;
  /** Octets of one DATA frame. */
  readonly dataBytesMax: number;
  /** Tokens that are kept, and the octets of one. */
  readonly tokensMax: number;
  readonly tokenBytesMax: number;
  /** How long a connection may take for its HELLO, and a frame from its first octet to its last. */
  readonly frameTimeoutMs: number;
  /** After how long a silence the other side is asked whether it is there, and how long its answer may take. */
  readonly pingAfterMs: number;
  readonly pongWithinMs: number;
  /** How long a connection without an exchange is kept. */
  readonly idleMs: number;
  /** How long a connection that we end is still read, so that the other side sees why. */
  readonly lingerMs: number;
}

/** The defaults. */
export const LINK_LIMITS: LinkLimits = {
  exchangesMax: 1_000,
  exchangeWindow: 64 * 1024,
  exchangeWindowMax: 1024 * 1024,
  connectionWindow: 16 * 1024 * 1024,
  headBytesMax: 64 * 1024,
  dataBytesMax: 64 * 1024,
  tokensMax: 128,
  tokenBytesMax: 8 * 1024,
  frameTimeoutMs: 10_000,
  pingAfterMs: 15_000,
  pongWithinMs: 15_000,
  idleMs: 300_000,
  lingerMs: 5_000,
};

/** A head may be so much larger on the link than as a head: what is only too large for its reader is answered, and ends no connection. */
const HEAD_MARGIN = 16 * 1024;

/** The limits of the links of a relay whose heads have these limits. */
export const linkLimits = ({ headBytesMax }: { readonly headBytesMax: number }): LinkLimits => ({
  ...LINK_LIMITS,
  headBytesMax: headBytesMax + HEAD_MARGIN,
});
