// What a manager refuses, through real processes: another organisation's manager that breaks the rules, and people
// and components of its own organisation that may not do what they ask.
import { expect } from "chai";
import { loadBundle, type Bundle, type BundleFiles } from "../../certs/bundle.js";
import { loadGroup, type Group } from "../../certs/group.js";
import { parseEnrolmentCode } from "../../certs/enrolment-code.js";
import { createKeyRequest } from "../../certs/key-request.js";
import { callManager } from "../../component/manager-call.js";
import { openManagerFirst } from "../../component/manager-channel.js";
import { submissionBody, type Submission } from "../../contracts/contract.js";
import type { Grant } from "../../contracts/grant.js";
import { contentHash } from "../../contracts/hash.js";
import { jwksOf } from "../../contracts/jwks.js";
import type { ErrorCode } from "../../core/errors.js";
import {
  ContractStateName,
  SignatureKind,
} from "../../proto/gen/schakel/manager/v1/administration.js";
import { EnrolmentServiceClient } from "../../proto/gen/schakel/manager/v1/enrolment.js";
import { Administrator } from "../support/administrator.js";
import { expectError, expectRefusal } from "../support/answered.js";
import { askManager, askToken, type ManagerRequest } from "../support/as-manager.js";
import type { CallAnswer } from "../support/call.js";
import { compact } from "../support/contract-signers.js";
import { connection, contentOf, publication, signed } from "../support/fsc-contracts.js";
import { answer, HostileManager } from "../support/hostile-manager.js";
import { componentKey } from "../support/internal-pki.js";
import { Network, PEERS } from "../support/network.js";
import { TestGroup } from "../support/pki.js";

const JSON_TYPE = { "Content-Type": "application/json" };
const UNKNOWN_HASH = `$1$1$${"A".repeat(86)}`;
const EVERY_CONTRACT = {
  ...{ state: ContractStateName.CONTRACT_STATE_NAME_UNSPECIFIED, peerId: "", serviceName: "" },
  ...{ grantType: "", waitingForUs: false, pageSize: 0, pageToken: "" },
};

type Changes = Readonly<Record<string, unknown>>;

/** The body of a submission with members of its content changed, which no code of ours would write. */
const bodyOf = ({ content, signature }: Submission, changes: Changes = {}): string =>
  JSON.stringify({ content: { ...content, ...changes }, signature });

