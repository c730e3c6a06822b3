// A debugging client of a directory. It loads the .proto file when it runs, as a stranger's program
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
import { table } from "./table.js";

/** What the command line gives. */
export interface QueryOptions {
  readonly group: string;
  readonly cert: string;
  readonly key: string;
  readonly directory?: string;
  readonly peer?: string;
  readonly service?: string;
  readonly name?: string;
  readonly resolve: string;
  readonly allowPrivateAddresses?: boolean;
  readonly allowAnyPort?: boolean;
  readonly json?: boolean;
}

const PROTO = fileURLToPath(
  new URL("../proto/schakel/directory/v1/directory.proto", import.meta.url),
);
const TIMEOUT_MS = 10_000;

type Message = Record<string, unknown>;
type Answered = (error: ServiceError | null, answer?: Message) => void;
type Unary = (request: Message, options: { deadline: number }, answered: Answered) => void;
type Streaming = (request: Message) => NodeJS.EventEmitter & { cancel(): void };

interface StrangersClient extends Client {
  listPeers: Unary;
  listServices: Unary;
  getService: Unary;
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

const connect = async (
  options: QueryOptions,
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

const ask = (client: StrangersClient, call: Unary, request: Message): Promise<Message> =>
  new Promise((resolve, reject) => {
    call.call(client, request, { deadline: Date.now() + TIMEOUT_MS }, (error, answer) => {
      if (error === null) resolve(answer ?? {});
      else
        reject(
          new CommandError(`the directory answered: ${error.details}`, undefined, { cause: error }),
        );
    });
  });

/** All pages of a list. */
const askAll = async (
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

const PEER_HEAD = ["PEER", "NAME", "INWAYS", "OUTWAYS", "SERVICES"];
const peerRow = (peer: Message): string[] =>
  ["id", "name", "inways", "outways", "services"].map((field) => String(peer[field]));

const SERVICE_HEAD = ["PEER", "NAME", "SERVICE", "INWAY", "HEALTH"];
const serviceRows = (listed: Message): string[][] => {
  const { name } = listed["service"] as Message;
  return (listed["inways"] as Message[]).map((inway) => [
    String(listed["peer_id"]),
    String(listed["peer_name"]),
    String(name),
    String(inway["address"]),
    String(inway["health"]).replace("HEALTH_", "").toLowerCase(),
  ]);
};

const print = (json: boolean | undefined, value: unknown, text: () => string): void => {
  process.stdout.write(json === true ? `${JSON.stringify(value, undefined, 2)}\n` : text());
};

const watch = (client: StrangersClient, groupId: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const stream = client.watchCatalogue({ group_id: groupId });
    const stop = (): void => stream.cancel();
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
    stream.on("data", (message: Message) => {
      const shown = JSON.stringify(message, (_, value: unknown) =>
        value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value,
      );
      process.stdout.write(`${shown}\n`);
    });
    stream.on("error", (error: ServiceError) => {
      if (error.details === "Cancelled on client") resolve();
      else reject(new CommandError(`the directory ended the stream: ${error.details}`));
    });
    stream.on("end", () => resolve());
  });

/**
 * Asks and prints.
 *
 * @param what peers, services, service or watch
 * @throws UsageError for anything else; CommandError with the directory's own words when it refuses
 */
export const query = async (what: string, options: QueryOptions): Promise<void> => {
  if (!["peers", "services", "service", "watch"].includes(what)) {
    throw new UsageError(`found "${what}", allowed is peers, services, service or watch`);
  }
  if (what === "service" && (options.peer === undefined || options.service === undefined)) {
    throw new UsageError("one service needs --peer and --service");
  }
  const { client, groupId } = await connect(options);
  const filter = {
    group_id: groupId,
    name_contains: options.name ?? "",
    peer_id: options.peer ?? "",
  };
  try {
    if (what === "peers") {
      const peers = await askAll(client, client.listPeers, filter, "peers");
      print(options.json, peers, () => table(PEER_HEAD, peers.map(peerRow)));
    } else if (what === "services") {
      const services = await askAll(client, client.listServices, filter, "services");
      print(options.json, services, () => table(SERVICE_HEAD, services.flatMap(serviceRows)));
    } else if (what === "service") {
      const answer = await ask(client, client.getService, {
        ...filter,
        service_name: options.service,
      });
      const service = answer["service"] as Message;
      print(options.json, service, () => table(SERVICE_HEAD, serviceRows(service)));
    } else {
      await watch(client, groupId);
    }
  } finally {
    client.close();
  }
};
