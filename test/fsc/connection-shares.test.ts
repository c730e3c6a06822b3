// Who may have another connection, and whose makes room for it.
import { expect } from "chai";
import type { PeerId } from "../../core/names.js";
import { shareFor, type SharedConnection } from "../../fsc/connection-shares.js";
import { FSC_LIMITS } from "../../fsc/fsc-limits.js";

interface Named extends SharedConnection {
  readonly name: string;
}

/** Connections in the order in which they came: a letter for each, a capital one for a peer's that is busy. */
const openOf = (text: string): readonly Named[] =>
  Array.from(text).map((letter, at) => ({
    name: `${letter}${String(at)}`,
    caller: { peerId: letter.toLowerCase() as PeerId },
    isIdle: letter === letter.toLowerCase(),
  }));

describe("fsc/connection-shares", () => {
  const limits = { ...FSC_LIMITS, connectionsMax: 24, connectionsPerPeerMax: 20 };
  const decided = (peer: string, open: string): string => {
    const share = shareFor(peer as PeerId, openOf(open), limits);
    return share.isTaken ? (share.ended?.name ?? "taken") : share.limit;
  };
  const crowded = "4 connections while all peers together have 12";

  const CASES: readonly (readonly [what: string, peer: string, open: string, expected: string])[] =
    [
      ["takes the first", "a", "", "taken"],
      ["takes a peer's many while there is room", "a", "aaaaaaaaaaa", "taken"],
      ["exchanges the oldest of a peer that has half alone", "a", "aaaaaaaaaaaa", "a0"],
      ["exchanges its oldest idle one", "a", "AAaaaaaaaaaa", "a2"],
      [
        "refuses a peer that has all and is busy on all",
        "a",
        "A".repeat(12),
        crowded.replace("4", "12"),
      ],
      ["takes another, for whom the one with many makes room", "b", "aaaaaaaaaaaa", "a0"],
      ["ends nothing that is busy, and takes the other nevertheless", "b", "A".repeat(12), "taken"],
      ["ends one of the peer that has most", "c", "bbbbbbbaaaaaaaa", "a7"],
      ["ends one of the next when the first is busy", "c", "bbbbbbbAAAAAAAA", "b0"],
      ["ends nothing of those within their share", "d", "aaaabbbbcccc", "taken"],
      ["exchanges one of a peer that has its share", "a", "aaaabbbbcccc", "a0"],
      ["refuses a peer that has its share and is busy", "a", "AAAAbbbbcccc", crowded],
      ["leaves every peer four, however many there are", "a", "aaabbbbccccddddeeee", "taken"],
      ["refuses what is over a peer's own limit", "a", "a".repeat(20), "20 connections at once"],
    ];
  for (const [what, peer, open, expected] of CASES) {
    it(what, () => {
      expect(decided(peer, open)).to.equal(expected);
    });
  }
});
