// Every limit of the relay, with its default.

/** What one side may send, how long it may take, and what the relay keeps. All numbers are positive; Infinity is no limit. */
export interface RelayLimits {
  /** Octets of a message's head, start line and header lines together; a trailer has the same limit. */
  readonly headBytesMax: number;
  /** Octets of a request's target, as it stands in the request line. */
  readonly targetBytesMax: number;
  /** Octets of a request's body, without framing. */
  readonly bodyBytesMax: number;
  /** Header lines of a head, and trailer lines of a body. */
  readonly headersMax: number;
  /** Octets of the extensions of all chunks of a body together; they are read over. */
  readonly chunkExtensionMax: number;
  /** From the first byte of a request's head to its last. */
  readonly headTimeoutMs: number;
  /** How long a client may send nothing of a body it has begun, or take nothing of an answer of ours. */
  readonly bodyIdleTimeoutMs: number;
  /** How long a client's connection may stay open without a request. */
  readonly keepAliveTimeoutMs: number;
  /** Requests that may wait on one connection behind the one being answered. What comes after them is not looked at, and the connection closes. */
  readonly pipelinedMax: number;
  /** Interim (1xx) responses to one request. */
  readonly interimMax: number;
  /** How long a connection that we end still reads, so that the client sees our answer and not a reset (RFC 9112, section 9.6). */
  readonly lingerMs: number;
  /** Idle connections kept for one target. */
  readonly pooledPerTarget: number;
  /** How long an idle connection to a target is kept; a shorter `Keep-Alive: timeout` of the target wins. */
  readonly pooledIdleMs: number;
}

/** The defaults. */
export const RELAY_LIMITS: RelayLimits = {
  headBytesMax: 64 * 1024,
  targetBytesMax: 16 * 1024,
  bodyBytesMax: Number.POSITIVE_INFINITY,
  headersMax: 100,
  chunkExtensionMax: 4 * 1024,
  headTimeoutMs: 10_000,
  bodyIdleTimeoutMs: 30_000,
  keepAliveTimeoutMs: 60_000,
  pipelinedMax: 32,
  interimMax: 16,
  lingerMs: 5_000,
  pooledPerTarget: 128,
  pooledIdleMs: 15_000,
};
