// Raw requests, written from RFC 9110 and RFC 9112: what each is, its octets, and the status that refuses it
// or that it is accepted. Text is latin1: one character an octet.

import {
  CONTROLS,
  NOT_TOKEN,
  LENGTHS,
  CODINGS,
  CODINGS_UNKNOWN,
  VERSIONS_MALFORMED,
  VERSIONS_OTHER,
  METHODS_BAD,
  METHODS_GOOD,
  HOSTS_BAD,
  HOSTS_GOOD,
  TARGETS_BAD,
  TARGETS_GOOD,
  SIZES_BAD,
  SIZES_GOOD,
  TRAILERS_BAD,
} from "./request-values.js";

/** One raw request. */
export interface RequestRow {
  readonly name: string;
  readonly bytes: string;
  /** The status of the refusal; 200 when it is accepted. */
  readonly status: number;
}

type Cases = readonly (readonly [name: string, bytes: string])[];

const H = "Host: a\r\n";
const get = (lines: string): string => `GET / HTTP/1.1\r\n${lines}\r\n`;
const post = (lines: string, body = ""): string => `POST / HTTP/1.1\r\n${H}${lines}\r\n${body}`;
const chunked = (body: string): string => post("Transfer-Encoding: chunked\r\n", body);
const target = (text: string, host = "a"): string =>
  `GET ${text} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const code = (octet: number): string => `0x${octet.toString(16).padStart(2, "0")}`;
const shown = (text: string): string => JSON.stringify(text.slice(0, 60));
const each = (what: string, texts: readonly string[], bytes: (text: string) => string): Cases =>
  texts.map((text) => [`${what} ${shown(text)}`, bytes(text)]);
const inOctets = (
  what: string,
  which: readonly string[],
  bytes: (octet: string) => string,
): Cases => which.map((octet) => [`${code(octet.charCodeAt(0))} ${what}`, bytes(octet)]);

const LINES_BAD = [
  `GET / HTTP/1.1\n${H}\r\n`,
  `GET / HTTP/1.1\r${H}\r\n`,
  "GET / HTTP/1.1\n\nHost: a\n\n",
  "GET / HTTP/1.1\r\nHost: a\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\n\n",
  "GET / HTTP/1.1\r\nHost: a\n\n",
  "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
  "GET / HTTP/1.1\r\n\nHost: a\r\n\r\n",
  get(`${H}X: a\rb\r\n`),
  get(`${H}X: a\nb: c\r\n`),
  get(`${H}X: a\r\n b\r\n`),
  get(`${H}X: a\r\n\tb\r\n`),
  get(`${H}X:\r\n b\r\n`),
  get(`${H}X: a\r\n \r\n`),
  get(` ${H}`),
  get(`\t${H}`),
  get(`Host:\r\n a\r\n`),
  get(`${H}X\r\n`),
  get(`${H}X y\r\n`),
  get(`${H}:\r\n`),
  get(`${H}: a\r\n`),
  get(`${H}X : a\r\n`),
  get(`${H}X\t: a\r\n`),
  get(`${H}Content-Length : 1\r\n`),
  get(`${H}Transfer-Encoding : chunked\r\n`),
  get(`Host : a\r\n`),
  " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "\r\n GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n",
  "GET  HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET\r\nHost: a\r\n\r\n",
  ": / HTTP/1.1\r\nHost: a\r\n\r\n",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
  "HTTP/1.1 200 OK\r\nHost: a\r\n\r\n",
  "\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a\r\n\r\n",
];

const FRAMINGS_BAD: Cases = [
  ["two equal lengths", post("Content-Length: 1\r\nContent-Length: 1\r\n", "a")],
  ["two unequal lengths", post("Content-Length: 1\r\nCONTENT-LENGTH: 2\r\n", "ab")],
  [
    "three lengths apart",
    post("Content-Length: 0\r\nX: 1\r\nContent-Length: 0\r\nY: 1\r\nContent-Length: 0\r\n"),
  ],
  [
    "a length before chunked",
    post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
  ],
  [
    "a length behind chunked",
    post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
  ],
  [
    "no octets and chunked",
    post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
  ],
  ["a length and an unknown coding", post("Content-Length: 0\r\nTransfer-Encoding: x\r\n")],
  [
    "chunked in two lines",
    post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
  ],
  [
    "gzip and chunked in two lines",
    post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
  ],
  [
    "chunked and nothing in two lines",
    post("Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n", "0\r\n\r\n"),
  ],
  ["chunked with HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  [
    "chunked with HTTP/1.0 kept alive",
    "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ],
  ["Content_Length", post("Content_Length: 5\r\n")],
  ["content_length beside a length", post("content_length: 5\r\nContent-Length: 1\r\n", "a")],
  ["Transfer_Encoding", post("Transfer_Encoding: chunked\r\n")],
  [
    "TRANSFER_ENCODING beside a length",
    post("TRANSFER_ENCODING: chunked\r\nContent-Length: 1\r\n", "a"),
  ],
  ["a NUL in the name of the coding", post("Transfer-Encoding\0: chunked\r\n")],
  ["no Host", get("")],
  ["no Host but other lines", get("X: 1\r\n")],
  ["two Hosts", get(`${H}Host: b\r\n`)],
  ["two equal Hosts", get(`${H}HOST: a\r\n`)],
  ["two Hosts with HTTP/1.0", `GET / HTTP/1.0\r\n${H}${H}\r\n`],
  ["a bad Host with HTTP/1.0", "GET / HTTP/1.0\r\nHost: a/b\r\n\r\n"],
  ["no Host with an absolute target", "GET http://a/ HTTP/1.1\r\n\r\n"],
];

const CHUNKS_BAD: Cases = [
  ["a chunk longer than its size", chunked("1\r\nab\r\n0\r\n\r\n")],
  ["a chunk shorter than its size", chunked("3\r\nab\r\n0\r\n\r\n")],
  ["a bare LF behind a chunk", chunked("1\r\na\n0\r\n\r\n")],
  ["a bare CR behind a chunk", chunked("1\r\na\r0\r\n\r\n")],
  ["nothing behind a chunk", chunked("1\r\na0\r\n\r\n")],
  ["a bare LF as the end", chunked("0\n\n")],
  ["a bare LF behind the last size", chunked("0\n\r\n")],
  ["a bare LF as the last line", chunked("0\r\n\n")],
  ["chunk extensions past their limit", chunked(`1;${"x".repeat(5000)}\r\na\r\n0\r\n\r\n`)],
  [
    "chunk extensions past their limit together",
    chunked(`${`1;${"x".repeat(500)}\r\na\r\n`.repeat(9)}0\r\n\r\n`),
  ],
];

const LARGE: Cases = [
  ["101 header lines", get(H + "X: 1\r\n".repeat(100))],
  ["3000 header lines", get(H + "X: 1\r\n".repeat(3000))],
  ["a value of 70 000 octets", get(`${H}X: ${"x".repeat(70_000)}\r\n`)],
  ["a name of 70 000 octets", get(`${H}${"x".repeat(70_000)}: 1\r\n`)],
  ["a method of 70 000 octets", `${"X".repeat(70_000)} / HTTP/1.1\r\n${H}\r\n`],
  ["many spaces in front of a value", get(`${H}X:${" ".repeat(70_000)}1\r\n`)],
];

const GOOD: Cases = [
  ["no lines but Host", get(H)],
  ["100 header lines", get(H + "X: 1\r\n".repeat(99))],
  ["a head of 60 000 octets", get(`${H}X: ${"x".repeat(60_000)}\r\n`)],
  ["one empty line in front", `\r\n${get(H)}`],
  ["an empty value", get(`${H}X:\r\n`)],
  ["a value of spaces", get(`${H}X:   \t \r\n`)],
  ["a tab in a value", get(`${H}X: a\tb\r\n`)],
  ["octets above 127 in a value", get(`${H}X: \x80\xff\r\n`)],
  ["no space behind the colon", get("Host:a\r\n")],
  ["spaces and tabs around the value of Host", get("Host: \t a \t \r\n")],
  ["a name of odd characters", get(`${H}!#$%&'*+-.^_\`|~09azAZ: 1\r\n`)],
  ["a length", post("Content-Length: 5\r\n", "hello")],
  ["a length in another spelling", post("cOnTeNt-LeNgTh:5\r\n", "hello")],
  ["a length of zeros", post("Content-Length: 000\r\n")],
  ["a length with zeros in front", post("Content-Length: 0005\r\n", "hello")],
  ["chunked in another spelling", post("transfer-encoding: CHUNKED \r\n", "1\r\na\r\n0\r\n\r\n")],
  ["no chunks", chunked("0\r\n\r\n")],
  ["a last chunk of zeros", chunked("000\r\n\r\n")],
  ["a size of capitals", chunked("A\r\n0123456789\r\n0\r\n\r\n")],
  ["a size of small letters", chunked("a\r\n0123456789\r\n0\r\n\r\n")],
  ["trailers", chunked("1\r\na\r\n0\r\nX: 1\r\ny: \xe9\r\nX:\r\n\r\n")],
  ["100 trailers", chunked(`0\r\n${"X: 1\r\n".repeat(100)}\r\n`)],
  [
    "a body that looks like a request",
    post("Content-Length: 37\r\n", "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n...."),
  ],
  [
    "a chunk that looks like a request",
    chunked("21\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\n\r\n"),
  ],
  ["GET with a length", `GET / HTTP/1.1\r\n${H}Content-Length: 2\r\n\r\nab`],
  ["HTTP/1.0", "GET / HTTP/1.0\r\n\r\n"],
  ["HTTP/1.0 with a body", "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab"],
  ["HTTP/1.0 with an absolute target", "GET http://a/ HTTP/1.0\r\n\r\n"],
  ["Connection: close", get(`${H}Connection: close\r\n`)],
  ["an upgrade, which is not passed", get(`${H}Connection: Upgrade\r\nUpgrade: websocket\r\n`)],
  ["an empty Connection", get(`${H}Connection: ,, ,\r\n`)],
];

