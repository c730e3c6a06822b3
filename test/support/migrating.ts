// A program that opens the database named on its command line, migrates it slowly and ends.
import { setTimeout as wait } from "node:timers/promises";
import { migrate, openDatabase } from "../../core/database.js";

const db = openDatabase<{ parent: { id: number } }>(process.argv[2] ?? "");
await migrate(db, "room", [
  {
    name: "slow",
    up: async (tx) => {
      await tx.schema.createTable("parent").addColumn("id", "integer").execute();
      // Long enough for the other process to come to the same place.
      await wait(300);
      await tx
        .insertInto("parent" as never)
        .values({ id: 1 })
        .execute();
    },
  },
]);
await db.destroy();
