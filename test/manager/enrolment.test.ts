// Enrolment over real connections: what a code gives, once; what is refused; and that a secret is told to
// nobody but the manager of the CA that the code names.
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { createServer as createTlsServer } from "node:tls";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { generateKeyPairSync } from "node:crypto";
import { dirname, join } from "node:path";
import { status, type ServiceError } from "@grpc/grpc-js";
import { expect } from "chai";
import {
  formatEnrolmentCode,
  parseEnrolmentCode,
  type EnrolmentCode,
} from "../../certs/enrolment-code.js";
import {
  InternalSource,
  loadInternalBundle,
  type InternalBundle,
} from "../../certs/internal-bundle.js";
import { keyHashOf } from "../../certs/internal-ca.js";
import { internalServerTls } from "../../certs/internal-tls.js";
import { createKeyRequest } from "../../certs/key-request.js";
import { loadBundle } from "../../certs/bundle.js";
import { loadGroup } from "../../certs/group.js";
import { serverTls } from "../../certs/tls.js";
import { enrol } from "../../component/enrolment.js";
import { ManagerError } from "../../component/manager-call.js";
import { openManagerFirst } from "../../component/manager-channel.js";
import { keepRenewed, renewCertificate } from "../../component/renewal.js";
import { Lifecycle } from "../../core/lifecycle.js";
import { enrolmentService, type Enrolment } from "../../manager/enrolment.js";
import {
  EnrolmentServiceClient,
  EnrolmentServiceService,
  type EnrolRequest,
} from "../../proto/gen/schakel/manager/v1/enrolment.js";
import { openEnrolment } from "../support/enrolling.js";
import { answerOf, detailsOf, errorOf } from "../support/grpc.js";
import { internalClient, serveInternal, type InternalServed } from "../support/internal-grpc.js";
import { componentKey, InternalPki } from "../support/internal-pki.js";
import { MovedClock } from "../support/moved-clock.js";
import { TestGroup } from "../support/pki.js";
import { recordedLog } from "../support/recorded-log.js";
import { removeTemporaryFolders, temporaryFolder } from "../support/temporary.js";
import { until } from "../support/until.js";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

const rejection = async (work: Promise<unknown>): Promise<Error> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("it was not refused");
};

const parsedCode = (text: string): EnrolmentCode => {
  const code = parseEnrolmentCode(text);
  if (code === undefined) throw new Error("no code");
  return code;
};

