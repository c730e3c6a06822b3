// Listening: what cannot be listened on is said with the address and the reason.
import { createServer, type Server } from "node:net";
import { expect } from "chai";
import { formatAddress, type Address } from "../../core/address.js";
import { listen, ListenError } from "../../core/listen.js";

const LOOPBACK = { host: "127.0.0.1", port: 0 };

describe("core/listen", () => {
  const servers: Server[] = [];
  const made = (): Server => {
    const server = createServer();
    servers.push(server);
    return server;
  };
  afterEach(async () => {
    for (const server of servers.splice(0))
      if (server.listening) await new Promise((resolve) => void server.close(resolve));
  });

  const messageOf = async (address: Address): Promise<string> => {
    try {
      await listen(made(), address);
    } catch (error) {
      expect(error).to.be.instanceOf(ListenError);
      return (error as Error).message;
    }
    throw new Error("it listens");
  };

  it("refuses a port that is taken, naming it", async () => {
    const address = await listen(made(), LOOPBACK);
    expect(await messageOf(address)).to.equal(
      `cannot listen on ${formatAddress(address)}: the port is already taken by another process`,
    );
  });

  it("refuses an address that the machine does not have", async () => {
    expect(await messageOf({ host: "192.0.2.1", port: 0 })).to.equal(
      "cannot listen on 192.0.2.1:0: this machine does not have that address",
    );
  });

  it("refuses a name that does not resolve", async () => {
    expect(await messageOf({ host: "nowhere.invalid", port: 0 })).to.match(
      /^cannot listen on nowhere\.invalid:0: (the host name does not resolve|EAI_AGAIN)$/,
    );
  });

  for (const [code, hint] of [
    ["EADDRINUSE", /stop the process that has it/],
    ["EACCES", /ports below 1024 take a right: .*\n.*--inway-listen.*\n.*CAP_NET_BIND_SERVICE/],
    ["EADDRNOTAVAIL", /choose an address of this machine/],
    ["EOTHER", /choose another address or port/],
  ] as const) {
    it(`says what to do about ${code}`, () => {
      const cause = Object.assign(new Error(), { code });
      expect(new ListenError({ host: "0.0.0.0", port: 443 }, cause).hint).to.match(hint);
    });
  }

  it("gives the port that was taken for port 0", async () => {
    const { host, port } = await listen(made(), LOOPBACK);
    expect(host).to.equal("127.0.0.1");
    expect(port).to.be.within(1, 65535);
  });
});
