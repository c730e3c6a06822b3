// Whether what a stream of HTTP/2 gave has come to its end. Node.js ends what is read from a stream in the same way
// when the other side resets it with NO_ERROR or CANCEL; what differs is that the stream is closed then before its end
// is pushed, and after it otherwise.
import { channel } from "node:diagnostics_channel";
import type { Http2Stream } from "node:http2";

const whole = new WeakSet<Http2Stream>();

/** To be called as soon as a stream of a client is there, once. Those of servers are watched by themselves. */
export const watchEnding = (stream: Http2Stream): void => {
  const push = stream.push.bind(stream);
  stream.push = (piece: unknown, encoding?: BufferEncoding): boolean => {
    if (piece === null && !stream.closed && !stream.aborted) whole.add(stream);
    return push(piece, encoding);
  };
};

// A server hears of a stream in a later tick, when its end may have come already.
channel("http2.server.stream.created").subscribe((message) => {
  watchEnding((message as { readonly stream: Http2Stream }).stream);
});

/** Whether a stream that has been read to its end was ended by the other side, and not merely closed. */
export const endedWell = (stream: Http2Stream): boolean => whole.has(stream);
