// What is asked of the relay's speed, beside what was measured.
import type { Row } from "../main.js";
import type { Case } from "./cases.js";
import { medianOf, type Sample } from "./measure.js";
import type { PairName } from "./pair.js";
import { ratioOf } from "./ratio.js";
import type { Series } from "./run.js";

type Wanted = Partial<PairName> & { readonly case: Case["name"] };

interface Asked {
  readonly what: string;
  readonly own: Wanted;
  readonly beside: Wanted;
  readonly limit: number;
  /** What is compared; CPU a hop unless given. */
  readonly figure?: keyof Sample;
}

const GET = "get1k-c64";
const OURS = { pair: "schakel" } as const;
const NGINX = { pair: "nginx" } as const;

const ASKED: readonly Asked[] = [
  {
    what: "1 KiB GET, 64 connections, everything on: CPU × nginx",
    own: { case: GET, ...OURS, link: "schakel", log: "on" },
    beside: { case: GET, ...NGINX },
    limit: 1,
  },
  {
    what: "the same: CPU × Go",
    own: { case: GET, ...OURS, link: "schakel", log: "on" },
    beside: { case: GET, pair: "go" },
    limit: 0.4,
  },
  {
    what: "the same, log off: CPU × nginx",
    own: { case: GET, ...OURS, link: "schakel", log: "off" },
    beside: { case: GET, ...NGINX },
    limit: 0.65,
  },
  {
    what: "the same, log off: CPU × HAProxy with HTTP/2 between",
    own: { case: GET, ...OURS, link: "schakel", log: "off" },
    beside: { case: GET, pair: "haproxy", link: "http2" },
    limit: 1.1,
  },
  {
    what: "FSC peers (HTTP/1.1 between), everything on: CPU × nginx",
    own: { case: GET, ...OURS, link: "http1", log: "on" },
    beside: { case: GET, ...NGINX },
    limit: 1.6,
  },
  {
    what: "1 MiB answer, 8 connections: CPU × nginx",
    own: { case: "get1m-c8", ...OURS, link: "schakel", log: "on" },
    beside: { case: "get1m-c8", ...NGINX },
    limit: 1.5,
  },
  {
    what: "full handshake without ticket: CPU × nginx",
    own: { case: "connect", ...OURS, link: "http1", log: "on" },
    beside: { case: "connect", ...NGINX },
    limit: 1.5,
  },
  {
    what: "1 connection, log off: p50 × nginx",
    own: { case: "get1k-c1", ...OURS, link: "schakel", log: "off" },
    beside: { case: "get1k-c1", ...NGINX },
    limit: 1.25,
    figure: "p50",
  },
];

const find = (all: readonly Series[], { case: name, ...wanted }: Wanted): Series | undefined =>
  all.find(
    ({ kind, pair }) =>
      kind.name === name &&
      Object.entries(wanted).every(([key, value]) => pair[key as keyof PairName] === value),
  );

const measuredOf = (all: readonly Series[], { own, beside, figure }: Asked): number | undefined => {
  const [ours, other] = [find(all, own), find(all, beside)];
  if (ours === undefined || other === undefined) return undefined;
  if (figure === undefined) return ratioOf(ours, other);
  return medianOf(ours.samples)[figure] / medianOf(other.samples)[figure];
};

const row = (what: string, limit: number, measured: number | undefined): Row => ({
  "what is asked": what,
  "at most": limit.toFixed(2),
  measured: measured?.toFixed(2) ?? "not measured",
  met: measured === undefined ? "" : measured <= limit ? "yes" : "no",
});

/** What is asked, each with what was measured; only what a run has measured both sides of is judged. */
export const asked = (all: readonly Series[], syncP99Ms: number): readonly Row[] => {
  const ours = find(all, { case: GET, ...OURS, link: "schakel", log: "on" });
  const nginx = find(all, { case: GET, ...NGINX });
  const isBoth = ours !== undefined && nginx !== undefined;
  const limit = isBoth ? medianOf(nginx.samples).p99 + 2 * syncP99Ms + 1 : NaN;
  const memory = ours && medianOf(ours.samples);
  return [
    ...ASKED.map((each) => row(each.what, each.limit, measuredOf(all, each))),
    row(
      "1 KiB GET, 64 connections, everything on: p99 in ms (nginx's + 2 × fdatasync's + 1)",
      limit,
      isBoth ? medianOf(ours.samples).p99 : undefined,
    ),
    row("the same: MB a hop", 120, memory && Math.max(memory.rssOutway, memory.rssInway)),
  ];
};
