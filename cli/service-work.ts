// The work of `schakel service`.
import { shown } from "../contracts/shown-text.js";
import { isConnection } from "../contracts/grant.js";
import {
  ServiceVisibility,
  type Contract,
  type Service,
} from "../proto/gen/schakel/manager/v1/administration.js";
import { administer, present, type Ask } from "./administration.js";
import { CommandError } from "./command.js";
import { contractsThat, sign } from "./contract-calls.js";
import { contractDocument, grantsOf, haveSigned, stateOf } from "./contract-document.js";
import { outcomeText, pasteable } from "./contract-text.js";
import { print } from "./print.js";
import type { CliSettings } from "./settings.js";
import { table } from "./table.js";
import { checkWait, type WaitOptions } from "./wait-options.js";
import { waitWhenAsked } from "./waiting.js";

/** What `service add` is given. */
export interface AddOptions {
  readonly url: string;
  readonly openapi?: string;
  readonly contact?: string;
  readonly inway?: readonly string[];
  readonly protocol: "HTTP/1.1" | "HTTP/2";
  readonly visibility: keyof typeof VISIBILITIES;
}

/** What `service publish` is given; the time is in seconds. */
export interface PublishOptions extends WaitOptions {
  readonly directory?: string;
  readonly valid?: number;
  readonly for?: string;
}

/** What `service withdraw` is given. */
export interface WithdrawOptions {
  readonly directory?: string;
}

const PROTOCOLS = {
  "HTTP/1.1": "PROTOCOL_TCP_HTTP_1.1",
  "HTTP/2": "PROTOCOL_TCP_HTTP_2",
} as const;

/** Who may see a service, in words. */
export const VISIBILITIES = {
  group: ServiceVisibility.SERVICE_VISIBILITY_GROUP,
  private: ServiceVisibility.SERVICE_VISIBILITY_PRIVATE,
} as const;

const visibilityOf = ({ visibility }: Service): string =>
  visibility === VISIBILITIES.private ? "private" : "group";

const document = (service: Service): object => ({
  name: service.name,
  source_url: service.sourceUrl,
  openapi_path: service.openapiPath,
  contact: service.contact,
  inways: service.inways,
  protocol: service.protocol,
  visibility: visibilityOf(service),
  published_in: service.publishedIn,
});

/** Makes a service or changes it. */
export const add = (settings: CliSettings, name: string, options: AddOptions): Promise<void> =>
  administer(settings, async (ask) => {
    const { service, changed } = await ask("putService", {
      service: {
        name,
        sourceUrl: options.url,
        openapiPath: options.openapi ?? "",
        contact: options.contact ?? "",
        inways: [...(options.inway ?? [])],
        protocol: PROTOCOLS[options.protocol],
        publishedIn: [],
        visibility: VISIBILITIES[options.visibility],
      },
    });
    const next =
      options.visibility === "private"
        ? "No directory may show it: tell those who shall use it."
        : `Show it in the directory: schakel service publish ${shown(name)}`;
    print(settings, { changed, service: document(present(service)) }, () =>
      changed
        ? `The service ${shown(name)} is there. ${next}\n`
        : `The service ${shown(name)} was so already: nothing has changed.\n`,
    );
  });

const HEAD = ["NAME", "SOURCE", "INWAYS", "VISIBILITY", "PUBLISHED IN", "CONTACT"];

/** Lists our services. */
export const list = (settings: CliSettings): Promise<void> =>
  administer(settings, async (ask) => {
    const { services } = await ask("listServices", {});
    const row = (each: Service): string[] => [
      each.name,
      each.sourceUrl,
      each.inways.length === 0 ? "all" : each.inways.join(","),
      visibilityOf(each),
      each.publishedIn.length === 0 ? "-" : each.publishedIn.join(","),
      each.contact,
    ];
    print(settings, services.map(document), () =>
      table(
        HEAD,
        services.map((each) => row(each).map((cell) => shown(cell, 200))),
      ),
    );
  });

/** Ends a service. */
export const remove = (settings: CliSettings, name: string): Promise<void> =>
  administer(settings, async (ask) => {
    await ask("removeService", { name });
    print(settings, { name, removed: true }, () => `The service ${shown(name)} is no more.\n`);
  });

/** Asks a directory to show a service, and waits for its signature when asked to. */
export const publish = async (
  settings: CliSettings,
  name: string,
  options: PublishOptions,
): Promise<void> => {
  checkWait(options);
  const { created, ...answer } = await administer(settings, (ask) =>
    ask("publishService", {
      name,
      directoryPeerId: options.directory ?? "",
      validitySeconds: BigInt(options.valid ?? 0),
      delegatorPeerId: options.for ?? "",
    }),
  );
  const contract = await waitWhenAsked(settings, present(answer.contract), options);
  print(settings, { created, contract: contractDocument(contract) }, () =>
    outcomeText(created ? "Proposed the contract" : "There is a contract already", contract),
  );
};

/** Whether a contract publishes a service of ours, in one directory or any. */
const publishes = (
  contract: Contract,
  name: string,
  directory: string | undefined,
  every: boolean,
): boolean => {
  const ours = grantsOf(contract).map(
    (grant) =>
      !isConnection(grant) &&
      grant.service.peer_id === contract.ownPeerId &&
      grant.service.name === name &&
      (directory === undefined || grant.directory.peer_id === directory),
  );
  return every ? ours.every(Boolean) : ours.some(Boolean);
};

const found = async (ask: Ask, name: string, directory?: string): Promise<Contract[]> => {
  const contracts = await contractsThat(ask, { service: name });
  const all = contracts.filter((each) => publishes(each, name, directory, false));
  const open = all.filter((each) => ["proposed", "valid"].includes(stateOf(each)));
  const shared = open.find((each) => !publishes(each, name, directory, true));
  if (shared !== undefined) {
    const hash = pasteable(shared.hash);
    throw new CommandError(
      `the contract ${hash} publishes more than this service`,
      `see it with 'schakel contract show ${hash}'; 'schakel contract sign ${hash} --revoke' ends all of it`,
    );
  }
  if (all.length === 0) {
    const { services } = await ask("listServices", {});
    const names = services.map((each) => each.name);
    if (!names.includes(name)) {
      throw new CommandError(
        `there is no service ${shown(name)}, and no contract that publishes one`,
        `known: ${names.join(", ")}`,
      );
    }
  }
  return open;
};

/** Ends the contracts by which directories show a service. */
export const withdraw = (
  settings: CliSettings,
  name: string,
  { directory }: WithdrawOptions,
): Promise<void> =>
  administer(settings, async (ask) => {
    const ended: Contract[] = [];
    for (const { hash, ...contract } of await found(ask, name, directory)) {
      const decision = haveSigned(contract, "accept") ? "revoke" : "reject";
      ended.push((await sign(ask, hash, decision)).contract);
    }
    print(settings, { name, withdrawn: ended.map(contractDocument) }, () =>
      ended.length === 0
        ? `No directory shows the service ${shown(name)}: nothing has changed.\n`
        : ended.map((contract) => outcomeText("Ended the contract", contract)).join(""),
    );
  });
