// A process that appends to a transaction log until it is killed, and says what was acknowledged: a line
// "SEQUENCE TRANSACTION-ID" for each intent. Argument: the log's folder.
import { newTransactionId } from "../../core/names.js";
import { COMPLETE, exchange, openLog } from "./transaction-log.js";

const CALLERS = 16;
const [folder = ""] = process.argv.slice(2);

const log = await openLog(folder, { limits: { segmentBytes: 40_000 } });
process.stdout.write("open\n");

const call = async (): Promise<never> => {
  for (let turn = 0; ; turn++) {
    const personal = { path: `/personen/${String(turn)}` };
    const intent = await log.intent(exchange({ transactionId: newTransactionId(), personal }));
    // A pipe is written synchronously: what the parent reads has been acknowledged.
    process.stdout.write(`${String(intent.sequence)} ${intent.transactionId}\n`);
    if (turn % 4 !== 0) log.outcome(intent, COMPLETE);
  }
};
await Promise.all(Array.from({ length: CALLERS }, call));
