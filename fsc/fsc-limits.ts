// What a manager's FSC interface takes from other peers, and how much of it. Every limit has its error.

/** The limits of an FscServer. */
export interface FscLimits {
  /** Request line and headers, in bytes: ERROR_CODE_REQUEST_HEAD_TOO_LARGE. */
  readonly headBytesMax: number;
  /** Header lines: ERROR_CODE_REQUEST_HEAD_TOO_LARGE. */
  readonly headersMax: number;
  /** How long a head may take, and how long a connection may stay open without a request. */
  readonly headTimeoutMs: number;
  /** How long a body may take: ERROR_CODE_REQUEST_TIMEOUT. */
  readonly bodyTimeoutMs: number;
  /** How long the other side may take to read an answer, those before it on the connection included. */
  readonly sendTimeoutMs: number;
  /** How long a connection may be without any byte while an answer is being made or sent. */
  readonly idleTimeoutMs: number;
  /** How long a connection may go on: what its certificate was at the handshake must not count for ever. */
  readonly connectionAgeMs: number;
  /** Connections of all peers that are reckoned with: from half of it on, a peer has its fair share alone. */
  readonly connectionsMax: number;
  /** Connections of one peer: ERROR_CODE_LIMIT_EXCEEDED. */
  readonly connectionsPerPeerMax: number;
  /** Requests of one peer at once, each until its answer has been read: ERROR_CODE_LIMIT_EXCEEDED. */
  readonly requestsPerPeerMax: number;
  /** How large a page of a list may be, in bytes; it has fewer items than were asked for when it would be larger. */
  readonly pageBytesMax: number;
  /** How long we read on after our last answer, so that the other side can read it. */
  readonly lingerMs: number;
  /** How long `close` waits for what is being answered. */
  readonly drainMs: number;
}

/** The limits unless others are given. */
export const FSC_LIMITS: FscLimits = {
  headBytesMax: 32 * 1024,
  headersMax: 100,
  headTimeoutMs: 20_000,
  bodyTimeoutMs: 30_000,
  sendTimeoutMs: 120_000,
  idleTimeoutMs: 120_000,
  connectionAgeMs: 600_000,
  connectionsMax: 1000,
  connectionsPerPeerMax: 100,
  requestsPerPeerMax: 32,
  pageBytesMax: 4 * 1024 * 1024,
  lingerMs: 1_000,
  drainMs: 10_000,
};

/** How large the form of a token request may be, in bytes: ERROR_CODE_BODY_TOO_LARGE. */
export const FORM_BYTES_MAX = 8 * 1024;

/** How large a body may be where FSC has none, in bytes. It is not looked at. */
export const UNUSED_BODY_BYTES_MAX = 8 * 1024;
