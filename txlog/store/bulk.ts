// Many rows at once: one statement for a fixed number of rows, built once and run again with other values, since
// building and preparing it costs more than running it.
import type { CompiledQuery, Kysely } from "kysely";
import { breath } from "./breath.js";
import type { LogDatabase, LogSchema } from "./schema.js";

/** Powers of two, so that any number of rows needs few statements, and each of those is known after the first time. */
const ROWS_MAX = 256;

/** The values of a row, in the order of the columns. */
export type RowValues = readonly unknown[];

/** Whatever the table: the statement is built by the names of its columns alone. */
interface AnyTable {
  readonly table: Record<string, unknown>;
}

/** What becomes of a row whose key is there already: columns that are overwritten. None unless given: then it is an error. */
export interface Overwriting<Column> {
  readonly key: readonly Column[];
  readonly columns: readonly Column[];
}

/** Inserts rows into one table. */
export class BulkInsert<Table extends keyof LogSchema> {
  /** By the database, which has its own SQL, and then by the number of rows. */
  readonly #statements = new WeakMap<object, Map<number, CompiledQuery>>();

  constructor(
    private readonly table: Table,
    private readonly columns: readonly (keyof LogSchema[Table] & string)[],
    private readonly overwriting?: Overwriting<keyof LogSchema[Table] & string>,
  ) {}

  /** Inserts rows, in order. Lets other work of the process go on between the statements. */
  async run(tx: LogDatabase, rows: readonly RowValues[]): Promise<void> {
    let at = 0;
    for (let count = ROWS_MAX; count >= 1; count /= 2) {
      for (; rows.length - at >= count; at += count) {
        const statement = this.#statement(tx, count);
        const parameters = rows.slice(at, at + count).flat();
        await tx.executeQuery({ ...statement, parameters });
        if (count === ROWS_MAX) await breath();
      }
    }
  }

  #statement(tx: LogDatabase, count: number): CompiledQuery {
    const { adapter } = tx.getExecutor();
    const statements = this.#statements.get(adapter) ?? new Map<number, CompiledQuery>();
    this.#statements.set(adapter, statements);
    const known = statements.get(count);
    if (known !== undefined) return known;
    const row = Object.fromEntries(this.columns.map((column) => [column, 0]));
    const insert = (tx as unknown as Kysely<AnyTable>)
      .insertInto(this.table as string as "table")
      .values(Array.from({ length: count }, () => row));
    const { overwriting } = this;
    const query =
      overwriting === undefined
        ? insert
        : insert.onConflict((conflict) =>
            conflict
              .columns(overwriting.key)
              .doUpdateSet((eb) =>
                Object.fromEntries(
                  overwriting.columns.map((column) => [column, eb.ref(`excluded.${column}`)]),
                ),
              ),
          );
    const statement = query.compile();
    statements.set(count, statement);
    return statement;
  }
}
