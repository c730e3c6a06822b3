// A process that is killed in the middle of an administrative act, after its record and before its outcome.
// Arguments: the database file.
import { pino } from "pino";
import { systemClock } from "../../core/clock.js";
import { openDatabase } from "../../core/database.js";
import { AuditLog } from "../../manager/audit.js";
import { migrateManager, type ManagerSchema } from "../../manager/schema.js";

const [file = ""] = process.argv.slice(2);
const db = openDatabase<ManagerSchema>(file);
await migrateManager(db);
const log = pino({ level: "silent" });
const audit = new AuditLog({ db, groupId: "test", clock: systemClock, log });
const act = { user: "jan", component: "cli/jan", action: "PutService", request: "{}" };
await audit.record(act, () => undefined);
await audit.record(act, () => process.kill(process.pid, "SIGKILL"));
