// Evaluated before anything else is imported: what is made meanwhile is made in a young generation that is bounded.
import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** How large V8's young generation may become, in MiB. */
const YOUNG_MIB = 32;

// V8 lets it grow to 128 MiB, most of which a process of ours would never give back. Too small it may not be either: what
// an exchange made would then be taken for old before the exchange is over, which costs several times as much to collect.
// V8 names its flags as it likes, and one that it does not know it tells on standard error: this one is set in the version
// of Node.js alone in which it was measured (docs/performance.md).
if (process.versions.node.startsWith("24.")) {
  let isGrowing = true;
  const look = (): void => {
    const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space");
    const mayGrow = (young?.space_size ?? 0) < YOUNG_MIB * 1024 ** 2;
    if (mayGrow === isGrowing) return;
    isGrowing = mayGrow;
    setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? "2" : "1"}`);
  };
  new PerformanceObserver(look).observe({ entryTypes: ["gc"] });
}
