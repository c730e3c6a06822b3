// What every part of the store that reads stands on.
import type { LogDatabase } from "./schema.js";

/** The tables of one group's log. */
export interface Tables {
  readonly db: LogDatabase;
  readonly groupId: string;
  readonly writers: WriterNames;
}

/** The UUIDs of writers by their numbers, which never change. */
export class WriterNames {
  readonly #ids = new Map<number, string>();
  readonly #numbers = new Map<string, number>();

  constructor(
    private readonly db: LogDatabase,
    private readonly groupId: string,
  ) {}

  /** The UUIDs of writers that are in the store. */
  async ids(numbers: Iterable<number>): Promise<(writer: number) => string> {
    for (const number of numbers) {
      if (!this.#ids.has(number)) {
        await this.#load();
        break;
      }
    }
    return (writer) => this.#ids.get(writer) ?? "";
  }

  /** The number of a writer; undefined when it is not in the store. */
  async number(writerId: string): Promise<number | undefined> {
    if (!this.#numbers.has(writerId)) await this.#load();
    return this.#numbers.get(writerId);
  }

  async #load(): Promise<void> {
    const rows = await this.db
      .selectFrom("txlog_writer")
      .select(["writer", "writer_id"])
      .where("group_id", "=", this.groupId)
      .execute();
    for (const { writer, writer_id } of rows) {
      this.#ids.set(writer, writer_id);
      this.#numbers.set(writer_id, writer);
    }
  }
}
