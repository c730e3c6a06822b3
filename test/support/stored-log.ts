// What a manager's store holds of the transaction logs that were shipped to it, read from its file, also while it runs.
import { expect } from "chai";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { decodeLeaf } from "../../txlog/decode-leaf.js";
import type { LogRecord } from "../../txlog/record.js";

/** The records of the writers of a component ("inway/inway"), each writer's in the order of their sequences. */
export const storedRecordsOfComponent = (data: string, component: string): LogRecord[] => {
  const database = new DatabaseSync(join(data, "log.db"), { readOnly: true });
  try {
    const rows = database
      .prepare(
        "SELECT r.leaf FROM txlog_record r JOIN txlog_writer w USING (group_id, writer) WHERE w.component = ? ORDER BY r.writer, r.sequence",
      )
      .all(component);
    return rows.map(({ leaf }) => decodeLeaf(Buffer.from(leaf as Uint8Array)));
  } finally {
    database.close();
  }
};

/** Checks that a manager has exactly these records. */
export const expectStored = (
  data: string,
  component: string,
  records: readonly LogRecord[],
): void => {
  const stored = storedRecordsOfComponent(data, component);
  expect(stored.length, `records of ${component}`).to.equal(records.length);
  expect(stored, component).to.deep.equal(records);
};
