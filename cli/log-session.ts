// Asking our manager about the transaction log.
import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { callManager, ManagerError } from "../component/manager-call.js";
import { LogServiceClient, type LogServiceService } from "../proto/gen/schakel/manager/v1/log.js";
import { explained } from "./administration.js";
import { withManager } from "./manager-session.js";
import type { CliSettings } from "./settings.js";

/** Erasing overwrites and empties files; the other side of an exchange may be slow. */
const TIMEOUT_MS = 600_000;
/** Counts of ten years, and ten comparisons with all of their differences. */
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

type Definitions = typeof LogServiceService;
type RequestOf<K extends keyof Definitions> = ReturnType<Definitions[K]["requestDeserialize"]>;
type ResponseOf<K extends keyof Definitions> = ReturnType<Definitions[K]["responseDeserialize"]>;

/** The methods that answer with many messages. */
type Streamed = "readLog" | "getEvidence" | "reconcile";

/** A session with the manager about its log. What its calls reject with, `consult` makes a CommandError of. */
export interface LogSession {
  ask<K extends Exclude<keyof Definitions, Streamed>>(
    method: K,
    request: RequestOf<K>,
  ): Promise<ResponseOf<K>>;
  /** Leaving the loop early ends the call. */
  stream<K extends Streamed>(method: K, request: RequestOf<K>): AsyncGenerator<ResponseOf<K>>;
}

async function* messages<T>(call: ClientReadableStream<T>): AsyncGenerator<T> {
  try {
    for await (const message of call) yield message as T;
  } catch (error) {
    if (error instanceof Error && "metadata" in error) {
      throw new ManagerError(error as ServiceError);
    }
    throw error;
  } finally {
    call.cancel();
  }
}

/**
 * Opens a session for some calls.
 *
 * @throws CommandError with what to do; what the work throws
 */
export const consult = async <T>(
  settings: CliSettings,
  work: (log: LogSession) => Promise<T>,
): Promise<T> => {
  try {
    return await withManager(
      LogServiceClient,
      settings,
      ({ client, metadata }) => {
        const log: LogSession = {
          ask: (method, request) => {
            const start = client[method].bind(client) as (...args: unknown[]) => { cancel(): void };
            const options = { metadata, timeoutMs: TIMEOUT_MS };
            return callManager((...rest) => start(request, ...rest), options);
          },
          stream: (method, request) => {
            const start = client[method].bind(client) as (
              ...args: unknown[]
            ) => ClientReadableStream<never>;
            return messages(start(request, metadata));
          },
        };
        return work(log);
      },
      MESSAGE_BYTES_MAX,
    );
  } catch (error) {
    throw explained(error, settings);
  }
};
