// One stream of WatchState by itself, with a reader that takes messages when the test says so.
import { Duplex } from "node:stream";
import { expect } from "chai";
import type { ComponentName, PeerId, Thumbprint } from "../../core/names.js";
import {
  ComponentStream,
  type StreamParts,
  type WatchStateCall,
} from "../../manager/component-stream.js";
import type { StreamingRole } from "../../manager/registration.js";
import type { WatchStateResponse } from "../../proto/gen/schakel/manager/v1/component.js";
import { connectionContract, HeldFeed } from "../support/held-feed.js";
import { recordedLog } from "../support/recorded-log.js";
import { until } from "../support/until.js";

const OURS = "00000000000000000002" as PeerId;
const THEIRS = "00000000000000000003" as PeerId;

describe("manager/component-stream", () => {
  let feed: HeldFeed;
  let heard: WatchStateResponse[];
  let reading: boolean;
  let take: () => void;
  let stream: ComponentStream;

  const open = (role: StreamingRole): void => {
    const call = new Duplex({
      ...{ objectMode: true, writableHighWaterMark: 1, read: () => undefined },
      write: (message: WatchStateResponse, _encoding, done) => {
        heard.push(message);
        take = done;
        if (reading) done();
      },
    });
    const registration = {
      ...{ role, name: "it" as ComponentName, address: undefined, version: "1.0.0" },
      publicKeyThumbprint: "0".repeat(64) as Thumbprint,
    };
    const parts = { feed, peerId: () => OURS, heartbeatMs: 60_000, stallMs: 60_000 };
    stream = new ComponentStream(
      registration,
      call as unknown as WatchStateCall,
      { ...parts, log: recordedLog().log } as unknown as StreamParts,
      () => undefined,
    );
  };
  const complete = () => until("the state", () => heard.some((each) => each.snapshotComplete));

  beforeEach(() => {
    feed = new HeldFeed();
    heard = [];
    reading = true;
  });
  afterEach(() => stream.close());

  it("removes what is gone, and not what came while it was looked which contracts there are", async () => {
    const of = { consumer: THEIRS, provider: OURS, service: "echo" };
    const [gone, fresh] = [connectionContract(of), connectionContract(of)];
    feed.put(gone);
    open("inway");
    await complete();
    const before = stream.sent;
    stream.contract(fresh);
    await until("the new contract", () => stream.sent.length === 2);
    stream.retain(new Set(), before);
    await until("a removal", () => heard.some((each) => each.removedContracts.length > 0));
    expect(heard.flatMap((each) => each.removedContracts)).to.deep.equal([gone.hash]);
    expect(stream.sent).to.deep.equal([fresh.hash]);
  });

  it("does not tell of a manager that has moved back before its reader could hear of it", async () => {
    const [home, away] = [443, 8443].map((port) => ({ host: "manager.test", port })) as [
      { host: string; port: number },
      { host: string; port: number },
    ];
    feed.put(connectionContract({ consumer: OURS, provider: THEIRS, service: "echo" }));
    feed.setManager(THEIRS, home);
    open("outway");
    await complete();
    reading = false;
    stream.list("clients");
    for (const address of [away, home]) {
      feed.setManager(THEIRS, address);
      stream.managers();
      await new Promise((resolve) => setImmediate(resolve));
    }
    reading = true;
    take();
    const count = heard.length;
    stream.list("clients");
    await until("what comes after", () => heard.length > count);
    const told = heard.flatMap(({ managers }) => managers.map(({ address }) => address));
    expect(told).to.deep.equal(["manager.test:443"]);
  });
});
