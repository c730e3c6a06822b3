// gRPC through both organisations: a client of grpc-js, an outway, an inway, and a server of grpc-js as source.
import { once } from "node:events";
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  status,
  type ClientReadableStream,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type ServiceDefinition,
  type ServiceError,
} from "@grpc/grpc-js";
import { expect } from "chai";
import { Plane, PROVIDER } from "../support/plane.js";
import { removeTemporaryFolders } from "../support/temporary.js";
import { until } from "../support/until.js";

const same = (bytes: Buffer): Buffer => bytes;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  ...{ path: `/test.Echo/${name}`, requestStream, responseStream },
  ...{ requestSerialize: same, requestDeserialize: same },
  ...{ responseSerialize: same, responseDeserialize: same },
});
const SERVICE = {
  one: method("one", false, false),
  down: method("down", false, true),
  up: method("up", true, false),
  both: method("both", true, true),
} satisfies ServiceDefinition;

const OPTIONS = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };

describe("outway and inway for gRPC", function () {
  this.timeout(60_000);
  let plane: Plane;
  let server: Server;
  let client: Client;
  let cancelled = 0;
  let contract: ReturnType<Plane["agree"]>;

  const serve = async (): Promise<number> => {
    server = new Server(OPTIONS);
    server.addService(SERVICE, {
      one: (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
        call.on("cancelled", () => (cancelled += 1));
        const text = call.request.subarray(0, 10).toString();
        if (text === "wait") return;
        const trailers = new Metadata();
        trailers.set("x-trailer", "1");
        if (text === "fail") done({ code: status.NOT_FOUND, details: "no é", metadata: trailers });
        else done(null, call.request, trailers);
      },
      down: (call: ServerWritableStream<Buffer, Buffer>) => {
        call.on("cancelled", () => (cancelled += 1));
        for (const piece of ["a", "b", "c"]) call.write(Buffer.from(piece));
        if (call.request.toString() !== "open") call.end();
      },
      up: (call: ServerReadableStream<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
        const pieces: Buffer[] = [];
        call.on("data", (piece: Buffer) => pieces.push(piece));
        call.on("end", () => done(null, Buffer.concat(pieces)));
      },
      both: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on("data", (piece: Buffer) => call.write(piece));
        call.on("end", () => call.end());
      },
    });
    return new Promise((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
  };

  before(async () => {
    plane = await Plane.start();
    const port = await serve();
    const offered = {
      ...plane.service("echo"),
      sourceUrl: `http://127.0.0.1:${port}`,
      protocol: "PROTOCOL_TCP_HTTP_2",
    };
    plane.provider.services = [offered];
    plane.provider.send({ services: { services: [offered] } });
    contract = plane.agree();
    await plane.settled();
    client = new Client(`127.0.0.1:${plane.outway.address.port}`, credentials.createInsecure(), {
      ...OPTIONS,
      "grpc.default_authority": `echo.${PROVIDER}.schakel.localhost`,
    });
    await until(
      "an answer",
      async () => {
        const got = await one(Buffer.from("x")).catch((error: unknown) => error as ServiceError);
        return Buffer.isBuffer(got);
      },
      20_000,
    );
  });
  after(async () => {
    client.close();
    server.forceShutdown();
    await plane.close();
    removeTemporaryFolders();
  });

  const one = (request: Buffer, deadlineMs = 20_000): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const deadline = Date.now() + deadlineMs;
      client.makeUnaryRequest<Buffer, Buffer>(
        ...(["/test.Echo/one", same, same, request, new Metadata(), { deadline }] as const),
        (error, value) => (error === null ? resolve(value ?? Buffer.alloc(0)) : reject(error)),
      );
    });
  const failure = (work: Promise<unknown>): Promise<ServiceError> =>
    work.then(
      () => expect.fail("it succeeded"),
      (error: unknown) => error as ServiceError,
    );

  it("passes a unary call, also of 5 MB", async () => {
    expect((await one(Buffer.from("hello"))).toString()).to.equal("hello");
    const large = Buffer.alloc(5_000_000, "large and ");
    expect((await one(large)).equals(large)).to.equal(true);
  });

  it("passes the status and the metadata of an error in trailers", async () => {
    const error = await failure(one(Buffer.from("fail")));
    expect(error.code).to.equal(status.NOT_FOUND);
    expect(error.details).to.equal("no é");
    expect(error.metadata.get("x-trailer")).to.deep.equal(["1"]);
  });

  it("passes the status of a method that the source does not know", async () => {
    const call = client.makeServerStreamRequest("/test.Echo/none", same, same, Buffer.from(""));
    const [error] = (await once(call, "error")) as [ServiceError];
    expect(error.code).to.equal(status.UNIMPLEMENTED);
  });

  const down = (request: string): ClientReadableStream<Buffer> =>
    client.makeServerStreamRequest("/test.Echo/down", same, same, Buffer.from(request));

  it("passes a stream of the server", async () => {
    const got: string[] = [];
    for await (const piece of down("all")) got.push(String(piece));
    expect(got).to.deep.equal(["a", "b", "c"]);
  });

  it("passes a stream of the client", async () => {
    const result = new Promise<Buffer | undefined>((resolve, reject) => {
      const call = client.makeClientStreamRequest<Buffer, Buffer>(
        ...(["/test.Echo/up", same, same] as const),
        (error, value) => (error === null ? resolve(value) : reject(error)),
      );
      for (const piece of ["a", "b", "c"]) call.write(Buffer.from(piece));
      call.end();
    });
    expect((await result)?.toString()).to.equal("abc");
  });

  it("passes streams both ways at the same time", async () => {
    const call = client.makeBidiStreamRequest<Buffer, Buffer>("/test.Echo/both", same, same);
    let got = "";
    call.on("data", (piece: Buffer) => (got += piece.toString()));
    for (const word of ["a", "b", "c"]) {
      call.write(Buffer.from(word));
      await until(`the echo of ${word}`, () => got.endsWith(word));
    }
    call.end();
    const [ended] = (await once(call, "status")) as [{ code: number }];
    expect(ended.code).to.equal(status.OK);
  });

  it("cancels at the source what the client cancels, and what is late", async () => {
    const before = cancelled;
    const call = down("open");
    call.on("error", () => undefined);
    await once(call, "data");
    call.cancel();
    await until("the cancelled stream", () => cancelled === before + 1);
    expect((await failure(one(Buffer.from("wait"), 300))).code).to.equal(status.DEADLINE_EXCEEDED);
    await until("the late call", () => cancelled === before + 2);
  });

  it("cuts a stream that runs when its contract is revoked, and answers no more", async () => {
    const call = down("open");
    const ended = new Promise<number>((resolve) => {
      call.on("error", (error) => resolve((error as ServiceError).code));
    });
    await once(call, "data");
    plane.decide(contract, "REVOKED");
    expect(await ended).to.equal(status.INTERNAL);
    const error = await failure(one(Buffer.from("x")));
    expect(error.code).to.not.equal(status.OK);
  });
});
