// The stream on which an inway or outway brings the records of its transaction log to its manager.
import type { ClientDuplexStream } from "@grpc/grpc-js";
import type { InternalSource } from "../certs/internal-bundle.js";
import {
  LogIntakeServiceClient,
  type ShipLogRequest,
  type ShipLogResponse,
} from "../proto/gen/schakel/manager/v1/log.js";
import { openManager } from "./manager-channel.js";

/** The way on which records reach the manager. */
export interface LogStreams {
  /** Opens a stream, on a channel of its own that is closed with it. Rejects as openManager does. */
  readonly open: () => Promise<ClientDuplexStream<ShipLogRequest, ShipLogResponse>>;
  /** Calls back when our certificate has changed. Returns the function that ends that. */
  readonly onChange: (listener: () => void) => () => void;
}

/** Streams under our certificate inside the organisation. */
export const logStreams = (internal: InternalSource): LogStreams => ({
  open: async () => {
    const client = await openManager(LogIntakeServiceClient, { bundle: internal.current });
    const stream = client.shipLog();
    // Whatever ends it, also a cancellation, ends with a status.
    stream.on("status", () => client.close());
    return stream;
  },
  onChange: (listener) => internal.onChange(listener),
});
