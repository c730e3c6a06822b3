// Has V8 let go early of what was read from sockets. Its own measure of what is young counts objects and not the octets
// that they stand for, so that a stream of large bodies was let go of only by collecting everything, each 64 MiB, and
// that cost more than relaying it (docs/performance.md).
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** So much may be read before what is young is looked through, in octets. */
const OCTETS_MAX = 32 * 1024 ** 2;

type Collect = (options: { readonly type: "minor" }) => void;

// V8 gives the function to contexts that are made after it was told to. Where it is not the one that was measured, it
// might collect everything: then all stays as V8 has it.
const found = (): Collect => {
  const nothing = (): void => undefined;
  if (!process.versions.node.startsWith("24.")) return nothing;
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  return typeof collect === "function" ? (collect as Collect) : nothing;
};

let octets = 0;
let collect: Collect | undefined;

/** Notes that so much has been read. */
export const octetsCame = (more: number): void => {
  octets += more;
  if (octets < OCTETS_MAX) return;
  octets = 0;
  collect ??= found();
  collect({ type: "minor" });
};
