// Evaluated before anything else is imported: later V8 has sized its young generation already.
import { setFlagsFromString } from "node:v8";

/** How large V8's young generation may become, in MiB. */
const YOUNG_MIB = 4;

// Bodies pass through inways and outways as buffers that live for a moment. V8 frees them when it collects the
// young generation, which fills with the small objects beside them alone: a large one keeps a hundred megabytes
// of dead buffers. V8 names its flags as it likes, and one that it does not know it tells on standard error: it is
// set in the version of Node.js alone in which it was measured.
if (process.versions.node.startsWith("24.")) {
  setFlagsFromString(`--scavenger-max-new-space-capacity-mb=${String(YOUNG_MIB)}`);
  // The bound is not always obeyed once the process runs; without growth the first size stays.
  setFlagsFromString("--semi-space-growth-factor=1");
}
