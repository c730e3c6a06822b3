// The tree in which two logs are compared: the whole, days, hours, and in each hour one bucket for each service
// and minute. A bucket with many exchanges falls into groups by the last byte of the transaction id.
import { hash } from "node:crypto";
import type { TransactionId } from "../../core/names.js";
import { ByteWriter } from "../bytes.js";
import { DIGEST_BYTES, transactionTimeMs } from "./item.js";

/** A part of the exchanges that are compared. */
export type Node =
  | { readonly level: "whole" }
  /** `index`: days or hours since 1970. */
  | { readonly level: "day" | "hour"; readonly index: number }
  /** `index`: minutes since 1970. */
  | { readonly level: "bucket"; readonly index: number; readonly service: string }
  | {
      readonly level: "group";
      readonly index: number;
      readonly service: string;
      /** The last byte of the transaction ids. */
      readonly last: number;
    };

/** What one side says of a part: how many exchanges, and a digest over them. A part without exchanges is not named. */
export interface Summary {
  readonly node: Node;
  readonly count: number;
  readonly digest: Buffer;
}

/** One exchange in a bucket or group. */
export interface Item {
  readonly transactionId: TransactionId;
  readonly digest: Buffer;
}

/** An exchange as a log's index has it. */
export interface SharedItem extends Item {
  readonly service: string;
}

/** A stretch of time; the end is not in it. Milliseconds since 1970. */
export interface TimeRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Above this many exchanges on either side, a bucket is compared by groups. */
export const BUCKET_ITEMS_MAX = 1024;

/** How long a service's name may be, in bytes: as long as a writer of the log lets it be. */
export const SERVICE_BYTES_MAX = 1024;

const UNIT_MS = { day: 86_400_000, hour: 3_600_000, bucket: 60_000, group: 60_000 } as const;

/** What a part falls into. */
export const CHILD_LEVEL = {
  whole: "day",
  day: "hour",
  hour: "bucket",
  bucket: "group",
} as const satisfies Partial<Record<Node["level"], Node["level"]>>;

/** A part that falls into others. */
export type InnerNode = Exclude<Node, { readonly level: "group" }>;

/** The time that a part covers, within that of the whole comparison. */
export const rangeOf = (node: Node, whole: TimeRange): TimeRange => {
  if (node.level === "whole") return whole;
  const unit = UNIT_MS[node.level];
  return {
    fromMs: Math.max(whole.fromMs, node.index * unit),
    toMs: Math.min(whole.toMs, (node.index + 1) * unit),
  };
};

/** The last byte of a transaction id. */
export const lastByte = (id: TransactionId): number => Number.parseInt(id.slice(-2), 16);

/** The day, hour or minute since 1970 in which a moment lies. */
export const indexAt = (level: "day" | "hour" | "bucket", ms: number): number =>
  Math.floor(ms / UNIT_MS[level]);

/** Whether an exchange of this service belongs to a part, as far as it is of the time compared at all. */
export const holds = (node: Node, { transactionId, service }: SharedItem): boolean => {
  if (node.level === "whole") return true;
  if (Math.floor(transactionTimeMs(transactionId) / UNIT_MS[node.level]) !== node.index)
    return false;
  if (!("service" in node)) return true;
  if (node.service !== service) return false;
  return node.level === "bucket" || node.last === lastByte(transactionId);
};

/** Orders parts of one level: by time, then by the bytes of the service's name, then by last byte. */
export const compareNodes = (a: Node, b: Node): number => {
  if (a.level === "whole" || b.level === "whole") return 0;
  if (a.index !== b.index) return a.index - b.index;
  const services =
    "service" in a && "service" in b
      ? Buffer.compare(Buffer.from(a.service), Buffer.from(b.service))
      : 0;
  return services !== 0 || a.level !== "group" || b.level !== "group" ? services : a.last - b.last;
};

/** Orders exchanges: by transaction id, and those that share one by digest. */
export const compareItems = (a: Item, b: Item): number =>
  a.transactionId < b.transactionId
    ? -1
    : a.transactionId > b.transactionId
      ? 1
      : Buffer.compare(a.digest, b.digest);

/** Writes what a part's digest is made of, which is also what is sent of it. */
export const putSummary = (to: ByteWriter, { node, count, digest }: Summary): void => {
  if (node.level === "group") {
    to.u8(node.last);
  } else if (node.level !== "whole") {
    to.u64(node.index);
    if (node.level === "bucket") to.text(node.service);
  }
  to.u32(count);
  to.bytes(digest);
};

const DOMAIN = Buffer.from("schakel/exchanges/v1\0");

/**
 * The digest of the whole, a day or an hour: SHA-256 over `schakel/exchanges/v1`, one zero byte, and what it falls
 * into, each as its day, hour or minute (and the service with its length), its count and its digest.
 */
export const digestOfChildren = (children: readonly Summary[]): Buffer => {
  const to = new ByteWriter(DOMAIN.length + children.length * 64);
  to.bytes(DOMAIN);
  for (const child of children) putSummary(to, child);
  return hash("sha256", to.buffer.subarray(0, to.length), "buffer");
};

/** The digest of a bucket or group: SHA-256 over the digests of its exchanges, in the order of compareItems. */
export const digestOfItems = (items: readonly Item[]): Buffer => {
  const bytes = Buffer.allocUnsafe(items.length * DIGEST_BYTES);
  let at = 0;
  for (const { digest } of items) {
    bytes.set(digest, at);
    at += DIGEST_BYTES;
  }
  return hash("sha256", bytes, "buffer");
};

/** The sum of what parts count. */
export const countOf = (children: readonly Summary[]): number =>
  children.reduce((sum, { count }) => sum + count, 0);
