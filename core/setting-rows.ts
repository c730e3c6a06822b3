// Rows that the tables of several processes have in common. Help texts and docs/settings.md list the rows of a table in
// the order in which they stand there.
import * as setting from "./settings.js";

/** Of which group a process is part, and with which certificate. */
export const MEMBER_SETTINGS = {
  group: setting.path("FILE", { text: "The group's signed group.json." }),
  cert: setting.path("FILE", {
    text: "Our certificate and the intermediates below the anchor, PEM, leaf first.",
  }),
  key: setting.path("FILE", {
    text: "The private key of our certificate, PEM, readable by its owner alone.",
  }),
} as const;

/** Fixed answers instead of DNS. */
export const resolve = setting.hostTable({ text: "Fixed answers instead of DNS.", default: "" });

/** For groups whose addresses have other ports than its own. */
export const allowAnyPort = setting.toggle(
  "Let addresses have ports other than the group's; for tests.",
);

/** How long signatures go to one peer before those for others. */
export const deliveryRound = setting.duration({
  text: "How long signatures go to one slow peer before those for other peers come first.",
  default: "1m",
});

/** Where an inway or outway keeps its state, and what it is called. */
export const componentPlace = (kind: "inway" | "outway") =>
  ({
    data: setting.path("DIR", {
      text: `Where the ${kind} keeps its state; the transaction log lies in its folder log/.`,
    }),
    name: setting.componentName({
      text: `The ${kind}'s name, unique among our ${kind}s.`,
      default: kind,
    }),
  }) as const;

/** How an inway or outway stands to its organisation's manager. */
export const managerTie = (kind: "inway" | "outway") =>
  ({
    identity: setting.path("DIR", {
      text: `The ${kind}'s identity inside the organisation, as 'schakel enrol' or 'schakel init' makes it.`,
    }),
    offlineLimit: setting.duration({
      text: `How long the ${kind} goes on while the organisation's manager is silent.`,
      default: "72h",
    }),
  }) as const;

/** How long the parts of an exchange may take, how large its head may be, and how many may run. */
export const EXCHANGE_LIMIT_SETTINGS = {
  idleTimeout: setting.duration({ text: "How long a body may pause, either way.", default: "30s" }),
  headTimeout: setting.duration({
    text: "How long a request's head may take to arrive.",
    default: "10s",
  }),
  headBytesMax: setting.bytes({ text: "How large a request's head may be.", default: "64KiB" }),
  targetBytesMax: setting.bytes({
    text: "How long a request's target may be.",
    default: "16KiB",
  }),
  bodyBytesMax: setting.optional(
    setting.bytes({ text: "How large a request's body may be; without it, without limit." }),
  ),
  headersMax: setting.integer(1, 1000, {
    text: "How many header lines a request may have.",
    default: "100",
  }),
  exchangesMax: setting.integer(1, 1_000_000, {
    text: "How many exchanges may run at once.",
    default: "10000",
  }),
  connectionsMax: setting.integer(1, 1_000_000, {
    text: "How many connections may be open at once.",
    default: "10000",
  }),
} as const;

/** The transaction log of an inway or outway. */
export const LOG_SETTINGS = {
  logDurability: setting.choice(["local", "store"], {
    text: "What an exchange waits for: its record on this disk, or also in the manager's store.",
    default: "local",
  }),
  logSegmentAge: setting.duration({
    text: "How long a segment of the transaction log with personal data is filled at most; its key is removed when the manager has it whole.",
    default: "10m",
  }),
  allowVolatileLog: setting.toggle(
    "Let the transaction log lie on a disk that dies with its container (tmpfs, overlay).",
  ),
} as const;
