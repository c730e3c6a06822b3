// What a contract book refuses from other managers, with FSC's code and with nothing stored.
import { join } from "node:path";
import { expect } from "chai";
import type { Bundle } from "../../certs/bundle.js";
import type { ContractContent } from "../../contracts/content.js";
import type { Submission } from "../../contracts/contract.js";
import type { GrantData } from "../../contracts/grant.js";
import { contentHash } from "../../contracts/hash.js";
import { jwksOf, parseJwks, type Jwks } from "../../contracts/jwks.js";
import { signContract, type SignatureClaim } from "../../contracts/signature.js";
import { SchakelError, type ErrorCode } from "../../core/errors.js";
import type { CallingManager, SubmissionKind } from "../../fsc/manager-interface.js";
import { MovedClock } from "../support/moved-clock.js";
import {
  Certified,
  connection,
  contentFor,
  contentsOf,
  directClient,
  openOrganisations,
  type Organisation,
} from "../support/organisations.js";
import { makeList } from "../support/revocation.js";
import { removeTemporaryFolders } from "../support/temporary.js";

interface Sent {
  readonly kind: SubmissionKind;
  readonly submission: Submission;
  readonly from: CallingManager;
  readonly hashInUrl: string | undefined;
}

const refusalOf = async (work: Promise<unknown>): Promise<SchakelError> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof SchakelError) return error;
    throw error;
  }
  throw new Error("it was not refused");
};

const listing = (...bundles: readonly Bundle[]): Jwks =>
  parseJwks(Buffer.from(JSON.stringify(jwksOf(bundles.map(({ chain }) => chain)))));

