// A client of a directory for commands. It loads the .proto file when it runs, as a stranger's program
// would, so it shows what is really on the wire and not what our own code makes of it.
import type { Client, GrpcObject, ServiceError } from "@grpc/grpc-js";
import { loadPackageDefinition } from "@grpc/grpc-js";
import { load } from "@grpc/proto-loader";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { loadBundle } from "../certs/bundle.js";
import { parseGroup } from "../certs/group.js";
import { checkPeer, clientSecureContext } from "../certs/tls.js";
import { openGrpcClient, type GrpcClientConstructor } from "../core/grpc-client.js";
import { hostTable } from "../core/settings.js";
import { CommandError, UsageError } from "./command.js";

/** How the command line says which directory is asked, and as whom. */
export interface DirectoryOptions {
  readonly group: string;
  readonly cert: string;
  readonly key: string;
  readonly directory?: string;
  readonly resolve: string;
  readonly allowPrivateAddresses?: boolean;
  readonly allowAnyPort?: boolean;
  readonly json?: boolean;
}

const PROTO = fileURLToPath(
  new URL("../proto/schakel/directory/v1/directory.proto", import.meta.url),
);
const TIMEOUT_MS = 10_000;

/** A message as the .proto file names its fields. */
export type Message = Record<string, unknown>;
type Answered = (error: ServiceError | null, answer?: Message) => void;
type Unary = (request: Message, options: { deadline: number }, answered: Answered) => void;
type Streaming = (request: Message) => NodeJS.EventEmitter & { cancel(): void };

/** The methods that commands call. */
export interface StrangersClient extends Client {
  listPeers: Unary;
  listServices: Unary;
  getService: Unary;
  listPublications: Unary;
  decidePublication: Unary;
  watchCatalogue: Streaming;
}

const loadClient = async (): Promise<GrpcClientConstructor<StrangersClient>> => {
  const definition = await load(PROTO, {
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
  });
  const loaded = loadPackageDefinition(definition);
  const at = (object: GrpcObject, name: string): GrpcObject => object[name] as GrpcObject;
  const service = at(at(at(loaded, "schakel"), "directory"), "v1")["DirectoryService"];
  return service as unknown as GrpcClientConstructor<StrangersClient>;
};

/**
 * Opens a client of the directory that the options name. Whoever opens it closes it.
 *
 * @throws UsageError for options that name none
 */
export const connect = async (
  options: DirectoryOptions,
): Promise<{ client: StrangersClient; groupId: string }> => {
  const group = parseGroup(await readFile(options.group, "utf8"));
  const bundle = await loadBundle({ cert: options.cert, key: options.key }, group);
  const hosts = hostTable({ text: "" }).parse(options.resolve);
  if (hosts === undefined)
    throw new UsageError(`--resolve: found "${options.resolve}", allowed is NAME=IP,…`);
  const wanted = options.directory;
  const directory = group.directories.find(
    ({ peerId }) => wanted === undefined || peerId === wanted,
  );
  if (directory === undefined) {
    throw new UsageError(
      `--directory: the group has no directory ${String(wanted)}`,
      `it has ${group.directories.map(({ peerId }) => peerId).join(", ")}`,
    );
  }
  const client = await openGrpcClient(await loadClient(), {
    address: directory.address,
    policy: {
      ports: options.allowAnyPort === true ? undefined : group.ports,
      privateAddresses: options.allowPrivateAddresses === true,
      hosts,
    },
    secureContext: clientSecureContext(bundle, group),
    checkServerIdentity: checkPeer(group, directory.peerId),
  });
  return { client, groupId: group.id };
};

/** Calls a method. Rejects with a CommandError that has the directory's own words. */
export const ask = (client: StrangersClient, call: Unary, request: Message): Promise<Message> =>
  new Promise((resolve, reject) => {
    call.call(client, request, { deadline: Date.now() + TIMEOUT_MS }, (error, answer) => {
      if (error === null) resolve(answer ?? {});
      else
        reject(
          new CommandError(`the directory answered: ${error.details}`, undefined, { cause: error }),
        );
    });
  });

/** All pages of a list, with the field that holds the items. Rejects as `ask` does. */
export const askAll = async (
  client: StrangersClient,
  call: Unary,
  request: Message,
  field: string,
): Promise<Message[]> => {
  const found: Message[] = [];
  let token = "";
  do {
    const page = await ask(client, call, { ...request, page_size: 1000, page_token: token });
    found.push(...(page[field] as Message[]));
    token = String(page["next_page_token"]);
  } while (token !== "");
  return found;
};

/** Prints a result as JSON or as text. */
export const print = (json: boolean | undefined, value: unknown, text: () => string): void => {
  process.stdout.write(json === true ? `${JSON.stringify(value, undefined, 2)}\n` : text());
};
