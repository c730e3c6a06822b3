// CPU of one pair beside another's.
import { median } from "./measure.js";
import type { Series } from "./run.js";

/** CPU a hop in times another pair's, the median over the rounds; undefined when the other was not measured. */
export const ratioOf = (own: Series, other: Series | undefined): number | undefined => {
  if (other === undefined) return undefined;
  const both = own.samples.map((sample, round) => {
    const beside = other.samples[round];
    if (beside === undefined) throw new Error("rounds differ");
    return (sample.cpuOutway + sample.cpuInway) / (beside.cpuOutway + beside.cpuInway);
  });
  return median(both);
};
