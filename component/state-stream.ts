// Reads one stream of the manager to its end.
import type { ClientReadableStream } from "@grpc/grpc-js";
import type { WatchStateResponse } from "../proto/gen/schakel/manager/v1/component.js";

const FIRST_MESSAGE_MS = 10_000;
// Whatever the manager says of its heartbeat.
const SILENCE_MS_MIN = 3_000;
const SILENCE_MS_MAX = 60_000;
const HEARTBEATS_MISSED_MAX = 3;

/** What becomes of a stream's messages. */
export interface StreamTaking {
  /** Takes the next message. Throws when the stream cannot go on; then it is ended. */
  take(message: WatchStateResponse): void;
  /** Whether the first full state has come. */
  readonly isComplete: boolean;
}

const silenceMs = ({ heartbeatIntervalMs }: WatchStateResponse): number =>
  Math.min(
    SILENCE_MS_MAX,
    Math.max(SILENCE_MS_MIN, HEARTBEATS_MISSED_MAX * Number(heartbeatIntervalMs)),
  );

/**
 * Takes every message of a stream. Resolves when the manager has ended it; rejects when it broke, a message was
 * refused, or nothing came for too long. An abort of the signal cancels it.
 *
 * @param complete called after each message from the first full state on
 */
export const followStream = (
  stream: ClientReadableStream<WatchStateResponse>,
  signal: AbortSignal,
  taking: StreamTaking,
  complete: () => void,
): Promise<void> =>
  new Promise((resolve, reject) => {
    let failure: Error | undefined;
    const fail = (error: unknown): void => {
      failure ??= error instanceof Error ? error : new Error(String(error));
      stream.cancel();
    };
    const cancel = (): void => fail(new Error("the process began anew or stops"));
    const silent = (): void => fail(new Error("the manager's stream has gone silent"));
    let timer = setTimeout(silent, FIRST_MESSAGE_MS);
    const ended = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", cancel);
    };
    stream.on("data", (message: WatchStateResponse) => {
      if (failure !== undefined) return;
      clearTimeout(timer);
      timer = setTimeout(silent, silenceMs(message));
      try {
        taking.take(message);
        if (taking.isComplete) complete();
      } catch (error) {
        fail(error);
      }
    });
    stream.on("error", (error) => {
      ended();
      reject(failure ?? error);
    });
    stream.on("end", () => {
      ended();
      resolve();
    });
    signal.addEventListener("abort", cancel);
    if (signal.aborted) cancel();
  });
