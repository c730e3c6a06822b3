// The header names that mean something to the relay itself. Which one a line has is found by its length and
// its octets; every other name is passed unread.
import { isDashed, isWord, word } from "./scan-bytes.js";

/** What a header name means to the relay; 0 is any other name. The bits below 64 end at the next hop. */
export const NAME = {
  other: 0,
  contentLength: 1,
  transferEncoding: 2,
  connection: 4,
  te: 8,
  keepAlive: 16,
  /** Any other name that RFC 9110, section 7.6.1, keeps to one hop. */
  otherHop: 32,
  host: 64,
  trailer: 128,
  expect: 256,
  /** A framing name with "_" for "-": some servers would frame the body by what everybody else ignores. */
  likeFraming: 512,
} as const;

/** The names that end at the next hop. Framing is among them because each hop frames its own message. */
export const HOP_BY_HOP = 63;

const NAMES: readonly (readonly [text: string, kind: number])[] = [
  ["content-length", NAME.contentLength],
  ["transfer-encoding", NAME.transferEncoding],
  ["connection", NAME.connection],
  ["te", NAME.te],
  ["keep-alive", NAME.keepAlive],
  ["proxy-authenticate", NAME.otherHop],
  ["proxy-authentication-info", NAME.otherHop],
  ["proxy-authorization", NAME.otherHop],
  ["proxy-connection", NAME.otherHop],
  ["upgrade", NAME.otherHop],
  ["host", NAME.host],
  ["trailer", NAME.trailer],
  ["expect", NAME.expect],
];

interface Known {
  readonly text: Uint8Array;
  readonly kind: number;
}

const LONGEST = Math.max(...NAMES.map(([text]) => text.length));

const BY_LENGTH: readonly (readonly Known[])[] = Array.from({ length: LONGEST + 1 }, (_, length) =>
  NAMES.filter(([text]) => text.length === length).map(([text, kind]) => ({
    text: word(text),
    kind,
  })),
);

const FRAMING = NAME.contentLength | NAME.transferEncoding;

/** The kind of the name that stands from `from` to `to`. */
export const kindOf = (bytes: Uint8Array, from: number, to: number): number => {
  const candidates = BY_LENGTH[to - from];
  if (candidates === undefined) return NAME.other;
  for (const { text, kind } of candidates) {
    if (isWord(bytes, from, to, text)) return kind;
    if ((kind & FRAMING) !== 0 && isDashed(bytes, from, to, text)) return NAME.likeFraming;
  }
  return NAME.other;
};
