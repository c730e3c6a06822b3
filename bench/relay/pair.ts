// A pair of hops as it is measured, whoever made it.
import { usageOf, type Usage } from "./usage.js";
import type { ClientTls, Order } from "./load.js";

/** What a pair is called in the results. */
export interface PairName {
  readonly pair: "schakel" | "nginx" | "haproxy" | "go";
  /** What goes between its hops. */
  readonly link: "schakel" | "http1" | "http2";
  /** Whether a transaction log is written on both sides. */
  readonly log: "on" | "off";
  readonly version: string;
}

/** A running pair. */
export interface Pair extends PairName {
  /** The outway's URL that a case's path is put behind. */
  readonly url: string;
  /** Where and how its inway is reached directly, for the case connect; undefined when that case is not its. */
  readonly direct?: () => Promise<
    Required<Pick<Order, "url" | "tls">> & Pick<Order, "authorization">
  >;
  readonly outway: readonly number[];
  readonly inway: readonly number[];
  /** The processes that index and seal what the two have logged. */
  readonly managers: readonly number[];
}

/** "schakel, link schakel, log on". */
export const describePair = ({ pair, link, log }: PairName): string =>
  `${pair}, ${link} between${pair === "schakel" ? `, log ${log}` : ""}`;

/** What each part of a pair has used until now. */
export const usageOfPair = async (
  pair: Pair,
): Promise<Readonly<Record<"outway" | "inway" | "managers", Usage>>> => {
  const [outway, inway, managers] = await Promise.all(
    [pair.outway, pair.inway, pair.managers].map(usageOf),
  );
  if (outway === undefined || inway === undefined || managers === undefined)
    throw new Error("three were asked for");
  return { outway, inway, managers };
};

/** Certificates and ports of a pair that is not ours. */
export interface Surroundings {
  /** Where files may be put. */
  readonly folder: string;
  readonly sourcePort: number;
  readonly anchor: string;
  readonly outwayFiles: { readonly cert: string; readonly key: string };
  readonly inwayFiles: { readonly cert: string; readonly key: string };
  readonly inwayName: string;
}

/** How the client of the case connect shows itself: as the outway does. */
export const clientTls = ({ anchor, outwayFiles, inwayName }: Surroundings): ClientTls => ({
  ...outwayFiles,
  anchor,
  name: inwayName,
});
