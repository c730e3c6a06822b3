// Conditions on the index of exchanges, `e` in a query, that more than one kind of reading has.
import { expressionBuilder, type Expression, type SqlBool } from "kysely";
import type { ExchangeRow } from "./schema.js";

interface Indexed {
  readonly e: ExchangeRow;
}

const condition = expressionBuilder<Indexed, "e">();

/** A peer is source, destination or delegator of either. */
export const hasPeer = (peerId: string): Expression<SqlBool> =>
  condition.or([
    condition("e.source", "=", peerId),
    condition("e.destination", "=", peerId),
    condition("e.source_delegator", "=", peerId),
    condition("e.destination_delegator", "=", peerId),
  ]);

/** Services and grants, of which an exchange has one. */
export interface AnyOf {
  readonly services: readonly string[];
  readonly grantHashes: readonly string[];
}

/** Of one of these services or grants; of none when both are empty. */
export const isOfAny = ({ services, grantHashes }: AnyOf): Expression<SqlBool> =>
  condition.or([
    ...(services.length === 0 ? [] : [condition("e.service", "in", services)]),
    ...(grantHashes.length === 0 ? [] : [condition("e.grant_hash", "in", grantHashes)]),
  ]);

/** A place in the order of time, writer and sequence. */
export interface ExchangePlace {
  readonly createdAtUs: number;
  readonly writer: number;
  readonly sequence: number;
}

/** Behind a place in the order that is read. The first condition lets an index begin there. */
export const isBehind = (
  { createdAtUs, writer, sequence }: ExchangePlace,
  order: "asc" | "desc",
): Expression<SqlBool> => {
  const beyond = order === "asc" ? ">" : "<";
  return condition.and([
    condition("e.created_at_us", order === "asc" ? ">=" : "<=", createdAtUs),
    condition.or([
      condition("e.created_at_us", beyond, createdAtUs),
      condition("e.writer", beyond, writer),
      condition.and([
        condition("e.writer", "=", writer),
        condition("e.sequence", beyond, sequence),
      ]),
    ]),
  ]);
};
