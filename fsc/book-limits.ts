// The limits of the contract book. What other organisations can make grow has one.

/** How much the book takes from one peer and does at once. */
export interface BookLimits {
  /** Contracts that a peer brought and that are neither decided nor ended. Beyond it: ERROR_CODE_LIMIT_EXCEEDED. */
  readonly pendingPerPeer: number;
  /** All contracts that a peer brought, in any state. Beyond it: ERROR_CODE_LIMIT_EXCEEDED. */
  readonly contractsPerPeer: number;
  /** Bytes of the contents of all of these contracts. Beyond it: ERROR_CODE_LIMIT_EXCEEDED. */
  readonly contentBytesPerPeer: number;
  /** Certificates kept of a peer; the oldest that no signature names makes room. Beyond it: ERROR_CODE_LIMIT_EXCEEDED. */
  readonly certificatesPerPeer: number;
  /** Certificates that are being fetched from one peer at a time. Beyond it: ERROR_CODE_LIMIT_EXCEEDED. */
  readonly fetchesPerPeer: number;
  /** Parties that signatures are delivered to at a time; to each one after the other. */
  readonly partiesAtOnce: number;
  /** How long signatures go to one party before others that wait come first, in milliseconds. */
  readonly partyRoundMs: number;
}

/** The limits unless others are given. */
export const BOOK_LIMITS: BookLimits = {
  pendingPerPeer: 1000,
  contractsPerPeer: 100_000,
  contentBytesPerPeer: 1024 ** 3,
  certificatesPerPeer: 100,
  fetchesPerPeer: 8,
  partiesAtOnce: 16,
  partyRoundMs: 60_000,
};

/** How many items a page may have (FSC Core 2.0.0). */
export const PAGE_LIMIT_MAX = 1000;

/** How much content a page of contracts holds, in characters, unless a single contract has more: the page ends early. */
export const PAGE_CONTENT_MAX = 2 * 1024 * 1024;

/** How many hashes, or peer ids, one query may name. */
export const QUERY_NAMES_MAX = 1000;

/** How long a text that is looked for in names may be. */
export const NAME_CONTAINS_MAX = 255;

/** How many peers are kept; those that would be more are not taken from lists of others. */
export const PEERS_MAX = 20_000;
