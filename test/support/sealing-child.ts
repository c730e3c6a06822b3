// A process that seals the log of the folder named on its command line until it is killed. It says the size of each
// checkpoint that it makes.
import { openStore } from "./log-stores.js";

const opened = await openStore(process.argv[2] ?? "");
opened.store.onCheckpoint(({ size }) => console.log(size));
opened.start();
