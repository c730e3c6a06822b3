// The peers that a manager knows.
import { expect } from "chai";
import { SchakelError } from "../../core/errors.js";
import type { PeerId } from "../../core/names.js";
import type { ListedPeer, PeerQuery } from "../../fsc/manager-interface.js";
import { PeerBook } from "../../fsc/peer-book.js";
import type { FscDatabase } from "../../fsc/schema.js";
import { MovedClock } from "../support/moved-clock.js";
import { Certified, openQuickly } from "../support/organisations.js";
import { removeTemporaryFolders } from "../support/temporary.js";

const idOf = (number: number): PeerId => String(number).padStart(20, "0") as PeerId;
const peer = (number: number, name: string, port = 8443): ListedPeer => ({
  ...{ id: idOf(number), name },
  managerAddress: { host: `manager${String(number)}.test`, port },
});
const ALL: PeerQuery = {
  ...{ cursor: undefined, limit: 1000, sortOrder: "ascending" },
  ...{ nameContains: undefined, peerIds: [] },
};

describe("fsc/peer-book", () => {
  let certified: Certified;
  let db: FscDatabase;
  let peers: PeerBook;
  const clock = new MovedClock();
  before(async () => {
    certified = await Certified.create(0, 0);
  });
  after(async () => {
    await certified.remove();
    removeTemporaryFolders();
  });
  beforeEach(async () => {
    db = await openQuickly(certified.databaseFile());
    peers = new PeerBook({ db, clock, groups: { current: certified.group } });
    await peers.note(peer(11, "Gemeente Écluse"));
    await peers.note(peer(12, "Waterschap 100%_zuiver"));
    await peers.note(peer(13, "Gemeente Veere"));
  });
  afterEach(() => db.destroy());

  const found = async (query: Partial<PeerQuery>): Promise<number[]> =>
    (await peers.list({ ...ALL, ...query })).items.map(({ id }) => Number(id));

  for (const [what, query, expected] of [
    ["no filter", {}, [11, 12, 13]],
    ["the other order", { sortOrder: "descending" }, [13, 12, 11]],
    ["part of a name", { nameContains: "gemeente" }, [11, 13]],
    ["part of a name in capitals", { nameContains: "VEERE" }, [13]],
    ["part of a name beyond ASCII, in another case", { nameContains: "éCLU" }, [11]],
    ["a percent sign, which stands for itself", { nameContains: "0%" }, [12]],
    ["a percent sign that is in no name", { nameContains: "e%v" }, []],
    ["an underscore, which stands for itself", { nameContains: "%_z" }, [12]],
    ["a backslash", { nameContains: "\\" }, []],
    ["ids", { peerIds: [idOf(13), idOf(11), idOf(99)] }, [11, 13]],
    ["ids and a name, where ids go before", { peerIds: [idOf(12)], nameContains: "veere" }, [12]],
  ] as const) {
    it(`lists by ${what}`, async () => {
      expect(await found(query)).to.deep.equal(expected);
    });
  }

  for (const sortOrder of ["ascending", "descending"] as const) {
    it(`lists page by page, ${sortOrder}`, async () => {
      const seen: number[] = [];
      let cursor: string | undefined;
      do {
        const page = await peers.list({ ...ALL, limit: 2, sortOrder, cursor });
        seen.push(...page.items.map(({ id }) => Number(id)));
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      expect(seen).to.deep.equal(sortOrder === "ascending" ? [11, 12, 13] : [13, 12, 11]);
    });
  }

  for (const [what, query] of [
    ["a limit of 0", { limit: 0 }],
    ["half a limit", { limit: 0.5 }],
    ["a cursor of its own making", { cursor: "!" }],
    ["a name that is too long", { nameContains: "x".repeat(256) }],
    ["too many ids", { peerIds: Array.from({ length: 1001 }, (_, at) => idOf(at)) }],
  ] as const) {
    it(`refuses a list with ${what}`, async () => {
      const refused = await peers.list({ ...ALL, ...query }).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(refused).to.be.instanceOf(SchakelError);
      expect((refused as SchakelError).code).to.equal("ERROR_CODE_REQUEST_INVALID");
    });
  }

  it("tells of new addresses, and of nothing else", async () => {
    const told: number[] = [];
    const stop = peers.onAddress((id) => Promise.resolve(void told.push(Number(id))));
    await peers.note(peer(11, "Gemeente Écluse"));
    await peers.note(peer(11, "Another name"));
    expect((await peers.get(idOf(11)))?.name).to.equal("Another name");
    await peers.note(peer(11, "Another name", 443));
    await peers.note(peer(14, "New"));
    stop();
    await peers.note(peer(15, "Newer"));
    expect(told).to.deep.equal([11, 14]);
  });

  it("takes a directory's address from the group alone", async () => {
    const [directory] = certified.group.directories;
    await peers.note({ ...peer(1, "Directory", 1234), id: directory!.peerId });
    expect(await peers.addressOf(directory!.peerId)).to.deep.equal(directory!.address);
    expect((await peers.addressOf(idOf(12)))?.host).to.equal("manager12.test");
    expect(await peers.addressOf(idOf(99))).to.equal(undefined);
    expect(await peers.get(idOf(99))).to.equal(undefined);
  });

  it("keeps what was refused last of a peer, beside what it announces meanwhile", async () => {
    await peers.note(peer(20, "Old"));
    const text = "the contract says version 1.1.2, understood here is 2.0.0";
    const moving = peer(20, "Moved", 443);
    await Promise.all([
      peers.noteRefusal(idOf(20), "another"),
      peers.note(moving, "itself"),
      peers.noteRefusal(idOf(20), text),
    ]);
    const known = await peers.get(idOf(20));
    expect(known).to.deep.include({ ...moving, refusal: { text, at: clock.now() } });
  });

  it("keeps nothing that was refused of a peer that is not known", async () => {
    await peers.noteRefusal(idOf(21), "the contract says another version");
    expect(await peers.get(idOf(21))).to.equal(undefined);
  });

  it("knows nothing of the peers of another group", async () => {
    const other = new PeerBook({
      ...{ db, clock },
      groups: { current: { ...certified.group, id: "another" } },
    });
    expect((await other.list(ALL)).items).to.deep.equal([]);
    expect(await other.get(idOf(11))).to.equal(undefined);
  });
});