const rows = (status: number, cases: Cases): readonly RequestRow[] =>
  cases.map(([name, bytes]) => ({ name, bytes, status }));

/** All of them. */
export const REQUEST_ROWS: readonly RequestRow[] = [
  ...rows(
    400,
    inOctets("in a value", CONTROLS, (octet) => get(`${H}X: a${octet}b\r\n`)),
  ),
  ...rows(
    400,
    inOctets("in a name", NOT_TOKEN, (octet) => get(`${H}X${octet}Y: 1\r\n`)),
  ),
  ...rows(
    400,
    inOctets("in the target", [...CONTROLS, "\t", "\x80", "\xff"], (octet) =>
      target(`/a${octet}b`),
    ),
  ),
  ...rows(
    400,
    each("the length", LENGTHS, (text) => post(`Content-Length: ${text}\r\n`, "a")),
  ),
  ...rows(
    400,
    each("the coding", CODINGS, (text) => post(`Transfer-Encoding: ${text}\r\n`, "0\r\n\r\n")),
  ),
  ...rows(
    501,
    each("the coding", CODINGS_UNKNOWN, (text) =>
      post(`Transfer-Encoding: ${text}\r\n`, "0\r\n\r\n"),
    ),
  ),
  ...rows(
    400,
    each("beside a length the coding", CODINGS_UNKNOWN, (text) =>
      post(`Content-Length: 1\r\nTransfer-Encoding: ${text}\r\n`, "0\r\n\r\n"),
    ),
  ),
  ...rows(414, [
    ["a target of one octet too many", target(`/${"x".repeat(16 * 1024)}`)],
    ["an absolute target of one octet too many", target(`http://a/${"x".repeat(16 * 1024 - 8)}`)],
    ["a target of 70 000 octets", target(`/${"x".repeat(70_000)}`)],
    ["a target that does not end", `GET /${"x".repeat(200_000)}`],
  ]),
  ...rows(200, [["a target of as many octets as may be", target(`/${"x".repeat(16 * 1024 - 1)}`)]]),
  ...rows(
    400,
    each("the version", VERSIONS_MALFORMED, (text) => `GET / ${text}\r\n${H}\r\n`),
  ),
  ...rows(
    505,
    each("the version", VERSIONS_OTHER, (text) => `GET / ${text}\r\n${H}\r\n`),
  ),
  ...rows(505, [
    ["no version", "GET /\r\n\r\n"],
    ["no version but a target that looks like one", "GET HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ]),
  ...rows(
    400,
    each("the method", METHODS_BAD, (text) => `${text} / HTTP/1.1\r\n${H}\r\n`),
  ),
  ...rows(
    405,
    each(
      "CONNECT to",
      ["a:443", "/", "http://a/"],
      (text) => `CONNECT ${text} HTTP/1.1\r\n${H}\r\n`,
    ).slice(1),
  ),
  ...rows(
    200,
    each("the method", METHODS_GOOD, (text) => `${text} / HTTP/1.1\r\n${H}\r\n`),
  ),
  ...rows(
    400,
    each("the Host", HOSTS_BAD, (text) => target("/", text)),
  ),
  ...rows(
    200,
    each("the Host", HOSTS_GOOD, (text) => target("/", text)),
  ),
  ...rows(
    400,
    each("the target", TARGETS_BAD, (text) => target(text)),
  ),
  ...rows(
    200,
    each("the target", TARGETS_GOOD, (text) => target(text)),
  ),
  ...rows(
    400,
    each("the chunk size", SIZES_BAD, (text) => chunked(`${text}\r\na\r\n0\r\n\r\n`)),
  ),
  ...rows(
    200,
    each("the chunk size", SIZES_GOOD, (text) => chunked(`${text}\r\na\r\n0\r\n\r\n`)),
  ),
  ...rows(
    400,
    each("the trailer", TRAILERS_BAD, (text) => chunked(`1\r\na\r\n0\r\n${text}\r\n`)),
  ),
  ...rows(
    400,
    each("the lines", LINES_BAD, (text) => text),
  ),
  ...rows(400, FRAMINGS_BAD),
  ...rows(400, CHUNKS_BAD),
  ...rows(431, LARGE),
  ...rows(200, GOOD),
];
