// Raw responses to GET, written from RFC 9110 and RFC 9112: what each is, its octets, and what becomes of it.
// Text is latin1: one character an octet.
import {
  CODINGS,
  CONTROLS,
  LENGTHS,
  NOT_TOKEN,
  SIZES_BAD,
  TRAILERS_BAD,
} from "./request-values.js";

/** One raw response. */
export interface ResponseRow {
  readonly name: string;
  readonly bytes: string;
  /** `refused`: the client gets a 502 and nothing of it. `cut`: its head passed, its end does not. */
  readonly becomes: "passed" | "refused" | "cut";
}

type Cases = readonly (readonly [name: string, bytes: string])[];

const ZERO = "Content-Length: 0\r\n";
const ok = (lines: string, body = ""): string => `HTTP/1.1 200 OK\r\n${lines}\r\n${body}`;
const chunked = (body: string): string => ok("Transfer-Encoding: chunked\r\n", body);
const status = (line: string): string => `${line}\r\n${ZERO}\r\n`;
const each = (what: string, texts: readonly string[], bytes: (text: string) => string): Cases =>
  texts.map((text) => [`${what} ${JSON.stringify(text.slice(0, 60))}`, bytes(text)]);

const STATUS_LINES_BAD = [
  ...[
    "HTTP/1.1 99 OK",
    "HTTP/1.1 099 OK",
    "HTTP/1.1 000 OK",
    "HTTP/1.1 600 OK",
    "HTTP/1.1 999 OK",
    "HTTP/1.1 2000 OK",
  ],
  ...[
    "HTTP/1.1 20 OK",
    "HTTP/1.1 2 OK",
    "HTTP/1.1 -20 OK",
    "HTTP/1.1 2x0 OK",
    "HTTP/1.1 200",
    "HTTP/1.1 200OK",
    "HTTP/1.1  200 OK",
  ],
  ...[
    "HTTP/1.1\t200 OK",
    "HTTP/1.1 200\tOK",
    "HTTP/1.2 200 OK",
    "HTTP/2.0 200 OK",
    "HTTP/0.9 200 OK",
    "HTTP/2 200 OK",
    "HTTP/1 200 OK",
  ],
  ...[
    "http/1.1 200 OK",
    "HTP/1.1 200 OK",
    " HTTP/1.1 200 OK",
    "\r\nHTTP/1.1 200 OK",
    "\nHTTP/1.1 200 OK",
    "ICY 200 OK",
    "SSH-2.0-OpenSSH",
  ],
  ...[
    "200 OK",
    "",
    "HTTP/1.1 200 O\0K",
    "HTTP/1.1 200 O\x01K",
    "HTTP/1.1 200 O\x7fK",
    "HTTP/1.1 200 O\rK",
    "HTTP/1.1 200 OK\n",
  ],
  ...["HTTP/1.1 101 Switching Protocols", "GET / HTTP/1.1", "<html>"],
];

const STATUS_LINES_GOOD = [
  ...[
    "HTTP/1.1 200 OK",
    "HTTP/1.0 200 OK",
    "HTTP/1.1 200 ",
    "HTTP/1.1 299 Quite \xe9 Good",
    "HTTP/1.1 404 a\tb",
    "HTTP/1.1 599 x",
  ],
];

const LINES_BAD = [
  `X : 1\r\n${ZERO}`,
  `X\t: 1\r\n${ZERO}`,
  `: 1\r\n${ZERO}`,
  `X\r\n${ZERO}`,
  ` X: 1\r\n${ZERO}`,
  `X: 1\r\n Y\r\n${ZERO}`,
  `X: 1\r\n\tY\r\n${ZERO}`,
  `X: 1\n${ZERO}`,
  `X: a\rb\r\n${ZERO}`,
  "X: 1\r\n".repeat(101),
  `X: ${"x".repeat(70_000)}\r\n${ZERO}`,
  `Content_Length: 1\r\n${ZERO}`,
  `Transfer_Encoding: chunked\r\n${ZERO}`,
];

