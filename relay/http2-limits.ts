// What one side of an HTTP/2 connection may do, said to Node.js in full: nothing is left to its defaults.
import type { ServerSessionOptions, Settings } from "node:http2";
import type { RelayLimits } from "./limits.js";

/** Exchanges that one connection carries at once. */
export const STREAMS_MAX = 128;
/** How wide the window of one exchange is, and that of a connection: so much is held of a body that nobody takes. */
const STREAM_WINDOW = 256 * 1024;
/** The window of a connection; told after its begin. */
export const CONNECTION_WINDOW: number = 4 * 1024 * 1024;
/** Octets that a field counts for beyond its own (RFC 9113, section 6.5.2). */
const FIELD_OVERHEAD = 32;
/** Pseudo-headers, and some fields for a whole refusal to have a chance. */
const MORE_FIELDS = 8;
/** Megabytes that a connection may hold of everything together. */
const SESSION_MEMORY_MB = 16;

const settings = ({ headBytesMax, headersMax }: RelayLimits): Settings => ({
  enablePush: false,
  enableConnectProtocol: false,
  headerTableSize: 4_096,
  initialWindowSize: STREAM_WINDOW,
  maxConcurrentStreams: STREAMS_MAX,
  maxFrameSize: 16_384,
  maxHeaderListSize: headBytesMax + headersMax * FIELD_OVERHEAD,
});

/** Known to Node.js and not to its types. */
const UNTYPED = { maxOutstandingSettings: 4 };

/** The options of a session of either side. */
export const sessionOptions = (limits: RelayLimits): ServerSessionOptions => ({
  ...UNTYPED,
  settings: settings(limits),
  maxDeflateDynamicTableSize: 4_096,
  maxHeaderListPairs: limits.headersMax + MORE_FIELDS,
  maxOutstandingPings: 4,
  maxSendHeaderBlockLength: 2 * limits.headBytesMax,
  maxSessionInvalidFrames: 100,
  maxSessionMemory: SESSION_MEMORY_MB,
  maxSessionRejectedStreams: 100,
  maxSettings: 32,
  peerMaxConcurrentStreams: STREAMS_MAX,
  // Streams that a client opens and resets: so many at once, and so many a second from then on.
  streamResetBurst: 200,
  streamResetRate: 33,
});
