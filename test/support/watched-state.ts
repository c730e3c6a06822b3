// A stream of WatchState as a component reads it.
import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import type { WatchStateResponse } from "../../proto/gen/schakel/manager/v1/component.js";
import { until } from "./until.js";

/** Keeps what comes on a stream, and how it ended. */
export class WatchedState {
  readonly messages: WatchStateResponse[] = [];
  error: ServiceError | undefined;
  ended = false;

  constructor(readonly stream: ClientReadableStream<WatchStateResponse>) {
    stream.on("data", (message: WatchStateResponse) => this.messages.push(message));
    stream.on("error", (error: ServiceError) => (this.error = error));
    stream.on("end", () => (this.ended = true));
  }

  /** The messages that carry something, once the first state is whole. */
  async state(): Promise<readonly WatchStateResponse[]> {
    await until("the first state", () => this.messages.some((each) => each.snapshotComplete));
    return this.messages;
  }

  failure(): Promise<ServiceError> {
    return until("an error", () => this.error);
  }
}