describe("fsc/receive", () => {
  let certified: Certified;
  let foreign: Certified;
  let clock: MovedClock;
  let anna: Organisation;
  let ben: Organisation;
  let carl: Organisation;
  /** What Anna's manager lists when it is asked; undefined for its own. */
  let listed: (() => Promise<Jwks>) | undefined;
  let fetches = 0;
  let unwanted: string | undefined;

  before(async () => {
    certified = await Certified.create(3, 2);
    foreign = await Certified.create(1, 1, "elsewhere");
  });
  after(async () => {
    await certified.remove();
    await foreign.remove();
    removeTemporaryFolders();
  });

  beforeEach(async () => {
    clock = new MovedClock();
    listed = undefined;
    unwanted = undefined;
    fetches = 0;
    const all = await openOrganisations(certified, 3, clock);
    [anna, ben, carl] = all as [Organisation, Organisation, Organisation];
    await ben.close();
    const direct = directClient(all, ben);
    const client: typeof direct = {
      ...direct,
      certificates: (to) => {
        fetches += 1;
        return listed !== undefined && to.peerId === anna.peerId
          ? listed()
          : direct.certificates(to);
      },
    };
    await ben.open(clock, client, {
      offers: (name) => name === "parking",
      refusal: () => unwanted,
      limits: { pendingPerPeer: 2, fetchesPerPeer: 2 },
    });
  });
  afterEach(async () => {
    for (const each of [anna, ben, carl]) await each.close();
  });

  const content = (
    changes: Parameters<typeof contentFor>[3] = {},
    grants: readonly GrantData[] = [connection(anna.peerId, ben.peerId)],
  ): ContractContent => contentFor(certified.group, clock.now(), grants, changes);

  const sign = (
    of: ContractContent,
    { key, chain }: Bundle,
    changes: Partial<SignatureClaim> = {},
  ): Promise<string> => {
    const claim = {
      ...{ contractHash: contentHash(of), type: "accept" as const },
      ...{ signedAt: Math.floor(clock.now() / 1000), ...changes },
    };
    return signContract(claim, { key, certificate: chain[0]! });
  };

  /** A proposal that is right in everything but for the changes. */
  const proposal = async (
    of: ContractContent,
    changes: Partial<Sent> & { readonly signature?: string } = {},
  ): Promise<Sent> => {
    const signature = changes.signature ?? (await sign(of, anna.bundles.current));
    return {
      ...{ kind: "propose", from: anna.caller, hashInUrl: undefined },
      ...{ submission: { content: of, signature }, ...changes },
    };
  };
  const receive = ({ kind, submission, from, hashInUrl }: Sent): Promise<void> =>
    ben.book.receive(kind, submission, from, hashInUrl);

  /** A signature with another header, made with a key that the sender may choose. */
  const withHeader = async (of: ContractContent, header: object): Promise<string> => {
    const [first = "", payload = "", signature = ""] = (await sign(of, anna.bundles.current)).split(
      ".",
    );
    const now = JSON.parse(Buffer.from(first, "base64url").toString()) as object;
    const other = Buffer.from(JSON.stringify({ ...now, ...header })).toString("base64url");
    return `${other}.${payload}.${signature}`;
  };

  const publication = (): GrantData =>
    ({
      type: "GRANT_TYPE_SERVICE_PUBLICATION",
      directory: { peer_id: ben.peerId },
      service: { peer_id: anna.peerId, name: "parking", protocol: "PROTOCOL_TCP_HTTP_1.1" },
    }) as GrantData;

  const REFUSALS: readonly (readonly [string, ErrorCode, () => Promise<Sent>])[] = [
    [
      "a contract of others, from a peer that is not in it",
      "ERROR_CODE_SUBMITTING_PEER_NOT_PART_OF_CONTRACT",
      async () => proposal(content(), { from: carl.caller }),
    ],
    [
      "a contract that the receiver is not in",
      "ERROR_CODE_RECEIVING_PEER_NOT_PART_OF_CONTRACT",
      async () => proposal(content({}, [connection(anna.peerId, carl.peerId)])),
    ],
    [
      "a contract that claims to come from the receiver itself",
      "ERROR_CODE_PEER_ID_SIGNATURE_MISMATCH",
      async () => {
        const of = content();
        const signature = await sign(of, ben.bundles.current);
        return proposal(of, { signature, from: ben.caller });
      },
    ],
    [
      "a signature by another peer, whose certificate the sender's manager lists",
      "ERROR_CODE_PEER_ID_SIGNATURE_MISMATCH",
      async () => {
        const of = content();
        listed = () => Promise.resolve(listing(carl.bundles.current));
        return proposal(of, { signature: await sign(of, carl.bundles.current) });
      },
    ],
    [
      "a signature by another peer, whose certificate it does not list",
      "ERROR_CODE_SIGNATURE_VERIFICATION_FAILED",
      async () => {
        const of = content();
        return proposal(of, { signature: await sign(of, carl.bundles.current) });
      },
    ],
    [
      "a signature with a certificate of the right peer from another CA",
      "ERROR_CODE_PEER_CERTIFICATE_VERIFICATION_FAILED",
      async () => {
        const of = content();
        const bundle = foreign.bundles[0]![0]!;
        listed = () => Promise.resolve(listing(bundle));
        return proposal(of, { signature: await sign(of, bundle) });
      },
    ],
    [
      "a signature with a certificate that has expired",
      "ERROR_CODE_PEER_CERTIFICATE_VERIFICATION_FAILED",
      async () => {
        clock.advance(31 * 86_400_000);
        listed = () => Promise.resolve(listing(anna.bundles.current));
        return proposal(content());
      },
    ],
    [
      "a signature on another contract",
      "ERROR_CODE_SIGNATURE_CONTRACT_CONTENT_HASH_MISMATCH",
      async () => proposal(content(), { signature: await sign(content(), anna.bundles.current) }),
    ],
    [
      "a reject in the place of an accept",
      "ERROR_CODE_SIGNATURE_VERIFICATION_FAILED",
      async () => {
        const of = content();
        return proposal(of, {
          signature: await sign(of, anna.bundles.current, { type: "reject" }),
        });
      },
    ],
    [
      "an accept in the place of a revoke",
      "ERROR_CODE_SIGNATURE_VERIFICATION_FAILED",
      async () => {
        const of = content();
        return proposal(of, { kind: "revoke", hashInUrl: contentHash(of) });
      },
    ],
    ...(["none", "HS256", "HS512", "PS256", "EdDSA"] as const).map(
      (alg) =>
        [
          `a signature with the algorithm ${alg}`,
          "ERROR_CODE_UNKNOWN_ALGORITHM_SIGNATURE",
          async () => {
            const of = content();
            return proposal(of, { signature: await withHeader(of, { alg }) });
          },
        ] as const,
    ),
    [
      "a signature with another algorithm of its key than the one it was made with",
      "ERROR_CODE_SIGNATURE_VERIFICATION_FAILED",
      async () => {
        const of = content();
        return proposal(of, { signature: await withHeader(of, { alg: "RS256" }) });
      },
    ],
    [
      "a signature that names another certificate of the same peer",
      "ERROR_CODE_SIGNATURE_VERIFICATION_FAILED",
      async () => {
        const of = content();
        const other = certified.bundles[0]![1]!.identity.certificateThumbprint;
        return proposal(of, { signature: await withHeader(of, { "x5t#S256": other }) });
      },
    ],
    [
      "a signature of which one character was changed",
      "ERROR_CODE_SIGNATURE_VERIFICATION_FAILED",
      async () => {
        const of = content();
        const signature = await sign(of, anna.bundles.current);
        const at = signature.length - 100;
        const other = signature[at] === "A" ? "B" : "A";
        return proposal(of, {
          signature: signature.slice(0, at) + other + signature.slice(at + 1),
        });
      },
    ],
    [
      "a signature from two minutes ahead",
      "ERROR_CODE_SIGNATURE_VERIFICATION_FAILED",
      async () => {
        const of = content();
        const signedAt = Math.floor(clock.now() / 1000) + 120;
        return proposal(of, { signature: await sign(of, anna.bundles.current, { signedAt }) });
      },
    ],
    [
      "a signature whose certificate cannot be fetched",
      "ERROR_CODE_SIGNATURE_VERIFICATION_FAILED",
      async () => {
        listed = () => Promise.reject(new Error("connect ECONNREFUSED"));
        return proposal(content());
      },
    ],
    [
      "another contract's hash in the URL",
      "ERROR_CODE_URL_PATH_CONTENT_HASH_MISMATCH",
      async () => proposal(content(), { kind: "accept", hashInUrl: contentHash(content()) }),
    ],
    [
      "a new contract whose end has passed",
      "ERROR_CODE_CONTRACT_INVALID",
      async () => proposal(content({ seconds: -10 })),
    ],
    [
      "a new contract from the future",
      "ERROR_CODE_CONTRACT_INVALID",
      async () => proposal(content({ createdAt: Math.floor(clock.now() / 1000) + 120 })),
    ],
    [
      "a new contract without a grant",
      "ERROR_CODE_CONTRACT_INVALID",
      async () => proposal(content({}, [])),
    ],
    [
      "a publication grant beside a connection grant",
      "ERROR_CODE_GRANT_COMBINATION_NOT_ALLOWED",
      async () => proposal(content({}, [publication(), connection(anna.peerId, ben.peerId)])),
    ],
    [
      "a connection to a service that the receiver does not offer",
      "ERROR_CODE_CONTRACT_INVALID",
      async () => proposal(content({}, [connection(anna.peerId, ben.peerId, "other")])),
    ],
    [
      "a contract of another group",
      "ERROR_CODE_INCORRECT_GROUP_ID",
      async () => {
        const group = { ...certified.group, id: "other" };
        return proposal(contentFor(group, clock.now(), [connection(anna.peerId, ben.peerId)]));
      },
    ],
  ];

  for (const [what, code, made] of REFUSALS) {
    it(`refuses ${what}`, async () => {
      const sent = await made();
      const before = await contentsOf(ben.db);
      const refused = await refusalOf(receive(sent));
      expect(refused.code, refused.message).to.equal(code);
      expect(await contentsOf(ben.db)).to.deep.equal(before);
    });
  }

  it("refuses a signature with a certificate that was revoked, also one that is kept", async () => {
    const of = content();
    await receive(await proposal(of));
    const { issuer, dir } = certified.test;
    const { chain } = anna.bundles.current;
    const list = { dir: join(dir, "lists"), issuer, revoked: [chain[0]!.serialNumber] };
    const [, body = ""] = /-----\n([^-]+)-----/.exec(await makeList(list)) ?? [];
    const crl = { crl: Buffer.from(body, "base64"), issuerChain: chain.slice(1) };
    const group = { ...certified.group, revocationLists: [crl] };
    await ben.close();
    await ben.open(clock, directClient([anna, ben, carl], ben), { groups: { current: group } });
    const before = await contentsOf(ben.db);
    const signature = await sign(of, anna.bundles.current, { type: "revoke" });
    const sent = { kind: "revoke", hashInUrl: contentHash(of), signature } as const;
    const refused = await refusalOf(receive(await proposal(of, sent)));
    expect(refused.code).to.equal("ERROR_CODE_PEER_CERTIFICATE_VERIFICATION_FAILED");
    expect(await contentsOf(ben.db)).to.deep.equal(before);
  });

  it("refuses the same iv in another contract of the peer, also in capitals, and takes it from another peer", async () => {
    const first = content({ iv: "0190b2f4-8a6e-7c3d-9f10-aabbccddeeff" });
    await receive(await proposal(first));
    const before = await contentsOf(ben.db);
    const second = content({ iv: "0190B2F4-8A6E-7C3D-9F10-AABBCCDDEEFF", seconds: 7200 });
    const refused = await refusalOf(receive(await proposal(second)));
    expect(refused.code).to.equal("ERROR_CODE_CONTRACT_INVALID");
    expect(await contentsOf(ben.db)).to.deep.equal(before);
    const grants = [connection(carl.peerId, ben.peerId)];
    const third = content({ iv: "0190b2f4-8a6e-7c3d-9f10-aabbccddeeff" }, grants);
    const signature = await sign(third, carl.bundles.current);
    await receive(await proposal(third, { signature, from: carl.caller }));
    expect(await ben.book.get(contentHash(third))).not.to.equal(undefined);
  });

  it("refuses a signature that was made for another contract of the same two peers, also when both are known", async () => {
    const [one, two] = [content(), content()];
    await receive(await proposal(one));
    await receive(await proposal(two));
    const before = await contentsOf(ben.db);
    const signature = await sign(one, anna.bundles.current, { type: "revoke" });
    const replayed = { kind: "revoke", hashInUrl: contentHash(two), signature } as const;
    const refused = await refusalOf(receive(await proposal(two, replayed)));
    expect(refused.code).to.equal("ERROR_CODE_SIGNATURE_CONTRACT_CONTENT_HASH_MISMATCH");
    expect(await contentsOf(ben.db)).to.deep.equal(before);
  });

  it("refuses a peer's signature that another party sends", async () => {
    const of = content({}, [
      connection(anna.peerId, ben.peerId),
      connection(carl.peerId, ben.peerId),
    ]);
    await receive(await proposal(of));
    const before = await contentsOf(ben.db);
    const signature = await sign(of, anna.bundles.current, { type: "revoke" });
    const sent = { kind: "revoke", hashInUrl: contentHash(of), from: carl.caller } as const;
    const refused = await refusalOf(receive(await proposal(of, { ...sent, signature })));
    expect(refused.code).to.equal("ERROR_CODE_PEER_ID_SIGNATURE_MISMATCH");
    expect(await contentsOf(ben.db)).to.deep.equal(before);
  });

  it("does not accept what our peer takes no longer, and rejects it", async () => {
    const of = content();
    await receive(await proposal(of));
    unwanted = "it is wanted no longer";
    const refused = await refusalOf(ben.book.decide(contentHash(of), "accept"));
    expect([refused.code, refused.detail]).to.deep.equal(["ERROR_CODE_CONTRACT_INVALID", unwanted]);
    expect((await ben.book.get(contentHash(of)))?.signatures).to.have.length(1);
    expect((await ben.book.decide(contentHash(of), "reject")).changed).to.equal(true);
  });

  it("refuses more undecided contracts of a peer than its limit, and takes one again when one is decided", async () => {
    const [one, two, three] = [content(), content(), content()];
    await receive(await proposal(one));
    await receive(await proposal(two));
    const before = await contentsOf(ben.db);
    const refused = await refusalOf(receive(await proposal(three)));
    expect(refused.code).to.equal("ERROR_CODE_LIMIT_EXCEEDED");
    expect(refused.detail).to.contain("waiting for a decision");
    expect(await contentsOf(ben.db)).to.deep.equal(before);
    await ben.book.decide(contentHash(one), "reject");
    await receive(await proposal(three));
  });

  it("fetches a certificate once for all who want it at the same time, keeps it, and keeps no failure", async () => {
    const [one, two] = [content(), content()];
    const sent = await Promise.all([proposal(one), proposal(two), proposal(one)]);
    const soon = () => new Promise((resolve) => setImmediate(resolve));
    listed = () => soon().then(() => Promise.reject(new Error("connect ECONNREFUSED")));
    await Promise.all(sent.map((each) => refusalOf(receive(each))));
    expect(fetches).to.equal(1);
    listed = () => soon().then(() => listing(anna.bundles.current));
    await Promise.all(sent.map(receive));
    expect(fetches).to.equal(2);
    const signature = await sign(one, anna.bundles.current, { type: "revoke" });
    const revoke = { kind: "revoke", hashInUrl: contentHash(one), signature } as const;
    await receive(await proposal(one, revoke));
    expect(fetches).to.equal(2);
    expect((await ben.book.get(contentHash(one)))?.decision).to.equal("REVOKED");
  });

  it("fetches no more certificates of one peer at a time than its limit", async () => {
    let release = (): void => undefined;
    const waiting = new Promise<void>((resolve) => (release = resolve));
    listed = () => waiting.then(() => listing());
    const of = content();
    const named = (letter: string) =>
      withHeader(of, { "x5t#S256": letter.repeat(42) + "A" }).then((signature) =>
        proposal(of, { signature }),
      );
    const sent = await Promise.all(["A", "B", "C"].map(named));
    const all = sent.map((each) => refusalOf(receive(each)));
    const first = await Promise.race(all);
    expect(first.code).to.equal("ERROR_CODE_LIMIT_EXCEEDED");
    release();
    const codes = (await Promise.all(all)).map(({ code }) => code);
    expect(
      codes.filter((code) => code === "ERROR_CODE_SIGNATURE_VERIFICATION_FAILED"),
    ).to.have.lengthOf(2);
  });

  it("keeps a limited number of certificates of a peer", async () => {
    await ben.close();
    await ben.open(clock, directClient([anna, ben, carl], ben), {
      limits: { certificatesPerPeer: 1 },
    });
    const [one, two] = [content(), content()];
    await receive(await proposal(one));
    anna.bundles.replace(certified.bundles[0]![1]!);
    const before = await contentsOf(ben.db);
    const refused = await refusalOf(receive(await proposal(two)));
    expect(refused.code).to.equal("ERROR_CODE_LIMIT_EXCEEDED");
    expect(await contentsOf(ben.db)).to.deep.equal(before);
    // The newer signature takes the place of the older one, whose certificate then makes room.
    clock.advance(1000);
    await receive(await proposal(one));
    await receive(await proposal(two));
    const kept = await ben.db.selectFrom("fsc_certificate").select("thumbprint").execute();
    const { certificateThumbprint: thumbprint } = anna.bundles.current.identity;
    expect(kept).to.deep.equal([{ thumbprint }]);
  });

  it("takes late signatures on a known contract that is final or has ended, and the same ones twice", async () => {
    const of = content();
    await receive(await proposal(of));
    await ben.book.decide(contentHash(of), "revoke");
    const put = async (type: "accept" | "reject" | "revoke") => {
      const signature = await sign(of, anna.bundles.current, { type });
      return proposal(of, { kind: type, hashInUrl: contentHash(of), signature });
    };
    const reject = await put("reject");
    await receive(reject);
    clock.advance(3601_000);
    const late = await put("revoke");
    await receive(late);
    const before = await contentsOf(ben.db);
    for (const again of [reject, late, await proposal(of)]) await receive(again);
    expect((await ben.book.get(contentHash(of)))?.signatures).to.have.lengthOf(4);
    const { fsc_signature: _, ...others } = await contentsOf(ben.db);
    const { fsc_signature: __, ...othersBefore } = before;
    expect(others).to.deep.equal(othersBefore);
  });

  it("stores a contract from a signature that came before it, and one only when the same comes at once", async () => {
    const of = content();
    const put = await proposal(of, { kind: "accept", hashInUrl: contentHash(of) });
    await Promise.all([receive(put), receive(put), receive(await proposal(of))]);
    const { items } = await ben.book.list({
      ...{ cursor: undefined, limit: 10, sortOrder: "ascending" },
      ...{ grantType: undefined, grantHashes: [] },
    });
    expect(items.map(({ hash }) => hash)).to.deep.equal([contentHash(of)]);
    expect(items[0]?.signatures).to.have.lengthOf(1);
    expect((await ben.peers.get(anna.peerId))?.managerAddress).to.deep.equal(anna.address);
  });
});