describe("manager/enrolment", function () {
  this.timeout(60_000);
  let pki: InternalPki;
  let other: InternalPki;
  let clock: MovedClock;
  let enrolment: Enrolment;
  let manager: InternalBundle;
  let served: InternalServed;
  let logged: readonly string[];
  let dataFolder = "";
  const ended: (() => Promise<void> | void)[] = [];

  before(async () => {
    pki = await InternalPki.create("Ours");
    other = await InternalPki.create("Theirs");
    manager = await pki.bundle("manager", "manager");
  });
  after(async () => {
    await Promise.all([pki.remove(), other.remove()]);
    removeTemporaryFolders();
  });
  beforeEach(async () => {
    clock = new MovedClock();
    dataFolder = temporaryFolder();
    const { log, lines } = recordedLog();
    logged = lines;
    const opened = await openEnrolment(dataFolder, { ca: pki.ca, clock, log });
    enrolment = opened.enrolment;
    served = await serveInternal(manager, (server) =>
      server.grpc.addService(EnrolmentServiceService, enrolmentService(server, enrolment)),
    );
    ended.push(
      () => opened.db.destroy(),
      () => served.server.stop(),
    );
  });
  afterEach(async () => {
    for (const end of ended.splice(0).reverse()) await end();
  });

  const codeFor = async (
    role: string,
    name: string,
    hostNames: readonly string[] = [],
  ): Promise<EnrolmentCode> =>
    parsedCode((await enrolment.createCode({ role, name, hostNames: [...hostNames] })).code);
  /** A client without a certificate that knows the CA already. */
  const stranger = async (): Promise<EnrolmentServiceClient> => {
    const { address } = served;
    const client = await openManagerFirst(EnrolmentServiceClient, { address, anchor: pki.ca.root });
    ended.push(() => client.close());
    return client;
  };
  const asked = async (request: EnrolRequest): Promise<ServiceError> => {
    const client = await stranger();
    return await errorOf(answerOf((...rest) => client.enrol(request, ...rest)));
  };
  const requestFor = async (): Promise<Buffer> => createKeyRequest(await componentKey("new", "x"));
  const newFolder = (): string => join(temporaryFolder(), "identity");

  it("gives a component that shows a code its certificate, with the role and name of the code", async () => {
    const dir = newFolder();
    const code = await codeFor("inway", "inway-2");
    const identity = await enrol({ code, manager: served.address, dir });
    expect(identity).to.include({ role: "inway", name: "inway-2" });
    const bundle = await loadInternalBundle(dir);
    expect(bundle.identity).to.deep.equal(identity);
    expect(bundle.manager).to.deep.equal(served.address);
    const life = bundle.chain[0]?.validToDate.getTime() ?? 0;
    expect(life - clock.now()).to.be.within(89 * DAY_MS, 91 * DAY_MS);
    expect(await readdir(dirname(dir))).to.deep.equal(["identity"]);
  });

  it("gives an outway the host names of its code, in lower case, and keeps them at renewal", async () => {
    const dir = newFolder();
    const code = await codeFor("outway", "named", ["Outway.internal.example", "o2.example"]);
    clock.advance(-80 * DAY_MS);
    const identity = await enrol({ code, manager: served.address, dir });
    const names = ["outway.internal.example", "o2.example"];
    expect(identity.hostNames).to.deep.equal(names);
    clock.advance(80 * DAY_MS);
    await renewCertificate(dir, await loadInternalBundle(dir));
    const after = await loadInternalBundle(dir);
    expect(after.identity.hostNames).to.deep.equal(names);
    expect(after.identity.certificateThumbprint).not.to.equal(identity.certificateThumbprint);
    expect(after.chain[0]?.subjectAltName).to.equal("DNS:outway.internal.example, DNS:o2.example");
  });

  it("stores no secret, and logs none", async () => {
    const code = await codeFor("outway", "outway-2");
    await enrol({ code, manager: served.address, dir: newFolder() });
    const files = await readdir(dataFolder);
    const stored = Buffer.concat(
      await Promise.all(files.map((file) => readFile(join(dataFolder, file)))),
    );
    expect(stored.includes(code.secret)).to.equal(false);
    const all = [...logged, ...served.lines].join("\n");
    expect(all).to.contain("enrolment code made");
    for (const form of ["base64url", "base64", "hex"] as const) {
      expect(all).not.to.contain(code.secret.toString(form));
    }
  });

  const refusedCodes: readonly {
    readonly what: string;
    readonly secret: () => Promise<Buffer>;
  }[] = [
    { what: "an unknown code", secret: () => Promise.resolve(Buffer.alloc(16, 7)) },
    { what: "a code of another length", secret: () => Promise.resolve(Buffer.alloc(0)) },
    {
      what: "a code that was used",
      secret: async () => {
        const code = await codeFor("inway", "used");
        await enrol({ code, manager: served.address, dir: newFolder() });
        return code.secret;
      },
    },
    {
      what: "a code that is an hour old",
      secret: async () => {
        const { secret } = await codeFor("inway", "old");
        clock.advance(HOUR_MS);
        return secret;
      },
    },
  ];
  for (const { what, secret } of refusedCodes) {
    it(`refuses ${what}, with the one answer for all`, async () => {
      const error = await asked({
        secret: await secret(),
        certificateRequest: await requestFor(),
      });
      expect(error.code).to.equal(status.PERMISSION_DENIED);
      expect(error.details).to.equal("the enrolment code is unknown, was used, or has expired");
      expect(detailsOf(error).code).to.equal("ERROR_CODE_ENROLMENT_REFUSED");
    });
  }

  it("takes a code until its hour has passed", async () => {
    const { secret } = await codeFor("inway", "late");
    clock.advance(HOUR_MS - 1);
    const certificateRequest = await requestFor();
    const client = await stranger();
    await answerOf((...rest) => client.enrol({ secret, certificateRequest }, ...rest));
  });

  it("gives one certificate when a code is used twice at once", async () => {
    const { secret } = await codeFor("inway", "twice");
    const certificateRequest = await requestFor();
    const client = await stranger();
    const answers = await Promise.allSettled(
      Array.from({ length: 8 }, () =>
        answerOf((...rest) => client.enrol({ secret, certificateRequest }, ...rest)),
      ),
    );
    expect(answers.filter((answer) => answer.status === "fulfilled")).to.have.length(1);
  });

  const tampered = async (): Promise<Buffer> => {
    const request = Buffer.from(await requestFor());
    request.writeUInt8(request.readUInt8(request.length - 1) ^ 1, request.length - 1);
    return request;
  };
  const refusedRequests: readonly (readonly [string, () => Promise<Buffer>, RegExp])[] = [
    ["no request", () => Promise.resolve(Buffer.alloc(0)), /certificate_request is refused/],
    ["bytes that are no request", () => Promise.resolve(Buffer.from("PEM")), /not DER/],
    ["a request that its key did not sign", tampered, /its signature is not by the key/],
    [
      "a request for a key that is too short",
      () => {
        const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
        return Promise.resolve(createKeyRequest(privateKey));
      },
      /an RSA key of 1024 bits/,
    ],
    ["a request that is too large", () => Promise.resolve(Buffer.alloc(65 * 1024)), /larger than/],
  ];
  for (const [what, request, says] of refusedRequests) {
    it(`refuses ${what}, and uses the code up for nothing`, async () => {
      const code = await codeFor("inway", "request");
      const error = await asked({ secret: code.secret, certificateRequest: await request() });
      expect(detailsOf(error).code).to.equal("ERROR_CODE_REQUEST_INVALID");
      expect(error.details).to.match(says);
      await enrol({ code, manager: served.address, dir: newFolder() });
    });
  }

  it("takes nothing but the key of a request", async () => {
    const { createRequest } = await import("../../certs/request.js");
    const key = await componentKey("new", "y");
    const pem = createRequest({ peerId: "manager", organisation: "manager" }, ["a.test"], key);
    const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ""), "base64");
    const { secret } = await codeFor("client", "modest");
    const client = await stranger();
    const answer = await answerOf<{ certificate: Buffer }>((...rest) =>
      client.enrol({ secret, certificateRequest: der }, ...rest),
    );
    const { X509Certificate } = await import("node:crypto");
    const certificate = new X509Certificate(answer.certificate);
    expect(certificate.subject).to.equal("OU=client\nCN=modest");
    expect(certificate.subjectAltName).to.equal(undefined);
  });

  it("lets 100 codes wait at once, and forgets those that have expired", async () => {
    for (let count = 0; count < 100; count++) await codeFor("inway", `i${String(count)}`);
    const error = await rejection(codeFor("inway", "i"));
    expect(error).to.include({ code: "ERROR_CODE_LIMIT_EXCEEDED" });
    clock.advance(HOUR_MS);
    await codeFor("inway", "i");
  });

  type Wish = readonly [what: string, role: string, name: string, hosts: string[], says: RegExp];
  const eleven = Array.from({ length: 11 }, (_, n) => `h${String(n)}.example`);
  const badHosts = ["", "*.example", "192.0.2.1", "a b", "a.example\n", "a.example."];
  const wrongWishes: readonly Wish[] = [
    ["the role manager", "manager", "x", [], /role is not one of inway, outway/],
    ["an unknown role", "Inway", "x", [], /role is not one of/],
    ["no name", "inway", "", [], /name is not 1 to 100/],
    ["a name with a slash", "inway", "a/b", [], /name is not 1 to 100/],
    ["eleven host names", "outway", "x", eleven, /more than 10 host names/],
    ...["inway", "cli", "client"].map((role): Wish => [
      `a host name of the role ${role}`,
      role,
      "x",
      ["a.nl"],
      /for the roles outw/,
    ]),
    ...badHosts.map((host): Wish => {
      const what = `the host name ${JSON.stringify(host)}`;
      return [what, "outway", "x", ["a.nl", host], /host_names is refused: .* is not a DNS host/];
    }),
  ];
  for (const [what, role, name, hosts, says] of wrongWishes) {
    it(`makes no code for ${what}`, async () => {
      const error = await rejection(codeFor(role, name, hosts));
      expect(error).to.include({ code: "ERROR_CODE_REQUEST_INVALID" });
      expect(error.message).to.match(says);
    });
  }

  describe("a component", () => {
    /** A TLS server in the manager's place, and all that it was told. */
    const impostor = async (options: object): Promise<{ port: number; told: () => Buffer }> => {
      const heard: Buffer[] = [];
      const server = createTlsServer(options, (socket) => {
        socket.on("error", () => undefined);
        socket.on("data", (chunk: Buffer) => heard.push(chunk));
      });
      server.on("tlsClientError", () => undefined);
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      ended.push(() => void server.close());
      const { port } = server.address() as AddressInfo;
      return { port, told: () => Buffer.concat(heard) };
    };
    const inTheMiddle: readonly {
      readonly what: string;
      readonly options: () => Promise<object>;
      readonly says: RegExp;
    }[] = [
      {
        what: "another organisation's manager",
        options: async () => internalServerTls(await other.bundle("manager", "manager"), ["h2"]),
        says: /it does not show the internal CA's root/,
      },
      {
        what: "an inway of the own organisation",
        options: async () => internalServerTls(await pki.bundle("inway", "inway-1"), ["h2"]),
        says: /not for the purpose of server authentication/,
      },
      {
        what: "an outway of the own organisation",
        options: async () => internalServerTls(await pki.bundle("outway", "outway-1"), ["h2"]),
        says: /has the role outway, expected is manager/,
      },
      {
        what: "a server of a group",
        options: async () => {
          const group = await TestGroup.create();
          ended.push(() => group.remove());
          const about = { peerId: "00000000000000000002", name: "P", names: ["p.test"] };
          const loaded = await loadGroup(group.groupFile);
          return serverTls(await loadBundle((await group.peer(about)).files, loaded), loaded, [
            "h2",
          ]);
        },
        says: /it does not show the internal CA's root/,
      },
      {
        what: "another's manager that shows the root of the code below its own chain",
        options: async () => {
          const theirs = await other.bundle("manager", "manager");
          const cert = theirs.chainPem + pki.ca.root.toString();
          return { ...internalServerTls(theirs, ["h2"]), cert };
        },
        says: /does not show the internal CA's root|was not issued by|stops at/,
      },
      {
        what: "a manager whose certificate has expired",
        options: async () => {
          const old = { now: Date.now() - 120_000, lifeMs: 60_000 };
          return internalServerTls(await pki.bundle("manager", "manager", old), ["h2"]);
        },
        says: /expired since/,
      },
    ];
    for (const { what, options, says } of inTheMiddle) {
      it(`tells its secret to no server that is ${what}`, async () => {
        const { port, told } = await impostor(await options());
        const code = await codeFor("inway", "inway-3");
        const dir = newFolder();
        const error = await rejection(enrol({ code, manager: { host: "127.0.0.1", port }, dir }));
        expect(error.message).to.match(says);
        expect(told().length).to.equal(0);
        expect(existsSync(dir)).to.equal(false);
        expect(await readdir(dirname(dir))).to.deep.equal([]);
        await enrol({ code, manager: served.address, dir });
      });
    }

    it("takes the code of another CA to no manager of ours", async () => {
      const code = { ...(await codeFor("inway", "x")), caKeyHash: keyHashOf(other.ca.root) };
      const dir = newFolder();
      const error = await rejection(enrol({ code, manager: served.address, dir }));
      expect(error.message).to.contain("what answers is not the manager");
      expect(served.lines.join("")).not.to.contain("a call failed");
    });

    it("overwrites no identity, and uses no code up for it", async () => {
      const dir = await pki.identity("inway", "there");
      const code = await codeFor("inway", "inway-4");
      const error = await rejection(enrol({ code, manager: served.address, dir }));
      expect(error.message).to.contain("an identity is never overwritten");
      expect((await loadInternalBundle(dir)).identity.name).to.equal("there");
      await enrol({ code, manager: served.address, dir: newFolder() });
    });

    it("says the manager's code and hint when it is refused, and leaves nothing", async () => {
      const code = { ...(await codeFor("inway", "x")), secret: Buffer.alloc(16) };
      const dir = newFolder();
      const error = await rejection(enrol({ code, manager: served.address, dir }));
      expect(error).to.be.instanceOf(ManagerError);
      expect(error).to.include({ code: "ERROR_CODE_ENROLMENT_REFUSED" });
      expect(error).to.have.property("hint").that.contains("schakel enrol --create");
      expect(await readdir(dirname(dir))).to.deep.equal([]);
    });
  });

  describe("the text of a code", () => {
    it("is read as it was written, with white space around it", async () => {
      const code = await codeFor("inway", "text");
      expect(parseEnrolmentCode(`\n ${formatEnrolmentCode(code)} \r\n`)).to.deep.equal(code);
      expect(code.secret).to.have.length(16);
      expect(code.caKeyHash.equals(keyHashOf(pki.ca.root))).to.equal(true);
    });

    const texts = [
      "",
      "schakel-enrol-1-",
      "schakel-enrol-2-" + "A".repeat(64),
      "schakel-enrol-1-" + "A".repeat(63),
      "schakel-enrol-1-" + "A".repeat(65),
      "schakel-enrol-1-" + "A".repeat(63) + "+",
      "x".repeat(10_000),
    ];
    for (const text of texts) {
      it(`is not ${JSON.stringify(text.slice(0, 90))}`, () => {
        expect(parseEnrolmentCode(text)).to.equal(undefined);
      });
    }
  });

  describe("renewal", () => {
    /** A folder whose certificate has passed two thirds of its life: it began five minutes ago and has two left. */
    const identityOf = (role: "inway" | "outway" | "cli", name: string): Promise<string> =>
      pki.identity(role, name, { manager: served.address, lifeMs: 120_000 });
    const refusalOf = async (bundle: InternalBundle): Promise<ServiceError> => {
      const client = await internalClient(EnrolmentServiceClient, bundle, served.address);
      ended.push(() => client.close());
      const certificateRequest = createKeyRequest(bundle.key);
      return await errorOf(answerOf((...rest) => client.renew({ certificateRequest }, ...rest)));
    };

    for (const role of ["inway", "outway", "cli"] as const) {
      it(`gives a component with the role ${role} its next certificate from two thirds of its life on`, async () => {
        const dir = await identityOf(role, "renewing");
        const before = await loadInternalBundle(dir);
        await renewCertificate(dir, before);
        const after = await loadInternalBundle(dir);
        expect(after.identity).to.include({ role, name: "renewing" });
        expect(after.identity.renewableFrom).to.be.above(before.identity.renewableFrom);
        expect(after.keyPem).to.equal(before.keyPem);
      });
    }

    it("is refused before two thirds of its life", async () => {
      const bundle = await pki.bundle("inway", "early");
      clock.advance(bundle.identity.renewableFrom - clock.now() - 1000);
      const error = await refusalOf(bundle);
      expect(detailsOf(error).code).to.equal("ERROR_CODE_REQUEST_INVALID");
      expect(error.details).to.contain("from two thirds of its life on");
    });

    for (const role of ["web", "client", "manager"] as const) {
      it(`is refused to the role ${role}`, async () => {
        clock.advance(80 * DAY_MS);
        const error = await refusalOf(await pki.bundle(role, "other"));
        expect(detailsOf(error).code).to.equal("ERROR_CODE_ROLE_NOT_ALLOWED");
      });
    }

    it("is refused without a certificate", async () => {
      const client = await stranger();
      const certificateRequest = await requestFor();
      const error = await errorOf(
        answerOf((...rest) => client.renew({ certificateRequest }, ...rest)),
      );
      expect(detailsOf(error).code).to.equal("ERROR_CODE_ROLE_NOT_ALLOWED");
    });

    it("happens by itself, and the source follows", async () => {
      const dir = await identityOf("outway", "by-itself");
      const { log } = recordedLog();
      const lifecycle = new Lifecycle(log);
      const source = await InternalSource.open(dir, log);
      ended.push(
        () => source.close(),
        () => lifecycle.stop(),
      );
      const { certificateThumbprint } = source.current.identity;
      keepRenewed({ source, clock, log }, lifecycle);
      const renewed = await until("the next identity", () => {
        const { identity } = source.current;
        return identity.certificateThumbprint !== certificateThumbprint && identity;
      });
      expect(renewed).to.include({ role: "outway", name: "by-itself" });
      expect(renewed.renewableFrom).to.be.above(clock.now() + 50 * DAY_MS);
    });

    it("leaves the certificate as it is while the manager is away", async () => {
      const dir = await identityOf("inway", "alone");
      const before = await loadInternalBundle(dir);
      await served.server.stop();
      const error = await rejection(renewCertificate(dir, before));
      expect(error).to.include({ status: status.UNAVAILABLE });
      expect((await loadInternalBundle(dir)).identity).to.deep.equal(before.identity);
    });
  });
});
