// A channel to one directory of the group, and its calls as promises.
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Bundle } from "../certs/bundle.js";
import type { Group } from "../certs/group.js";
import { checkPeer, clientSecureContext } from "../certs/tls.js";
import type { DialPolicy } from "../core/dial.js";
import { openGrpcClient } from "../core/grpc-client.js";
import {
  DirectoryServiceClient,
  type AnnounceResponse,
  type SignedAnnouncement,
  type WithdrawRequest,
} from "../proto/gen/schakel/directory/v1/directory.js";

const ANNOUNCE_TIMEOUT_MS = 10_000;
const WITHDRAW_TIMEOUT_MS = 2_000;

/** One of the directories that the group names. */
export type DirectoryEndpoint = Group["directories"][number];

/** What a channel is opened with. */
export interface DirectoryDialling {
  readonly directory: DirectoryEndpoint;
  readonly group: Group;
  readonly bundle: Bundle;
  readonly policy: DialPolicy;
}

/**
 * Opens a channel; the certificate that answers must be the directory peer's. The caller closes it.
 *
 * @throws DialRefused or the resolver's error; a failed handshake shows at the first call
 */
export const openDirectory = ({
  directory,
  group,
  bundle,
  policy,
}: DirectoryDialling): Promise<DirectoryServiceClient> =>
  openGrpcClient(DirectoryServiceClient, {
    address: directory.address,
    // The group's own file names the directory's port.
    policy: { ...policy, ports: undefined },
    secureContext: clientSecureContext(bundle, group),
    checkServerIdentity: checkPeer(group, directory.peerId),
  });

/** An error answer of a directory. */
export class DirectoryError extends Error {
  /** The code of the error table, when the directory gave one. */
  readonly code: string | undefined;
  /** What it says could have been used instead. */
  readonly choices: readonly string[];

  constructor(cause: ServiceError) {
    super(cause.details === "" ? cause.message : cause.details, { cause });
    this.name = "DirectoryError";
    const code = cause.metadata.get("fsc-error-code")[0];
    this.code = typeof code === "string" ? code : undefined;
    this.choices = choicesIn(cause.metadata);
  }
}

const choicesIn = (metadata: Metadata): readonly string[] => {
  try {
    const body: unknown = JSON.parse(String(metadata.get("schakel-error-bin")[0] ?? "{}"));
    const choices = typeof body === "object" && body !== null && "choices" in body && body.choices;
    return Array.isArray(choices) ? choices.filter((choice) => typeof choice === "string") : [];
  } catch {
    return [];
  }
};

type Answered<Res> = (error: ServiceError | null, response: Res) => void;

const asPromise = <Res>(
  start: (answered: Answered<Res>) => { cancel(): void },
  signal?: AbortSignal,
): Promise<Res> =>
  new Promise((resolve, reject) => {
    const cancel = (): void => call.cancel();
    const call = start((error, response) => {
      signal?.removeEventListener("abort", cancel);
      if (error === null) resolve(response);
      else reject(new DirectoryError(error));
    });
    if (signal?.aborted === true) cancel();
    signal?.addEventListener("abort", cancel);
  });

const within = (ms: number): { readonly deadline: number } => ({ deadline: Date.now() + ms });

/** Announces. Rejects with DirectoryError; an abort of the signal cancels the call. */
export const announceTo = (
  client: DirectoryServiceClient,
  announcement: SignedAnnouncement,
  signal: AbortSignal,
): Promise<AnnounceResponse> =>
  asPromise(
    (answered) =>
      client.announce({ announcement }, new Metadata(), within(ANNOUNCE_TIMEOUT_MS), answered),
    signal,
  );

/** Withdraws. Rejects with DirectoryError. */
export const withdrawFrom = async (
  client: DirectoryServiceClient,
  request: WithdrawRequest,
): Promise<void> => {
  await asPromise((answered) =>
    client.withdraw(request, new Metadata(), within(WITHDRAW_TIMEOUT_MS), answered),
  );
};