const FRAMINGS_BAD: Cases = [
  ["two equal lengths", ok(`${ZERO}${ZERO}`)],
  ["two unequal lengths", ok(`${ZERO}Content-Length: 1\r\n`, "a")],
  ["a length and chunked", ok(`${ZERO}Transfer-Encoding: chunked\r\n`, "0\r\n\r\n")],
  ["chunked and a length", ok(`Transfer-Encoding: chunked\r\n${ZERO}`, "0\r\n\r\n")],
  ["chunked in two lines", ok("Transfer-Encoding: chunked\r\n".repeat(2), "0\r\n\r\n")],
  ["chunked with HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["204 with a length", "HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\na"],
  ["204 with chunks", "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["100 with a length", `HTTP/1.1 100 Go\r\nContent-Length: 1\r\n\r\na${ok(ZERO)}`],
  ["103 with chunks", `HTTP/1.1 103 Go\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${ok(ZERO)}`],
  ["17 interim responses", `${"HTTP/1.1 103 Go\r\n\r\n".repeat(17)}${ok(ZERO)}`],
  ["a bad line in an interim response", `HTTP/1.1 103 Go\r\nX : 1\r\n\r\n${ok(ZERO)}`],
  ["an interim response that switches", `HTTP/1.1 101 Go\r\n\r\n${ok(ZERO)}`],
];

const CUT: Cases = [
  ...each("the chunk size", SIZES_BAD, (text) => chunked(`2\r\nab\r\n${text}\r\na\r\n0\r\n\r\n`)),
  ...each("the trailer", TRAILERS_BAD, (text) => chunked(`2\r\nab\r\n0\r\n${text}\r\n`)),
  ["a chunk longer than its size", chunked("2\r\nabc\r\n0\r\n\r\n")],
  ["a bare LF behind a chunk", chunked("2\r\nab\n0\r\n\r\n")],
  ["a bare LF as the end", chunked("2\r\nab\r\n0\r\n\n")],
  ["chunk extensions past their limit", chunked(`2;${"x".repeat(5000)}\r\nab\r\n0\r\n\r\n`)],
];

const GOOD: Cases = [
  ["a length", ok("Content-Length: 2\r\n", "ab")],
  ["chunks", chunked("2\r\nab\r\n0\r\n\r\n")],
  ["chunks with trailers and extensions", chunked("2;a=b\r\nab\r\n0\r\nX: 1\r\n\r\n")],
  ["100 header lines", ok(`${ZERO}${"X: 1\r\n".repeat(99)}`)],
  ["odd but good lines", ok(`${ZERO}X:\r\ny:\t \xe9 \t\r\n`)],
  ["16 interim responses", `${"HTTP/1.1 103 Go\r\nX: 1\r\n\r\n".repeat(16)}${ok(ZERO)}`],
  ["204", "HTTP/1.1 204 No\r\n\r\n"],
  ["304 with a length", "HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n"],
];

const rows = (becomes: ResponseRow["becomes"], cases: Cases): readonly ResponseRow[] =>
  cases.map(([name, bytes]) => ({ name, bytes, becomes }));

/** All of them. */
export const RESPONSE_ROWS: readonly ResponseRow[] = [
  ...rows("refused", each("the status line", STATUS_LINES_BAD, status)),
  ...rows("passed", each("the status line", STATUS_LINES_GOOD, status)),
  ...rows(
    "refused",
    each("the lines", LINES_BAD, (text) => ok(text)),
  ),
  ...rows(
    "refused",
    each("a value with", CONTROLS, (text) => ok(`X: a${text}b\r\n${ZERO}`)),
  ),
  ...rows(
    "refused",
    each("a name with", NOT_TOKEN, (text) => ok(`X${text}Y: 1\r\n${ZERO}`)),
  ),
  ...rows(
    "refused",
    each("the length", LENGTHS, (text) => ok(`Content-Length: ${text}\r\n`, "a")),
  ),
  ...rows(
    "refused",
    each("the coding", CODINGS, (text) => ok(`Transfer-Encoding: ${text}\r\n`, "0\r\n\r\n")),
  ),
  ...rows("refused", FRAMINGS_BAD),
  ...rows("cut", CUT),
  ...rows("passed", GOOD),
];
