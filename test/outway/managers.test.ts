// The data plane with real managers: request, approve, call, revoke, all of it in this process over real sockets.
import { Agent, request } from "node:http";
import { join } from "node:path";
import { expect } from "chai";
import { systemClock } from "../../core/clock.js";
import { Lifecycle } from "../../core/lifecycle.js";
import { readSettings } from "../../core/settings.js";
import { loadBundle } from "../../certs/bundle.js";
import { loadGroup } from "../../certs/group.js";
import { startInway, type Started } from "../../inway/main.js";
import { INWAY_SETTINGS } from "../../inway/settings.js";
import { startOutway } from "../../outway/main.js";
import { OUTWAY_SETTINGS } from "../../outway/settings.js";
import { SignatureKind } from "../../proto/gen/schakel/manager/v1/administration.js";
import { call, type CallAnswer } from "../support/call.js";
import { accessRequest, Organisations, service, type Organisation } from "../support/managers.js";
import { freePort } from "../support/network.js";
import type { TestPeer } from "../support/pki.js";
import { recordedLog } from "../support/recorded-log.js";
import { RecordingSource } from "../support/source.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

const ANY = "127.0.0.1:0";

describe("outway, inway and managers", function () {
  this.timeout(120_000);
  let network: Organisations;
  let provider: Organisation;
  let consumer: Organisation;
  let source: RecordingSource;
  let inway: Started;
  let outway: Started;
  let outwayPeer: TestPeer;
  const lifecycles: Lifecycle[] = [];

  const running = () => {
    const { log } = recordedLog();
    const lifecycle = new Lifecycle(log);
    lifecycles.push(lifecycle);
    return { log, lifecycle, clock: systemClock };
  };
  const common = () => ({
    ...{ group: network.group.groupFile, data: join(temporaryFolder(), "data") },
    resolve:
      "inway.test=127.0.0.1,manager1.test=127.0.0.1,manager2.test=127.0.0.1,manager3.test=127.0.0.1",
    ...{ allowPrivateAddresses: true, allowAnyPort: true, allowVolatileLog: true },
    ...{ listen: ANY, healthListen: ANY, stopTimeout: "100ms" },
  });
  const identity = (of: Organisation, role: "inway" | "outway") =>
    of.pki.identity(role, role, { manager: of.manager.internalAddress });

  before(async () => {
    network = await Organisations.start(3);
    [provider, consumer] = [network.at(1), network.at(2)];
    source = await RecordingSource.start();
    const inwayPeer = await network.group.peer({
      ...{ peerId: provider.peerId, name: "Provider", names: ["inway.test"] },
    });
    outwayPeer = await network.group.peer({
      ...{ peerId: consumer.peerId, name: "Consumer", names: ["outway.test"] },
    });
    await provider.call("putService", { service: service({ sourceUrl: source.url }) });
    const port = await freePort();
    const settings = readSettings(
      "inway",
      INWAY_SETTINGS,
      {
        ...{ ...common(), ...inwayPeer.files, identity: await identity(provider, "inway") },
        ...{ address: `inway.test:${String(port)}`, listen: `127.0.0.1:${String(port)}` },
      },
      {},
    );
    inway = await startInway(settings, running());
    const flags = {
      ...common(),
      ...outwayPeer.files,
      identity: await identity(consumer, "outway"),
    };
    outway = await startOutway(readSettings("outway", OUTWAY_SETTINGS, flags, {}), running());
  });
  after(async () => {
    for (const lifecycle of lifecycles.reverse()) await lifecycle.stop();
    await source.stop();
    await network.remove();
    removeTemporaryFolders();
  });

  const ask = (headers: readonly (readonly [string, string])[] = []): Promise<CallAnswer> =>
    call(`http://127.0.0.1:${String(outway.address.port)}/${provider.peerId}/echo/x`, { headers });

  const agree = async (): Promise<string> => {
    const group = await loadGroup(network.group.groupFile);
    const { publicKeyThumbprint } = (await loadBundle(outwayPeer.files, group)).identity;
    const { contract } = await consumer.call(
      "requestAccess",
      accessRequest({ peerId: provider.peerId, publicKeyThumbprint }),
    );
    const hash = contract?.hash ?? "";
    await until("the request to arrive", async () =>
      provider.call("getContract", { hash }).catch(() => undefined),
    );
    await provider.call("signContract", { hash, kind: SignatureKind.SIGNATURE_KIND_ACCEPT });
    await until("a call to pass", async () => (await ask()).status === 200, 20_000);
    return hash;
  };

  it("lets a call pass once both have signed, and refuses the next within 5 s of a revocation", async () => {
    expect(inway.address.port).to.be.greaterThan(0);
    const hash = await agree();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const again = (): Promise<number> =>
      new Promise((resolve, reject) => {
        const path = `/${provider.peerId}/echo/y`;
        request({ host: "127.0.0.1", port: outway.address.port, path, agent }, (response) => {
          response.resume();
          response.on("end", () => resolve(response.statusCode ?? 0));
        })
          .on("error", reject)
          .end();
      });
    expect(await again()).to.equal(200);
    const revoked = performance.now();
    await provider.call("signContract", { hash, kind: SignatureKind.SIGNATURE_KIND_REVOKE });
    await until("it is refused", async () => (await again()) === 403, 5_000);
    expect(performance.now() - revoked).to.be.lessThan(5_000);
    agent.destroy();
  });

  it("refuses at the provider's inway while the consumer's manager is away", async () => {
    const hash = await agree();
    await consumer.stop();
    expect((await ask()).status).to.equal(200);
    await provider.call("signContract", { hash, kind: SignatureKind.SIGNATURE_KIND_REVOKE });
    const refused = await until(
      "it is refused",
      async () => {
        const answer = await ask();
        return answer.status === 403 && answer;
      },
      5_000,
    );
    expect(refused.json()).to.include({
      code: "ERROR_CODE_ACCESS_DENIED",
      domain: "ERROR_DOMAIN_INWAY",
    });
  });
});
