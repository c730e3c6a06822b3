// The source behind every pair: nginx where it is installed, else a small one of ours; a process of its own.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../test/support/network-peers.js";
import { jsonOf } from "./cases.js";
import { configure } from "./peers.js";
import { installed, startProgram, type Program } from "./program.js";

const SOURCE = fileURLToPath(new URL("source.ts", import.meta.url));

/** A source that runs, and what it is. */
export interface Source {
  readonly port: number;
  readonly what: string;
  readonly program: Program;
}

/** Starts the source. */
export const startSource = async (folder: string): Promise<Source> => {
  const port = await freePort();
  const nginx = installed("nginx");
  if (nginx === undefined) {
    const args = ["--import", import.meta.resolve("tsx"), SOURCE, String(port)];
    const program = await startProgram(process.execPath, args, port);
    return { port, what: "node:http", program };
  }
  await writeFile(join(folder, "get1m.json"), jsonOf(1024 * 1024));
  const values = { DIR: folder, SOURCE: port, ANSWER: jsonOf(1024), NAME: "nginx-source.conf" };
  const config = await configure(folder, "nginx-source.conf", values);
  return {
    port,
    what: "nginx",
    program: await startProgram(nginx, ["-p", folder, "-c", config], port),
  };
};
