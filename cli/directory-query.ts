// `schakel directory query`: shows what a directory answers.
import type { ServiceError } from "@grpc/grpc-js";
import { shown } from "../contracts/shown-text.js";
import { CommandError, UsageError } from "./command.js";
import {
  ask,
  askAll,
  connect,
  print,
  type DirectoryOptions,
  type Message,
  type StrangersClient,
} from "./directory-client.js";
import { table } from "./table.js";

/** What the command line gives. */
export interface QueryOptions extends DirectoryOptions {
  readonly peer?: string;
  readonly service?: string;
  readonly name?: string;
}

const PEER_HEAD = ["PEER", "NAME", "INWAYS", "OUTWAYS", "SERVICES"];
const peerRow = (peer: Message): string[] =>
  ["id", "name", "inways", "outways", "services"].map((field) => shown(String(peer[field])));

const SERVICE_HEAD = ["PEER", "NAME", "SERVICE", "INWAY", "HEALTH"];
const serviceRows = (listed: Message): string[][] => {
  const { name } = listed["service"] as Message;
  return (listed["inways"] as Message[]).map((inway) => [
    String(listed["peer_id"]),
    shown(String(listed["peer_name"])),
    String(name),
    String(inway["address"]),
    String(inway["health"]).replace("HEALTH_", "").toLowerCase(),
  ]);
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
