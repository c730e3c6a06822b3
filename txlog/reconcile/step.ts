// One step of a comparison as two managers say it: which parts are asked for, and the packed answer.
import { parseTransactionId } from "../../core/names.js";
import { ByteReader, ByteWriter, FormatError } from "../bytes.js";
import { CompareError } from "./compare-error.js";
import { DIGEST_BYTES, TRANSACTION_ID_BYTES } from "./item.js";
import {
  CHILD_LEVEL,
  putSummary,
  type InnerNode,
  type Item,
  type Node,
  type Summary,
  type TimeRange,
} from "./node.js";

/** How many parts one step asks for at most. */
export const STEP_NODES_MAX = 64;

/** How many bytes one answer has at most, before base64; it breaks off when there is more. */
export const STEP_BYTES_MAX = 512 * 1024;

/** What a step asks for: what parts fall into, or the exchanges of buckets and groups. */
export type Wanted =
  | { readonly what: "children"; readonly nodes: readonly InnerNode[] }
  | { readonly what: "items"; readonly nodes: readonly Node[] };

/** A step as it is asked. */
export type StepRequest = Wanted & {
  readonly range: TimeRange;
  /** Of the first part: how many of its children or exchanges have been received already. */
  readonly skip: number;
};

/** A step as it is answered. */
export interface StepAnswer {
  /** One for each part, packed; fewer when the answer broke off, and the last of them not whole then. */
  readonly parts: readonly Buffer[];
  /** Whether it broke off. */
  readonly more: boolean;
}

/** Packs what a part falls into. */
export const packSummary = (summary: Summary): Buffer => {
  const to = new ByteWriter(64);
  putSummary(to, summary);
  return to.buffer.subarray(0, to.length);
};

/** Packs an exchange: the bytes of its transaction id and its digest. */
export const packItem = ({ transactionId, digest }: Item): Buffer => {
  const to = new ByteWriter(TRANSACTION_ID_BYTES + DIGEST_BYTES);
  to.uuid(transactionId);
  to.bytes(digest);
  return to.buffer;
};

const childNode = (parent: InnerNode, from: ByteReader): Node => {
  switch (parent.level) {
    case "whole":
    case "day":
      return { level: CHILD_LEVEL[parent.level], index: from.u64() };
    case "hour":
      return { level: "bucket", index: from.u64(), service: from.text() };
    case "bucket":
      return { ...parent, level: "group", last: from.u8() };
  }
};

const unpack = <T>(packed: Buffer, one: (from: ByteReader) => T): T[] => {
  const from = new ByteReader(packed);
  const found: T[] = [];
  try {
    while (from.position < packed.length) found.push(one(from));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CompareError("form", `the other side's answer cannot be read: ${error.message}`);
  }
  return found;
};

/** Takes packed children apart. @throws CompareError `form` */
export const unpackChildren = (parent: InnerNode, packed: Buffer): Summary[] =>
  unpack(packed, (from) => ({
    node: childNode(parent, from),
    count: from.u32(),
    digest: from.bytes(DIGEST_BYTES),
  }));

/** Takes packed exchanges apart. @throws CompareError `form` */
export const unpackItems = (packed: Buffer): Item[] =>
  unpack(packed, (from) => {
    const transactionId = parseTransactionId(from.uuid());
    if (transactionId === undefined)
      throw new FormatError("a transaction id is no UUID of version 7");
    return { transactionId, digest: from.bytes(DIGEST_BYTES) };
  });
