// The frames of the link (docs/link.md): eight octets of header, one of type, three of length, four of the
// exchange's number, then the payload. All numbers are big-endian and without sign.
import { LINK_CODE, LinkError } from "./link-codes.js";
import type { LinkLimits } from "./link-limits.js";

/** The name of the link in the ALPN extension of TLS. */
export const LINK_PROTOCOL = "schakel/1";

/** The version that HELLO says. */
export const LINK_VERSION = 1;

/** The types of frames. */
export const FRAME = {
  hello: 1,
  head: 2,
  data: 3,
  end: 4,
  reset: 5,
  window: 6,
  ping: 7,
  pong: 8,
  goaway: 9,
  token: 10,
} as const;

/** Octets of a frame's header. */
export const FRAME_HEADER_BYTES = 8;
/** Octets of HEAD before the head itself: one of flags, three with the number of a token. */
export const HEAD_PREFIX_BYTES = 4;
/** HEAD: an interim response; another head follows. */
export const HEAD_INTERIM = 1;
/** HEAD: the message has no body, and no END follows. */
export const HEAD_ENDS = 2;
/** The highest number of an exchange, and the largest window. */
export const NUMBER_MAX = 0x7fff_ffff;
/** Octets of a hash in END. */
export const HASH_BYTES = 32;

const HELLO_BYTES_MAX = 512;

interface Shape {
  /** Whether the frame belongs to an exchange, or to the connection (number 0); undefined: either. */
  readonly ofExchange: boolean | undefined;
  readonly bytesMin: number;
  readonly bytesMax: (limits: LinkLimits) => number;
}

const fixed = (bytes: number, ofExchange: boolean | undefined): Shape => ({
  ofExchange,
  bytesMin: bytes,
  bytesMax: () => bytes,
});

const SHAPES: readonly (Shape | undefined)[] = [
  undefined,
  { ofExchange: false, bytesMin: 2, bytesMax: () => HELLO_BYTES_MAX },
  {
    ofExchange: true,
    bytesMin: HEAD_PREFIX_BYTES,
    bytesMax: ({ headBytesMax }) => HEAD_PREFIX_BYTES + headBytesMax,
  },
  { ofExchange: true, bytesMin: 1, bytesMax: ({ dataBytesMax }) => dataBytesMax },
  {
    ofExchange: true,
    bytesMin: 1,
    bytesMax: ({ headBytesMax }) => 1 + HASH_BYTES + headBytesMax,
  },
  fixed(2, true),
  fixed(4, undefined),
  fixed(8, false),
  fixed(8, false),
  fixed(6, false),
  { ofExchange: false, bytesMin: 5, bytesMax: ({ tokenBytesMax }) => 4 + tokenBytesMax },
];

/**
 * Checks a frame's header before anything of its payload is looked at.
 *
 * @throws LinkError frame (an unknown type, a number where none belongs or none where one does, a payload that is
 *   too short, or longer than its type ever is) or size (longer than we take)
 */
export const checkHeader = (
  type: number,
  length: number,
  exchange: number,
  limits: LinkLimits,
): void => {
  const shape = SHAPES[type];
  if (shape === undefined) throw new LinkError(LINK_CODE.frame, `a frame of type ${type}`);
  if (exchange > NUMBER_MAX || (shape.ofExchange ?? exchange > 0) !== exchange > 0) {
    throw new LinkError(LINK_CODE.frame, `a frame of type ${type} with number ${exchange}`);
  }
  const bytesMax = shape.bytesMax(limits);
  if (length < shape.bytesMin || (length > bytesMax && bytesMax === shape.bytesMin)) {
    throw new LinkError(LINK_CODE.frame, `a frame of type ${type} with ${length} octets`);
  }
  if (length > bytesMax) {
    throw new LinkError(LINK_CODE.size, `a frame of type ${type} with ${length} octets`);
  }
};

/** Writes a frame's header. */
export const writeHeader = (
  into: Buffer,
  at: number,
  first: { readonly type: number; readonly length: number },
  exchange: number,
): void => {
  into.writeUInt32BE(first.type * 0x1_000000 + first.length, at);
  into.writeUInt32BE(exchange, at + 4);
};

/** What END says beside that the message is complete. */
export interface LinkEnd {
  /** Trailer lines as they would stand in HTTP/1.1, each with its CRLF; undefined when there are none. */
  readonly trailers: Buffer | undefined;
  /** The hash of the sender's record of the exchange; undefined when it gives none. */
  readonly hash: Buffer | undefined;
}

/** An end without trailers and hash. */
export const PLAIN_END: LinkEnd = { trailers: undefined, hash: undefined };

/** What HEAD says. */
export interface LinkHead {
  readonly flags: number;
  /** The number of a token; 0 for none. */
  readonly token: number;
  readonly head: Buffer;
}

/** Reads the payload of HEAD. @throws LinkError frame */
export const readHead = (payload: Buffer): LinkHead => {
  const flags = payload.readUInt8(0);
  if (flags > HEAD_INTERIM + HEAD_ENDS) {
    throw new LinkError(LINK_CODE.frame, `flags ${flags} of a head`);
  }
  return { flags, token: payload.readUIntBE(1, 3), head: payload.subarray(HEAD_PREFIX_BYTES) };
};

/** Reads the payload of END. @throws LinkError frame */
export const readEnd = (payload: Buffer): LinkEnd => {
  const hashBytes = payload.readUInt8(0);
  if ((hashBytes !== 0 && hashBytes !== HASH_BYTES) || payload.length < 1 + hashBytes) {
    throw new LinkError(LINK_CODE.frame, "an END whose hash is not one");
  }
  const rest = 1 + hashBytes;
  return {
    hash: hashBytes === 0 ? undefined : payload.subarray(1, rest),
    trailers: payload.length === rest ? undefined : payload.subarray(rest),
  };
};
