// Whether what a stream of HTTP/2 gave has come to its end. Node.js ends what is read from a stream in the same way
// when the other side resets it with NO_ERROR; the only moment that shows the difference is when it closes.
import { channel } from "node:diagnostics_channel";
import type { Http2Stream } from "node:http2";

const watched = new WeakSet<Http2Stream>();
const closed = new WeakSet<Http2Stream>();
const whole = new WeakSet<Http2Stream>();

const look = (message: unknown): void => {
  const { stream } = message as { readonly stream: Http2Stream };
  if (!watched.has(stream)) return;
  closed.add(stream);
  if (stream.state.remoteClose === 1) whole.add(stream);
};
for (const side of ["client", "server"]) channel(`http2.${side}.stream.close`).subscribe(look);

/** To be called as soon as a stream is there. */
export const watchEnding = (stream: Http2Stream): void => void watched.add(stream);

/** Whether a stream that has been read to its end was ended by the other side, and not merely closed. */
export const endedWell = (stream: Http2Stream): boolean =>
  !stream.aborted && (!closed.has(stream) || whole.has(stream));
