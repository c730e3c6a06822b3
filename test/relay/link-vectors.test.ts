// The test vectors of docs/link.md: what each frame looks like, what conversations mean, what ends a connection.
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { LinkConnection } from "../../relay/link-connection.js";
import { LinkDecoder } from "../../relay/link-decoder.js";
import type { LinkExchangeOwner } from "../../relay/link-exchange.js";
import { FRAME } from "../../relay/link-frames.js";
import { readHello, writeHello } from "../../relay/link-hello.js";
import { LINK_LIMITS } from "../../relay/link-limits.js";
import { LinkOutput } from "../../relay/link-output.js";
import { until } from "../support/until.js";
import { GET, linkAndRaw, memoryPair } from "./link-bench.js";

interface Vectors {
  readonly frames: readonly {
    readonly name: string;
    readonly type: number;
    readonly exchange: number;
    readonly payload: string;
    readonly frame: string;
  }[];
  readonly conversations: readonly {
    readonly name: string;
    readonly frames: readonly string[];
    readonly events: readonly string[];
  }[];
  readonly violations: readonly {
    readonly name: string;
    readonly to: "answering" | "opening";
    readonly code: number;
    readonly frames: readonly string[];
  }[];
}

const VECTORS = JSON.parse(
  readFileSync(new URL("../vectors/link-v1.json", import.meta.url), "utf8"),
) as Vectors;

const octets = (frames: readonly string[]): Buffer => Buffer.from(frames.join(""), "hex");

describe("relay/link-vectors", () => {
  for (const { name, type, exchange, payload, frame } of VECTORS.frames) {
    it(`writes and reads ${name}`, async () => {
      const [one, other] = memoryPair();
      const output = new LinkOutput(
        one,
        () => undefined,
        () => undefined,
      );
      output.frame(type, exchange, Buffer.from(payload, "hex"));
      output.flush();
      const written = await until("the frame", () => (other.read() as Buffer | null) ?? undefined);
      expect(written.toString("hex")).to.equal(frame);
      const read: string[] = [];
      const decoder = new LinkDecoder(LINK_LIMITS, {
        frame: (...[t, n, p]) => read.push(`${t} ${n} ${p.toString("hex")}`),
        dataBegins: (n, length) => read.push(`3 ${n} `) + length,
        dataComes: (_n, piece) => (read[0] = (read[0] ?? "") + piece.toString("hex")),
      });
      decoder.push(Buffer.from(frame, "hex"));
      expect(read).to.deep.equal([`${type} ${exchange} ${payload}`]);
    });
  }

  it("says in HELLO what the defaults are", () => {
    const [vector] = VECTORS.frames;
    const payload = Buffer.from(vector?.payload ?? "", "hex");
    expect(writeHello(LINK_LIMITS).toString("hex")).to.equal(vector?.payload);
    expect(LINK_LIMITS).to.include(readHello(payload));
  });

  for (const { name, frames, events } of VECTORS.conversations) {
    it(`understands ${name}, whole and octet by octet`, async () => {
      const all = octets(frames);
      expect(await conversationOf([all])).to.deep.equal(events);
      expect(await conversationOf([...all].map((octet) => Buffer.from([octet])))).to.deep.equal(
        events,
      );
    });
  }

  for (const { name, to, code, frames } of VECTORS.violations) {
    it(`ends the connection with ${code} on ${name}, and tells its exchanges`, async () => {
      const { ours, raw } = linkAndRaw(to === "opening");
      if (to === "answering") {
        raw.send(octets(frames));
      } else {
        raw.send(octets(frames.slice(0, 1)));
        if (frames.length > 1) {
          await until("HELLO", () => ours.isReady);
          const asked = ours.open(GET);
          await raw.has(FRAME.head);
          raw.send(octets(frames.slice(1)));
          await until("the end of it", () => asked.resetWith !== undefined || asked.ended);
        }
      }
      expect(await raw.goaway()).to.equal(code);
      await until("our end", () => raw.ended);
      raw.stream.end();
      await until("the end", () => ours.isClosed);
      expect(ours.reason?.code).to.equal(code);
      expect(ours.connection.exchanges).to.equal(0);
      for (const came of ours.opened) expect(came.resetWith ?? came.ended).to.not.equal(undefined);
    });
  }
});

/** What the answering side tells of what came in these pieces; data of one exchange that follows on is one event. */
const conversationOf = async (pieces: readonly Buffer[]): Promise<readonly string[]> => {
  const [one, other] = memoryPair();
  const events: string[] = [];
  const note = (event: string): void => void events.push(event);
  const connection = new LinkConnection(one, false, LINK_LIMITS, {
    ready: () => note("ready"),
    opened: (exchange, head, token): LinkExchangeOwner => {
      const { number } = exchange;
      const named = token === undefined ? "" : ` token ${token}`;
      note(`${number} opened ${head.toString("hex")}${named}`);
      return {
        headCame: () => note(`${number} head`),
        dataCame: (piece) => {
          const before = events.at(-1);
          if (before?.startsWith(`${number} data `) === true)
            events[events.length - 1] = before + piece.toString("hex");
          else note(`${number} data ${piece.toString("hex")}`);
        },
        endCame: ({ trailers, hash }) =>
          note(
            `${number} end` +
              (trailers === undefined ? "" : ` trailers ${trailers.toString("hex")}`) +
              (hash === undefined ? "" : ` hash ${hash.toString("hex")}`),
          ),
        resetCame: (code) => note(`${number} reset ${code}`),
        writable: () => undefined,
      };
    },
    draining: () => note("draining"),
    closed: () => undefined,
  });
  other.resume();
  for (const piece of pieces) {
    other.write(piece);
    await new Promise(setImmediate);
  }
  await new Promise(setImmediate);
  const seen = [...events];
  connection.destroy();
  return seen;
};
