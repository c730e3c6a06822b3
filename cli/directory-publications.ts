// The work of `schakel directory publications`: what peers publish with our directory, and what we decide of it.
import { shown } from "../contracts/shown-text.js";
import { pasteable, shortHash } from "./contract-text.js";
import {
  ask,
  askAll,
  connect,
  print,
  type DirectoryOptions,
  type Message,
} from "./directory-client.js";
import type { StateWord } from "./state-words.js";
import { table } from "./table.js";
import { shownMoment } from "./times.js";

/** What `publications list` is given. */
export interface PublicationsOptions extends DirectoryOptions {
  readonly waiting?: boolean;
  readonly state?: StateWord;
}

/** What a directory decides. */
export type PublicationVerb = "approve" | "reject" | "revoke";

const DONE: Readonly<Record<PublicationVerb, string>> = {
  approve: "Approved",
  reject: "Rejected",
  revoke: "Revoked",
};

const HEAD = ["PUBLICATION", "STATE", "WAITING", "PEER", "SERVICE", "FOR", "UNTIL"];

const stateOf = (publication: Message): string =>
  String(publication["state"]).replace("PUBLICATION_STATE_", "").toLowerCase();

const servicesOf = (publication: Message): readonly Message[] =>
  publication["services"] as Message[];

const nameOf = (service: Message): string => {
  const id = shown(String(service["peer_id"]));
  const name = String(service["peer_name"]);
  return name === "" ? id : `${shown(name)} (${id})`;
};

const rowsOf = (publication: Message): string[][] =>
  servicesOf(publication).map((service) => [
    shortHash(String(publication["contract_hash"])),
    stateOf(publication),
    publication["waiting"] === true ? "for us" : "",
    nameOf(service),
    shown(String(service["name"])),
    shown(String(service["delegator_peer_id"])),
    shownMoment(BigInt(String(publication["not_after_ms"]))),
  ]);

/** Lists publication contracts, newest first. */
export const list = async (options: PublicationsOptions): Promise<void> => {
  const { client, groupId } = await connect(options);
  const request = {
    group_id: groupId,
    waiting: options.waiting === true,
    state: `PUBLICATION_STATE_${options.state?.toUpperCase() ?? "UNSPECIFIED"}`,
  };
  try {
    const found = await askAll(client, client.listPublications, request, "publications");
    print(options.json, found, () => table(HEAD, found.flatMap(rowsOf)));
  } finally {
    client.close();
  }
};

/** Decides about one. The same decision again changes nothing. */
export const decide = async (
  verb: PublicationVerb,
  hash: string,
  options: DirectoryOptions,
): Promise<void> => {
  const { client, groupId } = await connect(options);
  const decision = `PUBLICATION_DECISION_${verb.toUpperCase()}`;
  const request = { group_id: groupId, contract_hash: hash, decision };
  try {
    const answer = await ask(client, client.decidePublication, request);
    const publication = answer["publication"] as Message;
    const done = answer["changed"] === true ? DONE[verb] : "Nothing has changed with";
    const services = servicesOf(publication).map(
      (service) => `  ${shown(String(service["name"]))} of ${nameOf(service)}\n`,
    );
    print(
      options.json,
      answer,
      () =>
        `${done} the publication ${pasteable(String(publication["contract_hash"]))}, which is ${stateOf(publication)} now:\n` +
        services.join(""),
    );
  } finally {
    client.close();
  }
};
