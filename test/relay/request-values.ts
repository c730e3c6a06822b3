// The values of the table of raw requests (request-rows.ts): what may stand at one place of a request, and what may not.

const octets = (...ranges: readonly (readonly [from: number, to: number])[]): readonly string[] =>
  ranges.flatMap(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, at) => String.fromCharCode(from + at)),
  );
export /** Every control character but HTAB, CR and LF. */
const CONTROLS = octets([0, 8], [0x0b, 0x0c], [0x0e, 0x1f], [0x7f, 0x7f]);
/** Neither a token nor a colon. */
export const NOT_TOKEN = [
  ...Array.from('()<>@,;\\"/[]?={} \t'),
  "\0",
  "\x01",
  "\x7f",
  "\x80",
  "\xff",
];

/** No Content-Length. */
export const LENGTHS = [
  ...["", " ", "+1", "-1", "-0", "0x1", "1, 1", "1,1", "1;1", "1 1", "1.0", "1e1", "a", "1a", "a1"],
  ...[
    "\u00b9",
    "1_0",
    "١",
    "'1'",
    '"1"',
    "9999999999999999",
    "18446744073709551617",
    "1,",
    ",1",
    "1\t1",
  ],
].map((text) => Buffer.from(text).toString("latin1"));

/** No single chunked. */
export const CODINGS = [
  ...["", "identity", "gzip", "chunked, gzip", "chunked, chunked", "chunked,"],
  ...[",chunked", "chunked;q=1", 'chunked;a="b"', '"chunked"', "'chunked'", "xchunked", "chunkedx"],
  ...[
    "chunked x",
    "x chunked",
    "\x0bchunked",
    "chunked\x0b",
    "chunked\x00",
    "\xa0chunked",
    "ch unked",
  ],
  ...["chunked identity", "identity, chunked", "compress", "cHuNkEdX", "chunke", "="],
];

/** Codings that are not known here, before a final chunked. */
export const CODINGS_UNKNOWN = [
  ...["gzip, chunked", "deflate, chunked", "GZIP,chunked", "compress \t,\t CHUNKED"],
  "gzip, deflate, chunked",
];

/** No version of HTTP. */
export const VERSIONS_MALFORMED = [
  ...["http/1.1", "Http/1.1", "HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/11", "HTTP/1.1.1", "HTTP/1.10"],
  ...[
    "HTTP/01.1",
    "HTTP/1.01",
    "HTTP 1.1",
    "HTTP/1,1",
    "HTTP/a.b",
    "HTTP/-1.1",
    "HTTPS/1.1",
    "HTP/1.1",
  ],
  ...[
    "HTTP/1.1 ",
    " HTTP/1.1",
    "HTTP/1.1\t",
    "HTTP/1.1x",
    "XHTTP/1.1",
    "HTTP\\1.1",
    "ICY/1.1",
    "SIP/2.0",
  ],
];
/** Another version of HTTP. */
export const VERSIONS_OTHER = [
  "HTTP/0.9",
  "HTTP/1.2",
  "HTTP/1.9",
  "HTTP/2.0",
  "HTTP/3.0",
  "HTTP/9.9",
  "HTTP/0.0",
];

/** No method of HTTP. */
export const METHODS_BAD = [
  "get",
  "Get",
  "FROB",
  "GE",
  "GETT",
  "SOURCE",
  "DESCRIBE",
  "G/T",
  "G(T",
  "G\x00T",
  "G\xe9T",
  '"GET"',
];
/** Methods that pass. */
export const METHODS_GOOD = [
  ...["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH"],
  ...["M-SEARCH", "MKCOL", "QUERY", "PURGE", "LINK"],
];

/** No host with an optional port. */
export const HOSTS_BAD = [
  ...[
    "",
    "a b",
    "a/b",
    "/a",
    "a?b",
    "a#b",
    "u@a",
    "@a",
    "a, b",
    "a:",
    "a:1:2",
    "a:b",
    "a:-1",
    "a:123456",
  ],
  ...[
    "[",
    "[]",
    "[::1",
    "::1]",
    "[::1]x",
    "[::1]:x",
    "[g]",
    "[::1%25eth0]",
    ":80",
    "a\\b",
    "<a>",
    '"a"',
    "a\xe9",
    "http://a",
  ],
].filter((text) => text !== "a:");
/** A host with an optional port. */
export const HOSTS_GOOD = [
  "a:",
  "a:80",
  "a.example",
  "A.EXAMPLE:443",
  "127.0.0.1",
  "[::1]",
  "[::1]:8080",
  "xn--a",
  "a_b",
  "%61",
];

/** Neither a path nor an absolute http URL for the host "a". */
export const TARGETS_BAD = [
  ...[
    "*",
    "x",
    "a:80",
    "a/b",
    "?x",
    "//",
    "http:",
    "http:/",
    "http://",
    "http:///x",
    "http:a/",
    "http//a/",
  ],
  ...[
    "ftp://a/",
    "file:///x",
    "httpx://a/",
    "ws://a/",
    "https:/a",
    "http://u@a/",
    "http://a@a/",
    "http://a:b/",
  ],
  ...[
    "http://[a/",
    "http://b/",
    "http://a:80/",
    "https://a.a/",
    "/a#b",
    "/#",
    "#",
    "http://a/#x",
    "javascript:1",
    "\\",
    ".",
    "../x",
    "%2f",
  ],
].filter((text) => text !== "//");
/** A path, or an absolute http URL for the host "a". */
export const TARGETS_GOOD = [
  ...[
    "/",
    "//",
    "//x",
    "/a//b",
    "/..",
    "/%2e%2e/",
    "/%zz",
    "/?",
    "/??",
    "/a?b=c&d",
    "/;x",
    "/@",
    "/:",
    "/*",
  ],
  ...['/"<>[]{}|\\^`', "http://a", "http://a/", "HTTP://A/x", "https://a/x?y", "http://a?q"],
];

/** No size of a chunk of one octet. */
export const SIZES_BAD = [
  ...[
    "",
    " 1",
    "1 ",
    "1\t",
    "\t1",
    "+1",
    "-1",
    "0x1",
    "0X1",
    "1h",
    "g",
    "1.0",
    "1,",
    "1_0",
    "\x001",
    "1\x00",
    "x",
    "-0",
  ],
  ...[
    "00000000000001",
    "11111111111111111",
    "fffffffffffffffff",
    "1\r",
    "1\n",
    "1;a\nb",
    "1;\x00",
    "1;a\x7f",
    '"1"',
    "1 ;a",
    "1\v",
  ],
];
/** The size of a chunk of one octet. */
export const SIZES_GOOD = [
  "1",
  "01",
  "0000000000001",
  "1;a",
  "1;a=b",
  '1;a="b;c"',
  "1;a=b;c",
  "1;",
  "1; a",
];

/** Lines that may not stand in a trailer section. */
export const TRAILERS_BAD = [
  ...[
    "Content-Length: 1\r\n",
    "content-length: 0\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Host: a\r\n",
    "HOST: b\r\n",
  ],
  ...[
    "Content_Length: 1\r\n",
    "transfer_encoding: x\r\n",
    "X : 1\r\n",
    ": 1\r\n",
    " X: 1\r\n",
    "X: 1\r\n Y: 2\r\n",
  ],
  ...[
    "X\r\n",
    "X: \x00\r\n",
    "X: 1\n",
    "X: a\rb\r\n",
    "(: 1\r\n",
    "X: 1\r\n".repeat(101),
    `X: ${"x".repeat(66_000)}\r\n`,
  ],
];
