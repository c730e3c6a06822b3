// The ways in which our own pair is measured.

/** How a pair of ours may run. */
export interface Way {
  readonly link: "schakel" | "http1";
  readonly log: "on" | "off";
}

/** All ways. */
export const WAYS: readonly Way[] = [
  { link: "schakel", log: "on" },
  { link: "http1", log: "on" },
  { link: "schakel", log: "off" },
  { link: "http1", log: "off" },
];

/** What a way is called: "schakel-log-on". */
export const wayName = ({ link, log }: Way): string => `${link}-log-${log}`;
