// What a consumer believes of an announcement: only what its peer has signed, for this group, within the limits.
import { expect } from "chai";
import {
  AnnouncementError,
  verifyAnnouncement,
  type SignedAnnouncement,
} from "../../catalogue/announcement.js";
import { loadBundle } from "../../certs/bundle.js";
import { parseGroup } from "../../certs/group.js";
import { signBytes } from "../../certs/sign.js";
import type { ComponentName } from "../../core/names.js";
import * as wire from "../../proto/gen/schakel/directory/v1/directory.js";
import { announcement, inwayAt, Members, ROLES, service } from "../support/members.js";
import { readFile } from "node:fs/promises";

const PURPOSE = "schakel/announcement/v1";

describe("catalogue/announcement", () => {
  let members: Members;
  before(async () => {
    members = await Members.create();
  });
  after(() => members.remove());

  const verify = (signed: SignedAnnouncement, anyPort = false) =>
    verifyAnnouncement(signed, { group: members.group, now: Date.now(), anyPort });

  /** Signs a message that our own code would not make. */
  const signRaw = (changes: Partial<wire.Announcement>): SignedAnnouncement => {
    const usual = wire.Announcement.decode(members.sign().announcement);
    const bytes = Buffer.from(wire.Announcement.encode({ ...usual, ...changes }).finish());
    return signBytesOf(bytes);
  };

  const signBytesOf = (bytes: Buffer): SignedAnnouncement => ({
    ...members.sign(),
    announcement: bytes,
    signature: signBytes(members.bundles.provider, PURPOSE, bytes),
  });

  const inwayRaw = (changes: Partial<wire.Inway>): Partial<wire.Announcement> => ({
    kind: { $case: "inway", value: { address: "inway.test:443", services: [], ...changes } },
  });

  const serviceRaw = (changes: Partial<wire.Service>): Partial<wire.Announcement> => {
    const usual = { name: "echo", openapiPath: "", protocol: wire.Protocol.PROTOCOL_TCP_HTTP_1_1 };
    return inwayRaw({ services: [{ ...usual, ...changes }] });
  };

  it("gives what the peer said of its inway", () => {
    const inway = {
      address: { host: "inway.test", port: 8443 },
      services: [
        { ...service("b"), openapiPath: "/openapi.json" },
        { ...service("a"), protocol: "HTTP/2" as const },
      ],
    };
    const content = { ...announcement(), inway, version: "9.9.9-x y" };
    const found = verify(members.sign(content));
    expect(found).to.deep.include({
      key: `${ROLES.provider.peerId}/inway/inway-1`,
      groupId: "test",
      peerId: ROLES.provider.peerId,
      peerName: "Provider",
      kind: "inway",
      sequence: 1000,
      validUntil: content.validUntil,
      version: "9.9.9-x y",
      inway,
    });
    expect(Object.isFrozen(found)).to.equal(true);
  });

  it("gives an outway, which has no address", () => {
    const found = verify(members.sign({ inway: undefined }));
    expect(found.kind).to.equal("outway");
    expect(found.inway).to.equal(undefined);
  });

  it("takes a host in any case, and 250 services", () => {
    const services = Array.from({ length: 250 }, (_, index) => `s${String(index)}`);
    expect(
      verify(members.sign({ inway: inwayAt("inway.test", 443, ...services) })).inway?.services,
    ).to.have.length(250);
    expect(verify(signRaw(inwayRaw({ address: "INWAY.Test:443" }))).inway?.address.host).to.equal(
      "inway.test",
    );
  });

  it("takes any port where that is allowed", () => {
    const signed = members.sign({ inway: inwayAt("inway.test", 12345, "echo") });
    expect(verify(signed, true).inway?.address.port).to.equal(12345);
  });

  const refused: readonly {
    readonly what: string;
    readonly make: () => SignedAnnouncement;
    readonly says: RegExp;
    readonly code?: string;
  }[] = [
    {
      what: "a changed byte",
      make: () => {
        const signed = members.sign();
        const bytes = Buffer.from(signed.announcement);
        bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
        return { ...signed, announcement: bytes };
      },
      says: /signature is not by the key/,
    },
    {
      what: "a signature of another peer under this one's certificate",
      make: () => {
        const { announcement: bytes, ...rest } = members.sign();
        const signature = signBytes(members.bundles.other, PURPOSE, bytes);
        return { ...rest, announcement: bytes, signature };
      },
      says: /signature is not by the key/,
    },
    {
      what: "a signature that was made for another purpose",
      make: () => {
        const signed = members.sign();
        const signature = signBytes(
          members.bundles.provider,
          "schakel/other/v1",
          signed.announcement,
        );
        return { ...signed, signature };
      },
      says: /signature is not by the key/,
    },
    {
      what: "an empty signature",
      make: () => ({ ...members.sign(), signature: Buffer.alloc(0) }),
      says: /signature is not accepted/,
    },
    {
      what: "an announcement without certificate",
      make: () => ({ ...members.sign(), certificateChain: [] }),
      says: /0 certificates/,
    },
    {
      what: "six certificates",
      make: () => {
        const signed = members.sign();
        const [leaf = Buffer.alloc(0)] = signed.certificateChain;
        return { ...signed, certificateChain: Array.from({ length: 6 }, () => leaf) };
      },
      says: /6 certificates/,
    },
    {
      what: "something else in place of a certificate",
      make: () => ({ ...members.sign(), certificateChain: [Buffer.from("no certificate")] }),
      says: /cannot be read/,
    },
    {
      what: "bytes that are too many",
      make: () => signBytesOf(Buffer.alloc(256 * 1024 + 1)),
      says: /262145 bytes, allowed are 262144/,
    },
    {
      what: "signed bytes that are no message",
      make: () => signBytesOf(Buffer.from([0x0a, 0xff])),
      says: /no Announcement/,
    },
    {
      what: "another group's id",
      make: () => signRaw({ groupId: "other" }),
      says: /another group/,
      code: "ERROR_CODE_INCORRECT_GROUP_ID",
    },
    {
      what: "another peer's id",
      make: () => signRaw({ peerId: ROLES.other.peerId }),
      says: /peer_id is not 00000000000000000002/,
    },
    {
      what: "an empty component name",
      make: () => signRaw({ component: "" }),
      says: /component's name/,
    },
    {
      what: "a component name with a slash",
      make: () => members.sign({ component: "a/b" as ComponentName }),
      says: /component's name/,
    },
    {
      what: "a component name of dots",
      make: () => signRaw({ component: ".." }),
      says: /component's/,
    },
    { what: "the sequence number 0", make: () => signRaw({ sequence: 0n }), says: /sequence is 0/ },
    {
      what: "a sequence number that no clock reaches",
      make: () => signRaw({ sequence: 2n ** 53n }),
      says: /sequence is 9007199254740992/,
    },
    {
      what: "an announcement that was made an hour from now",
      make: () => members.sign({ ...announcement(Date.now() + 3_600_000) }),
      says: /in the future; the clocks/,
    },
    {
      what: "an announcement that has ended",
      make: () => members.sign({ validUntil: Date.now() - 1 }),
      says: /no longer valid/,
    },
    {
      what: "an announcement that is valid for too long",
      make: () => members.sign({ validUntil: Date.now() + 8 * 86_400_000 }),
      says: /allowed are 604800000/,
    },
    { what: "an empty version", make: () => members.sign({ version: "" }), says: /version/ },
    {
      what: "a version with a line break",
      make: () => members.sign({ version: "1\n2" }),
      says: /version/,
    },
    {
      what: "an announcement of no kind",
      make: () => signRaw({ kind: undefined }),
      says: /neither/,
    },
    {
      what: "251 services",
      make: () => {
        const services = Array.from({ length: 251 }, (_, index) => `s${String(index)}`);
        return members.sign({ inway: inwayAt("inway.test", 443, ...services) });
      },
      says: /251 services, allowed are 250/,
    },
    {
      what: "a service twice",
      make: () => members.sign({ inway: inwayAt("inway.test", 443, "echo", "echo") }),
      says: /twice/,
    },
    {
      what: "a service with a space in its name",
      make: () => signRaw(serviceRaw({ name: "a b" })),
      says: /name/,
    },
    { what: "a service named ..", make: () => signRaw(serviceRaw({ name: ".." })), says: /name/ },
    {
      what: "a protocol that is not stated",
      make: () => signRaw(serviceRaw({ protocol: wire.Protocol.PROTOCOL_UNSPECIFIED })),
      says: /protocol of echo is 0/,
    },
    {
      what: "a protocol of a later version",
      make: () => signRaw(serviceRaw({ protocol: 7 as unknown as wire.Protocol })),
      says: /protocol of echo is 7/,
    },
    {
      what: "a URL in place of the OpenAPI path",
      make: () => signRaw(serviceRaw({ openapiPath: "https://elsewhere.test/" })),
      says: /openapi_path of echo/,
    },
    ...[
      "",
      "inway.test",
      "inway.test:0",
      "inway.test:65536",
      "127.0.0.1:443",
      "[::1]:443",
      "a b:443",
    ].map((address) => ({
      what: `the address "${address}"`,
      make: () => signRaw(inwayRaw({ address })),
      says: /not HOST:PORT/,
      code: "ERROR_CODE_ADDRESS_NOT_ALLOWED",
    })),
    ...["other.test", "sub.inway.test", "inway.test.", "test", "inway.testx"].map((host) => ({
      what: `the host ${host}`,
      make: () => signRaw(inwayRaw({ address: `${host}:443` })),
      says: /none of the certificate's names|not HOST:PORT/,
      code: "ERROR_CODE_ADDRESS_NOT_ALLOWED",
    })),
    {
      what: "a port that is not the group's",
      make: () => members.sign({ inway: inwayAt("inway.test", 22, "echo") }),
      says: /port 22 is not one of 443, 8443/,
      code: "ERROR_CODE_ADDRESS_NOT_ALLOWED",
    },
  ];
  for (const { what, make, says, code = "ERROR_CODE_ANNOUNCEMENT_INVALID" } of refused) {
    it(`refuses ${what}`, () => {
      try {
        verify(make());
      } catch (error) {
        expect(error).to.be.instanceOf(AnnouncementError);
        expect((error as AnnouncementError).code).to.equal(code);
        expect((error as AnnouncementError).message).to.match(says);
        return;
      }
      throw new Error("it was accepted");
    });
  }

  it("refuses a host that only a wildcard of the certificate covers", async () => {
    const peer = await members.test.peer({ ...ROLES.provider, names: ["*.inway.test"] });
    const bundle = await loadBundle(peer.files, members.group);
    const signed = members.sign({ inway: inwayAt("a.inway.test", 443, "echo") }, bundle);
    expect(() => verify(signed)).to.throw(AnnouncementError, /none of the certificate's names/);
  });

  it("refuses a certificate that another group's CA has issued", async () => {
    const stranger = await Members.create({ groupId: "stranger" });
    try {
      const group = parseGroup(await readFile(stranger.test.groupFile, "utf8"));
      const signed = members.sign({}, stranger.bundles.provider, { ...group, id: "test" });
      expect(() => verify(signed)).to.throw(AnnouncementError, /signature is not accepted/);
    } finally {
      await stranger.remove();
    }
  });

  it("refuses a certificate that has expired since", () => {
    const signed = members.sign();
    const later = Date.now() + 31 * 86_400_000;
    expect(() =>
      verifyAnnouncement(signed, { group: members.group, now: later, anyPort: false }),
    ).to.throw(AnnouncementError, /signature is not accepted/);
  });
});
