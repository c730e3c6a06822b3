// Contracts as a person reads them on a terminal. Whatever other peers wrote is made fit for it.
import { isConnection, type GrantData } from "../contracts/grant.js";
import { shown } from "../contracts/shown-text.js";
import type {
  Contract,
  Delivery,
  Signature,
} from "../proto/gen/schakel/manager/v1/administration.js";
import { contentOf, decisionOf, grantsOf, stateOf } from "./contract-document.js";
import { table } from "./table.js";
import { shownMoment } from "./times.js";

const LINE_MAX = 2000;
const ERROR_MAX = 500;
const LABEL_WIDTH = 10;

/** So much of a hash is shown in a list: enough for every command that takes one. */
const SHORT_HASH = 21;

/** A hash as it can be pasted into a shell, which would replace the `$1` of a bare one. */
export const pasteable = (hash: string): string => `'${shown(hash)}'`;

/** The begin of a hash as it can be pasted. */
export const shortHash = (hash: string): string => pasteable(hash.slice(0, SHORT_HASH));

const fit = (text: string): string => shown(text, LINE_MAX);

const signatureLine = (each: Signature): string => {
  const who =
    each.peerName === "" ? fit(each.peerId) : `${fit(each.peerName)} (${fit(each.peerId)})`;
  return `${decisionOf(each)} by ${who}, ${shownMoment(each.signedAt * 1000n)}`;
};

const deliveryLine = ({ peerId, attempts, lastError, nextAttemptAtMs }: Delivery): string => {
  const next = nextAttemptAtMs === 0n ? "" : `, next ${shownMoment(nextAttemptAtMs)}`;
  const tries = `${String(attempts)} ${attempts === 1 ? "try" : "tries"}${next}`;
  const error = lastError === "" ? "" : `: ${shown(lastError, ERROR_MAX)}`;
  return `not delivered to ${fit(peerId)} yet, ${tries}${error}`;
};

const block = (label: string, lines: readonly string[]): string =>
  lines.map((line, at) => `${(at === 0 ? label : "").padEnd(LABEL_WIDTH)}  ${line}\n`).join("");

/** A contract with all that is known of it: what it says first, then who signed and what is under way. */
export const contractText = (contract: Contract): string =>
  [
    block("says", contract.summary.map(fit)),
    block("state", [stateOf(contract)]),
    block("hash", [pasteable(contract.hash)]),
    block("signed", contract.signatures.map(signatureLine)),
    block("missing", contract.missingPeerIds.map(fit)),
    block("delivery", contract.deliveries.map(deliveryLine)),
    block(
      contract.grantHashes.length === 1 ? "grant" : "grants",
      contract.grantHashes.map(pasteable),
    ),
  ].join("");

const grantWords = (grant: GrantData): string => {
  const { service } = grant;
  const provider =
    "delegator" in service
      ? `${fit(service.peer_id)} for ${fit(service.delegator.peer_id)}`
      : fit(service.peer_id);
  const by = "delegator" in grant ? ` for ${fit(grant.delegator.peer_id)}` : "";
  return isConnection(grant)
    ? `${fit(grant.outway.peer_id)}${by} uses ${fit(service.name)} of ${provider}`
    : `${provider}${by} publishes ${fit(service.name)} in ${fit(grant.directory.peer_id)}`;
};

const whatOf = (contract: Contract): string => {
  const [first, ...others] = grantsOf(contract);
  if (first === undefined) return "";
  return others.length === 0
    ? grantWords(first)
    : `${grantWords(first)}, and ${String(others.length)} more`;
};

const waitsFor = (contract: Contract): string =>
  stateOf(contract) === "proposed"
    ? contract.missingPeerIds.map((id) => (id === contract.ownPeerId ? "us" : fit(id))).join(", ")
    : contract.deliveries.length === 0
      ? ""
      : `delivery to ${contract.deliveries.map(({ peerId }) => fit(peerId)).join(", ")}`;

const CONTRACT_HEAD = ["HASH", "STATE", "UNTIL", "WHAT", "WAITS FOR"];

/** Contracts, one a line. */
export const contractTable = (contracts: readonly Contract[]): string =>
  table(
    CONTRACT_HEAD,
    contracts.map((contract) => [
      shortHash(contract.hash),
      stateOf(contract),
      shownMoment(BigInt(contentOf(contract).validity.not_after) * 1000n),
      whatOf(contract),
      waitsFor(contract),
    ]),
  );

/** What a contract says and how it stands, and where to look further: the answer to an act. */
export const outcomeText = (headline: string, contract: Contract): string =>
  `${headline}: ${pasteable(contract.hash)}\n${contract.summary.map((line) => `  ${fit(line)}\n`).join("")}`;
