// The scanner under changed messages in arbitrary pieces: how octets are cut never changes what is read, and
// where node:http takes a message too, it reads the same.
import { expect } from "chai";
import fc from "fast-check";
import { long, seed } from "../support/scale.js";
import {
  scanned,
  scannedResponse,
  SecondOpinion,
  secondResponse,
  type Connection,
} from "./scanned.js";

const RUNS = long ? 200_000 : 3_000;

const TEMPLATES: readonly string[] = [
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET /a?b=c HTTP/1.1\r\nHost: a.example:80\r\nAccept: */*\r\nX-Y: z\r\nConnection: keep-alive, X-Y\r\n\r\n",
  "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
  "PUT /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5\r\nhello\r\n1;e=1\r\n!\r\n0\r\nX: 1\r\n\r\n",
  "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "DELETE http://a/x HTTP/1.1\r\nHost: a\r\nX: \t y \t\r\n\r\n",
  "\r\nHEAD / HTTP/1.0\r\n\r\n",
];

const RESPONSES: readonly string[] = [
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Y: z\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;e=1\r\n!\r\n0\r\nX: 1\r\n\r\n",
  "HTTP/1.0 404 Not Found\r\nServer: s\r\n\r\nto the end",
  "HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
  "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \t x \t\r\n\r\n",
];

/** What breaks messages elsewhere. */
const SPLICES: readonly string[] = [
  "\r",
  "\n",
  "\r\n",
  "\0",
  " ",
  "\t",
  ":",
  "_",
  "0",
  "1",
  ",",
  ";",
  "\x7f",
  "\xe9",
  "Content-Length: 1\r\n",
  "Content_Length: 1\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Host: b\r\n",
  "\r\n\r\n",
  "HTTP/1.0",
  "0\r\n\r\n",
];

interface Change {
  readonly place: number;
  readonly removed: number;
  readonly put: string;
}

const octet = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
const change: fc.Arbitrary<Change> = fc.record({
  place: fc.double({ min: 0, max: 0.9999, noNaN: true }),
  removed: fc.nat({ max: 3 }),
  put: fc.oneof(fc.constantFrom(...SPLICES), octet, fc.constant("")),
});

/** Some messages one after the other, changed in a few places. */
const changed = (from: readonly string[], most: number): fc.Arbitrary<Buffer> =>
  fc
    .tuple(
      fc.array(fc.constantFrom(...from), { minLength: 1, maxLength: most }),
      fc.array(change, { maxLength: 3 }),
    )
    .map(([templates, changes]) => {
      let text = templates.join("");
      for (const { place, removed, put } of changes) {
        const at = Math.floor(place * text.length);
        text = text.slice(0, at) + put + text.slice(at + removed);
      }
      // Ends a line, so that what is wrong with it has shown, in one piece or in many.
      return Buffer.from(`${text}\r\n\r\n`, "latin1");
    });

const octets = changed(TEMPLATES, 3);
const answers = changed(RESPONSES, 1);

const cutAt = (bytes: Buffer, cuts: readonly number[]): Buffer[] => {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...places, bytes.length].map((end, index) =>
    // Copies, so that nothing can read beyond its piece.
    Buffer.from(bytes.subarray(places[index - 1] ?? 0, end)),
  );
};

/** What has been read in whole. */
const whole = ({ requests }: Connection) => requests.filter(({ complete }) => complete);

describe("relay/scan", function () {
  this.timeout(long ? 1_800_000 : 60_000);

  it(`reads ${RUNS} changed messages the same however they are cut (seed ${seed})`, () => {
    const cuts = fc.array(fc.nat({ max: 4_000 }), { maxLength: 8 });
    fc.assert(
      fc.property(octets, cuts, (bytes, places) => {
        const once = scanned([bytes]);
        expect(scanned(cutAt(bytes, places))).to.deep.equal(once);
        const single = Array.from(bytes, (one) => Buffer.from([one]));
        expect(scanned(single)).to.deep.equal(once);
      }),
      { numRuns: RUNS, seed },
    );
  });

  it(`reads ${RUNS} changed messages as node:http does wherever both take them (seed ${seed})`, async () => {
    const other = new SecondOpinion();
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(octets, async (bytes) => {
        const ours = whole(scanned([bytes]));
        const theirs = whole(await other.read(bytes));
        for (const [index, request] of ours.entries()) {
          const same = theirs[index];
          if (same === undefined) break;
          compared += 1;
          const absolute = !same.target.startsWith("/");
          expect(request).to.deep.equal(absolute ? { ...same, target: request.target } : same);
        }
      }),
      { numRuns: RUNS, seed },
    );
    expect(compared).to.be.above(RUNS / 2);
  });

  it(`reads ${RUNS} changed responses the same however they are cut (seed ${seed})`, () => {
    const cuts = fc.array(fc.nat({ max: 4_000 }), { maxLength: 8 });
    fc.assert(
      fc.property(answers, cuts, (bytes, places) => {
        const once = scannedResponse([bytes]);
        expect(scannedResponse(cutAt(bytes, places))).to.deep.equal(once);
        const single = Array.from(bytes, (one) => Buffer.from([one]));
        expect(scannedResponse(single)).to.deep.equal(once);
      }),
      { numRuns: RUNS, seed },
    );
  });

  it(`reads ${RUNS} changed responses as node:http does wherever both take them (seed ${seed})`, async () => {
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(answers, async (bytes) => {
        const ours = scannedResponse([bytes]);
        const theirs = await secondResponse(bytes);
        if (ours?.complete !== true || theirs?.complete !== true) return;
        compared += 1;
        expect(ours).to.deep.equal(theirs);
      }),
      { numRuns: RUNS, seed },
    );
    expect(compared).to.be.above(RUNS / 4);
  });
});
