// Contracts as they are printed: what a person reads, and that nothing in it can trouble a terminal.
import { expect } from "chai";
import { contractDocument } from "../../cli/contract-document.js";
import { contractTable, contractText, outcomeText, pasteable } from "../../cli/contract-text.js";
import {
  ContractStateName,
  SignatureKind,
  type Contract,
} from "../../proto/gen/schakel/manager/v1/administration.js";

const OURS = "00000000000000000003";
const THEIRS = "00000000000000000002";
const THIRD = "00000000000000000004";
const HASH = `$1$1$${"a".repeat(85)}A`;
const GRANT_HASH = `$1$3$${"b".repeat(85)}A`;

const GRANT = {
  data: {
    type: "GRANT_TYPE_SERVICE_CONNECTION",
    outway: {
      peer_id: OURS,
      identification: { type: "OUTWAY_IDENTIFICATION_TYPE_DOMAIN_NAME", domain_name: "o.test" },
    },
    service: { type: "SERVICE_TYPE_SERVICE", peer_id: THEIRS, name: "echo" },
  },
};

const content = (grants: readonly object[]): Buffer =>
  Buffer.from(
    JSON.stringify({ validity: { not_before: 1_700_000_000, not_after: 1_800_000_000 }, grants }),
  );

const contract = (changes: Partial<Contract> = {}): Contract => ({
  hash: HASH,
  content: content([GRANT]),
  state: ContractStateName.CONTRACT_STATE_NAME_PROPOSED,
  grantHashes: [GRANT_HASH],
  signatures: [
    {
      peerId: OURS,
      peerName: "Utrecht",
      kind: SignatureKind.SIGNATURE_KIND_ACCEPT,
      signedAt: 1_700_000_000n,
      jws: "a.b.c",
    },
  ],
  missingPeerIds: [THEIRS],
  deliveries: [],
  summary: ["Utrecht may use the service."],
  ownPeerId: OURS,
  ...changes,
});

describe("cli/contract-text", () => {
  it("shows what it says first, then how it stands", () => {
    expect(contractText(contract())).to.equal(
      [
        "says        Utrecht may use the service.",
        "state       proposed",
        `hash        '${HASH}'`,
        `signed      accept by Utrecht (${OURS}), 2023-11-14T22:13:20Z`,
        `missing     ${THEIRS}`,
        `grant       '${GRANT_HASH}'`,
        "",
      ].join("\n"),
    );
  });

  it("shows what has not been delivered yet, and why", () => {
    const lastError =
      "ERROR_CODE_UNKNOWN_FSC_VERSION: the peer speaks 1.1.0, understood here is 2.0.0";
    const deliveries = [
      { peerId: THEIRS, attempts: 3, lastError, nextAttemptAtMs: 1_700_000_000_000n },
      { peerId: THIRD, attempts: 1, lastError: "", nextAttemptAtMs: 0n },
    ];
    const text = contractText(contract({ deliveries }));
    expect(text).to.contain(
      `delivery    not delivered to ${THEIRS} yet, 3 tries, next 2023-11-14T22:13:20Z: ${lastError}\n`,
    );
    expect(text).to.contain(`            not delivered to ${THIRD} yet, 1 try\n`);
  });

  const grants: readonly (readonly [string, object, string])[] = [
    ["a connection", GRANT.data, `${OURS} uses echo of ${THEIRS}`],
    [
      "a connection for another",
      {
        ...GRANT.data,
        type: "GRANT_TYPE_DELEGATED_SERVICE_CONNECTION",
        delegator: { peer_id: THIRD },
      },
      `${OURS} for ${THIRD} uses echo of ${THEIRS}`,
    ],
    [
      "a service that is offered for another",
      { ...GRANT.data, service: { ...GRANT.data.service, delegator: { peer_id: THIRD } } },
      `${OURS} uses echo of ${THEIRS} for ${THIRD}`,
    ],
    [
      "a publication",
      {
        type: "GRANT_TYPE_SERVICE_PUBLICATION",
        directory: { peer_id: THIRD },
        service: { peer_id: OURS, name: "echo", protocol: "PROTOCOL_TCP_HTTP_1.1" },
      },
      `${OURS} publishes echo in ${THIRD}`,
    ],
  ];
  for (const [what, data, words] of grants) {
    it(`lists ${what}`, () => {
      const text = contractTable([contract({ content: content([{ data }]) })]);
      expect(text).to.match(/^HASH +STATE +UNTIL +WHAT +WAITS FOR\n/);
      expect(text).to.contain(`'$1$1$${"a".repeat(16)}'  proposed  2027-01-15T08:00:00Z  ${words}`);
    });
  }

  it("says when a contract has more grants, and that it waits for us", () => {
    const missingPeerIds = [OURS, THIRD];
    const text = contractTable([contract({ content: content([GRANT, GRANT]), missingPeerIds })]);
    expect(text).to.match(new RegExp(`, and 1 more +us, ${THIRD}\n$`));
  });

  it("says when only a delivery is missing", () => {
    const delivery = { peerId: THEIRS, attempts: 1, lastError: "x", nextAttemptAtMs: 0n };
    const state = ContractStateName.CONTRACT_STATE_NAME_REVOKED;
    const text = contractTable([contract({ state, deliveries: [delivery] })]);
    expect(text).to.match(new RegExp(`revoked .* delivery to ${THEIRS}\n$`));
  });

  it("lets nobody else's text reach the terminal as it is", () => {
    const nasty = "\u001b[2J\u202eevil\nline";
    const hostile = contract({
      ...{ hash: nasty, summary: [nasty], missingPeerIds: [nasty], grantHashes: [nasty] },
      content: content([
        {
          data: { ...GRANT.data, service: { ...GRANT.data.service, name: nasty, peer_id: nasty } },
        },
      ]),
      signatures: contract().signatures.map((each) => ({
        ...each,
        peerName: nasty,
        peerId: nasty,
      })),
      deliveries: [{ peerId: nasty, attempts: 1, lastError: nasty, nextAttemptAtMs: 1n }],
    });
    const prints = [contractText(hostile), contractTable([hostile]), outcomeText("Did", hostile)];
    for (const text of prints) {
      expect(text).not.to.match(/[\u001b\u202e]|^line/m);
    }
    expect(contractText(hostile).split("\n")).to.have.length(
      contractText(contract()).split("\n").length + 1,
    );
  });

  it("quotes a hash for a shell", () => expect(pasteable(HASH)).to.equal(`'${HASH}'`));

  it("has words for states and decisions in JSON, and an unknown one is no crash", () => {
    expect(contractDocument(contract())).to.deep.include({
      ...{ hash: HASH, state: "proposed", own_peer_id: OURS, grant_hashes: [GRANT_HASH] },
      signatures: [
        {
          ...{ peer_id: OURS, peer_name: "Utrecht", kind: "accept", jws: "a.b.c" },
          signed_at: "2023-11-14T22:13:20Z",
        },
      ],
    });
    const later = contract({ state: ContractStateName.UNRECOGNIZED });
    expect(contractDocument(later)).to.deep.include({ state: "unknown" });
  });
});
