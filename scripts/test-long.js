// Runs the tests with larger numbers: TEST_LONG is set, every limit of time is longer, and the seed of
// all that is random is printed first and last. `TEST_SEED=… npm run test:long` repeats a run; further
// arguments go to mocha.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";

const TIMEOUT_MS = 30 * 60 * 1_000;

const seed = process.env.TEST_SEED ?? String(randomInt(2 ** 31));
if (!/^[0-9]{1,10}$/.test(seed) || Number(seed) >= 2 ** 31) {
  process.stderr.write(`TEST_SEED: found "${seed}", allowed is a whole number below 2147483648\n`);
  process.exit(2);
}
process.stdout.write(`long run with TEST_SEED=${seed}\n`);

const mocha = spawn(
  process.execPath,
  ["node_modules/mocha/bin/mocha.js", "--timeout", String(TIMEOUT_MS), ...process.argv.slice(2)],
  { stdio: "inherit", env: { ...process.env, TEST_LONG: "1", TEST_SEED: seed } },
);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => mocha.kill(signal));
mocha.on("exit", (code) => {
  process.stdout.write(`long run with TEST_SEED=${seed} ended with exit code ${String(code)}\n`);
  process.exit(code ?? 1);
});
