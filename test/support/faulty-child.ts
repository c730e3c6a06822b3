// A process that appends to a transaction log a fixed number of times, whatever its disk does, and says what was
// acknowledged: a line "SEQUENCE TRANSACTION-ID" for each intent, then "closed". Argument: the log's folder.
import { newTransactionId } from "../../core/names.js";
import { COMPLETE, exchange, openLog } from "./transaction-log.js";

const CALLERS = 4;
const TURNS = 220;
const RECOVERED_MS = 10_000;
const [folder = ""] = process.argv.slice(2);

const log = await openLog(folder, { limits: { segmentBytes: 40_000 } });
process.stdout.write("open\n");

const settled = async (): Promise<void> => {
  const until = performance.now() + RECOVERED_MS;
  while (log.problem() !== undefined && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

const call = async (): Promise<void> => {
  for (let turn = 0; turn < TURNS; turn++) {
    const personal = { path: `/personen/${String(turn)}` };
    try {
      const intent = await log.intent(exchange({ transactionId: newTransactionId(), personal }));
      process.stdout.write(`${String(intent.sequence)} ${intent.transactionId}\n`);
      if (turn % 4 !== 0) log.outcome(intent, COMPLETE);
    } catch {
      // Refused: nothing would have been forwarded. It goes on when the log does.
      await settled();
    }
  }
};
await Promise.all(Array.from({ length: CALLERS }, call));
await log.close();
process.stdout.write("closed\n");