describe("system/manager", function () {
  this.timeout(60_000);
  let network: Network;
  let group: Group;
  let other: TestGroup;
  const bundles: Partial<Record<"provider" | "consumer" | "stranger", Bundle>> = {};
  const bundle = (name: keyof typeof bundles): Bundle => bundles[name]!;

  before(async () => {
    network = await Network.start();
    other = await TestGroup.create({ groupId: "other" });
    group = await loadGroup(network.group.groupFile);
    for (const name of ["provider", "consumer", "stranger"] as const) {
      bundles[name] = await loadBundle(network.peers[name].files, group);
    }
  });
  after(async () => {
    await network.stop();
    await other.remove();
  });

  const home = (port = network.organisations.consumer.ports.fsc): Record<string, string> => ({
    "Fsc-Manager-Address": `https://manager.consumer.test:${String(port)}`,
  });
  const ask = (
    request: Omit<ManagerRequest, "port" | "files">,
    files: BundleFiles = network.peers.consumer.files,
  ): Promise<CallAnswer> =>
    askManager({ port: network.organisations.provider.ports.fsc, files, ...request });
  const submit = (body: string, headers = home()): Promise<CallAnswer> =>
    ask({ method: "POST", path: "/v1/contracts", headers: { ...JSON_TYPE, ...headers }, body });
  const accept = (body: string, hash: string): Promise<CallAnswer> => {
    const path = `/v1/contracts/${encodeURIComponent(hash)}/accept`;
    return ask({ method: "PUT", path, headers: { ...JSON_TYPE, ...home() }, body });
  };
  const refused = (answered: CallAnswer, code: ErrorCode): Record<string, unknown> => {
    const { status, headers } = answered;
    const given = { status, code: String(headers["fsc-error-code"]), body: answered.json() };
    return expectError(given, code, "manager");
  };
  const stored = async (): Promise<number> => {
    const provider = await network.administrator("provider");
    return (await provider.call("listContracts", EVERY_CONTRACT)).contracts.length;
  };

  const usual = (): readonly Grant[] => [
    connection({ outway: bundle("consumer"), service: bundle("provider") }),
  ];
  const proposal = async (grants = usual()): Promise<Submission> =>
    signed(contentOf(group, grants), bundle("consumer"));

  describe("of another organisation's manager", () => {
    let before = 0;
    beforeEach(async () => {
      before = await stored();
    });
    // Whatever is refused leaves nothing behind.
    afterEach(async () => expect(await stored()).to.equal(before));

    const now = Math.floor(Date.now() / 1000);
    const changed: readonly (readonly [string, Changes, ErrorCode])[] = [
      ["of another group", { group_id: "other" }, "ERROR_CODE_INCORRECT_GROUP_ID"],
      ["of FSC 3.0.0", { fsc_version: "3.0.0" }, "ERROR_CODE_UNKNOWN_FSC_VERSION"],
      ["of FSC 1, without a version", { fsc_version: undefined }, "ERROR_CODE_UNKNOWN_FSC_VERSION"],
      [
        "with another hash algorithm",
        { hash_algorithm: "HASH_ALGORITHM_MD5" },
        "ERROR_CODE_UNKNOWN_HASH_ALGORITHM_HASH",
      ],
      ["that ended", { validity: { not_before: 1, not_after: 2 } }, "ERROR_CODE_CONTRACT_INVALID"],
      ["of tomorrow", { created_at: now + 86_400 }, "ERROR_CODE_CONTRACT_INVALID"],
      ["without a grant", { grants: [] }, "ERROR_CODE_CONTRACT_INVALID"],
      ["with a number for its iv", { iv: 7 }, "ERROR_CODE_REQUEST_INVALID"],
      [
        "changed after it was signed",
        { validity: { not_before: now - 60, not_after: now + 9_000_000 } },
        "ERROR_CODE_SIGNATURE_CONTRACT_CONTENT_HASH_MISMATCH",
      ],
    ];
    for (const [what, changes, code] of changed) {
      it(`refuses a contract ${what}`, async () => {
        refused(await submit(bodyOf(await proposal(), changes)), code);
      });
    }

    it("names both versions when they differ", async () => {
      const answered = await submit(bodyOf(await proposal(), { fsc_version: "3.0.0" }));
      const body = refused(answered, "ERROR_CODE_UNKNOWN_FSC_VERSION");
      expect(body["message"]).to.contain("3.0.0").and.to.contain("2.0.0");
    });

    it("refuses a contract of others, one that is not for it, and one of two families", async () => {
      const of = async (...grants: readonly Grant[]): Promise<CallAnswer> =>
        submit(submissionBody(await proposal(grants)));
      const [consumer, provider] = [bundle("consumer"), bundle("provider")];
      refused(
        await of(connection({ outway: bundle("stranger"), service: provider })),
        "ERROR_CODE_SUBMITTING_PEER_NOT_PART_OF_CONTRACT",
      );
      refused(
        await of(connection({ outway: consumer, service: bundle("stranger") })),
        "ERROR_CODE_RECEIVING_PEER_NOT_PART_OF_CONTRACT",
      );
      const { peerId } = provider.identity;
      const published = { directory: bundle("consumer").identity.peerId, service: peerId };
      refused(
        await of(...usual(), publication({ ...published, name: "echo" })),
        "ERROR_CODE_GRANT_COMBINATION_NOT_ALLOWED",
      );
    });

    it("refuses a contract for a service that it does not offer", async () => {
      const of = { outway: bundle("consumer"), service: bundle("provider"), name: "nothing" };
      const answered = await submit(submissionBody(await proposal([connection(of)])));
      refused(answered, "ERROR_CODE_CONTRACT_INVALID");
    });

    it("refuses another contract under an iv that was used", async () => {
      const { content } = network.contract!;
      const { iv } = JSON.parse(Buffer.from(content).toString()) as { iv: string };
      const made = contentOf(group, usual());
      const again = await signed({ ...made, iv }, bundle("consumer"));
      // The consumer's own manager brought the first under it.
      refused(await submit(submissionBody(again)), "ERROR_CODE_CONTRACT_INVALID");
    });

    it("refuses a signature in another contract's place", async () => {
      const { content, signature } = await proposal();
      const answered = await accept(bodyOf({ content, signature }), UNKNOWN_HASH);
      refused(answered, "ERROR_CODE_URL_PATH_CONTENT_HASH_MISMATCH");
    });

    it("refuses a signature of another kind than its place", async () => {
      const content = contentOf(group, usual());
      const revoked = await signed(content, bundle("consumer"), "revoke");
      const answered = await accept(submissionBody(revoked), contentHash(content));
      refused(answered, "ERROR_CODE_SIGNATURE_VERIFICATION_FAILED");
    });

    for (const alg of ["none", "HS256", "HS512", "PS256", "EdDSA", "rs256"]) {
      it(`refuses a signature with the algorithm ${alg}`, async () => {
        const { content } = await proposal();
        const { certificateThumbprint } = bundle("consumer").identity;
        const header = { alg, "x5t#S256": certificateThumbprint };
        const payload = {
          ...{ contract_content_hash: contentHash(content), type: "accept", signed_at: now },
        };
        const signature = compact(header, payload, Buffer.alloc(256));
        const answered = await submit(bodyOf({ content, signature }));
        refused(answered, "ERROR_CODE_UNKNOWN_ALGORITHM_SIGNATURE");
      });
    }

    it("refuses a signature of which a bit was changed", async () => {
      const { content, signature } = await proposal();
      const at = signature.length - 20;
      const flipped = signature[at] === "A" ? "B" : "A";
      const broken = signature.slice(0, at) + flipped + signature.slice(at + 1);
      const answered = await submit(bodyOf({ content, signature: broken }));
      refused(answered, "ERROR_CODE_SIGNATURE_VERIFICATION_FAILED");
    });

    it("refuses what a manager sends that shows the receiver's own certificate", async () => {
      const own = await signed(contentOf(group, usual()), bundle("provider"));
      const { fsc } = network.organisations.provider.ports;
      const headers = { "Fsc-Manager-Address": `https://manager.provider.test:${String(fsc)}` };
      const request = {
        ...{ method: "POST" as const, path: "/v1/contracts", body: submissionBody(own) },
        headers: { ...JSON_TYPE, ...headers },
      };
      const answered = await ask(request, network.peers.provider.files);
      refused(answered, "ERROR_CODE_PEER_ID_SIGNATURE_MISMATCH");
    });

    it("refuses certificates that the signer's manager lists and that are another peer's or another CA's", async () => {
      const hostile = await HostileManager.start(bundle("consumer"), group);
      const { port } = hostile.endpoint(bundle("consumer").identity.peerId).address;
      try {
        const content = contentOf(group, usual());
        const listing = async (by: Bundle): Promise<CallAnswer> => {
          hostile.answering = answer(200, JSON.stringify(jwksOf([by.chain])));
          return submit(submissionBody(await signed(content, by)), home(port));
        };
        refused(await listing(bundle("stranger")), "ERROR_CODE_PEER_ID_SIGNATURE_MISMATCH");
        const { peerId, name } = PEERS.consumer;
        const foreign = await other.peer({ peerId, name, names: ["manager.consumer.test"] });
        const theirs = await loadBundle(foreign.files, await loadGroup(other.groupFile));
        refused(await listing(theirs), "ERROR_CODE_PEER_CERTIFICATE_VERIFICATION_FAILED");
        hostile.answering = answer(302, "", { Location: "https://manager.consumer.test/" });
        const expired = await submit(submissionBody(await signed(content, theirs)), home(port));
        refused(expired, "ERROR_CODE_SIGNATURE_VERIFICATION_FAILED");
      } finally {
        await hostile.close();
      }
    });

    it("refuses a body that is too large, and one that is no strict JSON", async () => {
      refused(await submit(" ".repeat(1_200_000)), "ERROR_CODE_BODY_TOO_LARGE");
      const twice = `{"content":1,"content":2,"signature":"a.b.c"}`;
      refused(await submit(twice), "ERROR_CODE_REQUEST_INVALID");
    });

    it("refuses the address of another peer's manager", async () => {
      const theirs = { "Fsc-Manager-Address": "https://manager.provider.test:8443" };
      const body = submissionBody(await proposal());
      refused(await submit(body, theirs), "ERROR_CODE_ADDRESS_NOT_ALLOWED");
    });

    for (const path of ["/", "/v2/peer", "/v1/peer/", "/v1/logs/"]) {
      it(`answers 404 at ${path}`, async () => {
        refused(await ask({ method: "GET", path }), "ERROR_CODE_PATH_NOT_FOUND");
      });
    }

    const tokens: readonly (readonly [
      string,
      () => Partial<Parameters<typeof askToken>[0]>,
      string,
    ])[] = [
      ["in another peer's name", () => ({ peerId: PEERS.stranger.peerId }), "invalid_client"],
      ["for no grant", () => ({ grantHash: "echo" }), "invalid_scope"],
      ["for an unknown grant", () => ({ grantHash: `$1$3$${"A".repeat(86)}` }), "invalid_scope"],
      [
        "for another peer's grant",
        () => ({ files: network.peers.stranger.files, peerId: PEERS.stranger.peerId }),
        "invalid_scope",
      ],
    ];
    for (const [what, changes, error] of tokens) {
      it(`gives no token ${what}`, async () => {
        const answered = await askToken({
          ...{ port: network.organisations.provider.ports.fsc, grantHash: network.grantHash() },
          ...{ files: network.peers.consumer.files, peerId: PEERS.consumer.peerId },
          ...changes(),
        });
        expect(answered.status).to.equal(400);
        expect(answered.json()).to.include({ error }).and.not.to.have.property("access_token");
      });
    }
  });

  describe("of its own organisation", () => {
    it("lets an inway and an outway approve nothing", async () => {
      const { pki, ports } = network.organisations.provider;
      for (const role of ["inway", "outway", "client"] as const) {
        const component = await Administrator.open(pki, ports.internal, { role, name: role });
        const kind = SignatureKind.SIGNATURE_KIND_ACCEPT;
        const act = component.call("signContract", { hash: network.contract!.hash, kind });
        await expectRefusal(act, "ERROR_CODE_ROLE_NOT_ALLOWED").finally(() => component.close());
      }
    });

    it("knows no contract by a hash that begins none, and takes back no decision", async () => {
      const consumer = await network.administrator("consumer");
      const sign = (hash: string, kind: SignatureKind): Promise<unknown> =>
        consumer.call("signContract", { hash, kind });
      const { SIGNATURE_KIND_REJECT: reject, SIGNATURE_KIND_UNSPECIFIED: none } = SignatureKind;
      await expectRefusal(sign(UNKNOWN_HASH, reject), "ERROR_CODE_CONTRACT_NOT_FOUND");
      const { hash } = network.contract!;
      await expectRefusal(sign(hash, reject), "ERROR_CODE_CONTRACT_DECIDED");
      await expectRefusal(sign(hash, none), "ERROR_CODE_REQUEST_INVALID");
    });

    it("proposes no contract that the other side would refuse", async () => {
      const consumer = await network.administrator("consumer");
      const content = Buffer.from(JSON.stringify({ ...contentOf(group, usual()), grants: [] }));
      const error = await expectRefusal(
        consumer.call("proposeContract", { content }),
        "ERROR_CODE_CONTRACT_INVALID",
      );
      expect(error.message).to.contain("grants");
    });

    it("publishes no service that it does not have", async () => {
      const provider = await network.administrator("provider");
      const request = { directoryPeerId: "", validitySeconds: 0n, delegatorPeerId: "" };
      await expectRefusal(
        provider.call("publishService", { name: "nothing", ...request }),
        "ERROR_CODE_SERVICE_NOT_FOUND",
      );
    });

    it("enrols nobody with a code that it did not make, or that was used", async () => {
      const { pki, ports } = network.organisations.provider;
      const client = await openManagerFirst(EnrolmentServiceClient, {
        address: { host: "127.0.0.1", port: ports.internal },
        anchor: pki.ca.root,
      });
      const certificateRequest = createKeyRequest(await componentKey("inway", "new"));
      const enrol = (secret: Buffer): Promise<unknown> =>
        callManager((...rest) => client.enrol({ secret, certificateRequest }, ...rest));
      try {
        await expectRefusal(enrol(Buffer.alloc(16, 7)), "ERROR_CODE_ENROLMENT_REFUSED");
        const provider = await network.administrator("provider");
        const asked = { role: "inway", name: "new", hostNames: [] };
        const { code } = await provider.call("createEnrolmentCode", asked);
        const { secret } = parseEnrolmentCode(code)!;
        await enrol(secret);
        await expectRefusal(enrol(secret), "ERROR_CODE_ENROLMENT_REFUSED");
      } finally {
        client.close();
      }
    });
  });
});
