// gRPC servers and clients of a test group, on the directory's interface with answers that a test gives.
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Bundle } from "../../certs/bundle.js";
import type { Group } from "../../certs/group.js";
import type { PeerIdentity } from "../../certs/identity.js";
import { admit, checkPeer, clientSecureContext, serverTls } from "../../certs/tls.js";
import type { DialPolicy } from "../../core/dial.js";
import { openGrpcClient } from "../../core/grpc-client.js";
import { GrpcServer, type GrpcServing } from "../../core/grpc-server.js";
import type { PeerId } from "../../core/names.js";
import {
  DirectoryServiceClient,
  DirectoryServiceService,
  type DirectoryServiceServer,
  type ListPeersRequest,
  type ListPeersResponse,
} from "../../proto/gen/schakel/directory/v1/directory.js";
import { LOCAL, type Members } from "./members.js";
import { recordedLog } from "./recorded-log.js";

/** What answers the calls. A method that is left out answers UNIMPLEMENTED. */
export type Answers = (server: GrpcServer<PeerIdentity>) => Partial<DirectoryServiceServer>;

/** A server of the group's directory peer that runs. */
export interface Served {
  readonly server: GrpcServer<PeerIdentity>;
  readonly port: number;
  readonly lines: readonly string[];
}

/** Starts a server on a free port, or the one given, with answers of the test. */
export const serveCalls = async (
  members: Members,
  answers: Answers,
  changes: Partial<GrpcServing<PeerIdentity>> & { readonly port?: number } = {},
): Promise<Served> => {
  const { log, lines } = recordedLog();
  const server = new GrpcServer<PeerIdentity>({
    address: { host: "127.0.0.1", port: changes.port ?? 0 },
    tls: () => serverTls(members.bundles.directory, members.group, ["h2"]),
    admit: (socket) => admit(socket, members.group),
    connectionsMax: 100,
    messageBytesMax: 512 * 1024,
    stopMs: 200,
    domain: "directory",
    log,
    ...changes,
  });
  server.grpc.addService(DirectoryServiceService, answers(server) as DirectoryServiceServer);
  return { server, lines, port: (await server.listen()).port };
};

/** How a client differs from the usual. */
export interface ClientChanges {
  readonly host?: string;
  readonly expected?: PeerId;
  readonly policy?: DialPolicy;
  readonly group?: Group;
}

/** A client with a bundle, to the directory at a port of this machine. Whoever opens it closes it. */
export const clientOf = (
  members: Members,
  bundle: Bundle,
  port: number,
  changes: ClientChanges = {},
): Promise<DirectoryServiceClient> => {
  const { host = "directory.test", policy = LOCAL, group = members.group } = changes;
  const expected = changes.expected ?? members.bundles.directory.identity.peerId;
  return openGrpcClient(DirectoryServiceClient, {
    address: { host, port },
    policy,
    secureContext: clientSecureContext(bundle, group),
    checkServerIdentity: checkPeer(group, expected),
  });
};

/** A call's answer, or its error as a rejection. Gives up after 5 s. */
export const answerOf = <Res>(
  call: (
    metadata: Metadata,
    options: { readonly deadline: number },
    answered: (error: ServiceError | null, answer: Res) => void,
  ) => unknown,
): Promise<Res> =>
  new Promise((resolve, reject) => {
    call(new Metadata(), { deadline: Date.now() + 5_000 }, (error, answer) => {
      if (error === null) resolve(answer);
      else reject(error);
    });
  });

/** The error of a call that has to fail. */
export const errorOf = async (answer: Promise<unknown>): Promise<ServiceError> => {
  try {
    await answer;
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error("the call was answered");
};

const NO_FILTER = { groupId: "test", nameContains: "", pageSize: 0, pageToken: "" };

/** Calls ListPeers, which tests use to ask their own answers something. */
export const listPeers = (
  client: DirectoryServiceClient,
  changes: Partial<ListPeersRequest> = {},
): Promise<ListPeersResponse> =>
  answerOf((...rest) => client.listPeers({ ...NO_FILTER, ...changes }, ...rest));

/** The code of the error table in an error, and the JSON body. */
export const detailsOf = ({ metadata }: ServiceError): { code: unknown; body: unknown } => ({
  code: metadata.get("fsc-error-code")[0],
  body: JSON.parse(String(metadata.get("schakel-error-bin")[0] ?? "{}")) as unknown,
});
