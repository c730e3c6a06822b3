// Answering with many messages, as fast as the caller reads them.
import { once } from "node:events";
import type { ServerWritableStream } from "@grpc/grpc-js";

/** Gives a message. Resolves when the next may follow; false when the caller has gone. */
export type Send<Res> = (message: Res) => Promise<boolean>;

/** The way to a caller. */
export const sendTo =
  <Req, Res>(call: ServerWritableStream<Req, Res>): Send<Res> =>
  async (message) => {
    if (call.cancelled || call.destroyed) return false;
    if (call.write(message)) return true;
    const stop = new AbortController();
    const { signal } = stop;
    try {
      await Promise.race(
        ["drain", "cancelled", "close"].map((name) => once(call, name, { signal })),
      );
    } finally {
      stop.abort();
    }
    return true;
  };

/** Gives all messages until the caller goes. */
export const sendAll = async <Res>(
  messages: AsyncIterable<Res>,
  send: Send<Res>,
): Promise<void> => {
  for await (const message of messages) {
    if (!(await send(message))) return;
  }
};
