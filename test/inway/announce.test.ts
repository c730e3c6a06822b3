// What an inway announces of itself: the services that its manager says are published, and no others.
import { expect } from "chai";
import { loadBundle } from "../../certs/bundle.js";
import {
  Announcement,
  type AnnounceRequest,
  type AnnounceResponse,
} from "../../proto/gen/schakel/directory/v1/directory.js";
import { serveCalls, type Served } from "../support/grpc.js";
import type { Members } from "../support/members.js";
import { freePort } from "../support/network.js";
import { Plane, PROVIDER } from "../support/plane.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

const DIRECTORY = "00000000000000000001";

describe("inway/announce", function () {
  this.timeout(60_000);
  let plane: Plane;
  let directory: Served;
  /** Of each announcement of the provider's inway, the names of its services. */
  const announced: string[][] = [];

  before(async () => {
    const port = await freePort();
    const address = `directory.test:${String(port)}`;
    plane = await Plane.start({ directories: [{ peer_id: DIRECTORY, address }] });
    const about = { peerId: DIRECTORY, name: "Directory", names: ["directory.test"] };
    const { files } = await plane.test.peer(about);
    const bundle = await loadBundle(files, plane.group);
    const members = { bundles: { directory: bundle }, group: plane.group };
    directory = await serveCalls(
      members as unknown as Members,
      (server) => ({
        announce: server.unary<AnnounceRequest, AnnounceResponse>((request) => {
          const bytes = request.announcement?.announcement ?? Buffer.of();
          const { kind, peerId } = Announcement.decode(bytes);
          if (kind?.$case === "inway" && peerId === PROVIDER) {
            announced.push(kind.value.services.map(({ name }) => name));
          }
          return { leaseMs: 30_000n };
        }),
      }),
      { port },
    );
  });
  after(async () => {
    await plane.close();
    await directory.server.stop();
    removeTemporaryFolders();
  });

  const tell = (...services: readonly (readonly [name: string, published: boolean])[]): void => {
    plane.provider.services = services.map(([name, published]) => plane.service(name, published));
    plane.provider.send({ services: { services: plane.provider.services } });
  };

  it("leaves out what is offered but not published, and follows each change", async () => {
    await until("the first is announced", () => announced.at(-1)?.join() === "echo");
    tell(["echo", true], ["hidden", false], ["open", true]);
    await until("the new one is announced", () => announced.at(-1)?.join() === "echo,open");
    tell(["echo", false], ["hidden", false], ["open", true]);
    await until("the withdrawn one is gone", () => announced.at(-1)?.join() === "open");
    expect(announced.flat()).not.to.include("hidden");
  });

  it("does not announce again for a change that does not show", async () => {
    const before = announced.length;
    plane.agree();
    await plane.settled();
    tell(["echo", false], ["hidden", false], ["open", true], ["more", false]);
    plane.agree();
    await plane.settled();
    expect(announced.length).to.equal(before);
  });
});
