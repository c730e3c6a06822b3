// Runs a test command under a time limit and owns the last line of the output, however the command
// ends: `N passed, N failed`, and `, N skipped` where tests were skipped. Exits with 0 only when at
// least one test ran and nothing failed. Runs on Node 20, since it also counts a failed installation.
//
//   node .ci/count.js --limit SECONDS [--grace SECONDS] -- COMMAND ARGUMENT…
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const POLL_MS = 200;
const KILL_AFTER_MS = 5_000;

const split = process.argv.indexOf("--");
const option = (name, fallback) => {
  const at = process.argv.indexOf(name);
  return at === -1 || at > split ? fallback : Number(process.argv[at + 1]);
};
const limitS = option("--limit", 1500);
const graceS = option("--grace", 30);
const [command, ...commandArgs] = process.argv.slice(split + 1);

const folder = mkdtempSync(join(tmpdir(), "schakel-report-"));
const report = join(folder, "events.jsonl");

/** What the reporter has written so far; a line that is not whole yet is left for the next time. */
const events = () => {
  try {
    const lines = readFileSync(report, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line));
  } catch {
    return [];
  }
};
const hasEnded = () => events().some(({ event }) => event === "ended");

const problems = [];
// A process group of its own, so that what the command started ends with it.
const child = spawn(command, commandArgs, {
  detached: true,
  stdio: ["ignore", "pipe", "pipe"],
  env: { ...process.env, TEST_REPORT: report },
});
child.stdout.pipe(process.stdout, { end: false });
child.stderr.pipe(process.stderr, { end: false });

const signalGroup = (signal) => {
  try {
    return process.kill(-child.pid, signal);
  } catch {
    return false;
  }
};
const giveUp = (problem) => {
  if (problems.length === 0) problems.push(problem);
  signalGroup("SIGTERM");
  setTimeout(() => signalGroup("SIGKILL"), KILL_AFTER_MS).unref();
};
const until = async (condition, withinMs) => {
  const deadline = Date.now() + withinMs;
  while (!condition() && Date.now() < deadline) await new Promise((go) => setTimeout(go, POLL_MS));
  return condition();
};

const limit = setTimeout(
  () => giveUp(`the command still ran after ${limitS} s and was ended`),
  limitS * 1_000,
);
let endedAt;
const watch = setInterval(() => {
  endedAt ??= hasEnded() ? Date.now() : undefined;
  if (endedAt !== undefined && Date.now() - endedAt > graceS * 1_000)
    giveUp(
      "all tests had ended, but their process had not: a socket, timer or process is left open",
    );
}, POLL_MS);
for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, () => giveUp(`the run was ended by ${signal}`));

const { code, signal } = await new Promise((resolve) => {
  child.once("error", (error) => resolve({ code: 127, signal: error.code }));
  child.once("exit", (code, signal) => resolve({ code, signal }));
});
clearTimeout(limit);
clearInterval(watch);

if (child.pid !== undefined && !(await until(() => !signalGroup(0), KILL_AFTER_MS))) {
  signalGroup("SIGKILL");
  if (problems.length === 0) problems.push("a process was left behind and was ended");
}
// A process that left the group could still hold the pipes: nothing may follow the last line.
await until(() => child.stdout.readableEnded && child.stderr.readableEnded, 1_000);
child.stdout.destroy();
child.stderr.destroy();

const all = events();
const named = (event) => all.filter((one) => one.event === event);
const [passed, failed, skipped] = [named("passed"), named("failed"), named("skipped")];
rmSync(folder, { recursive: true });

if (problems.length === 0) {
  if (!all.some(({ event }) => event === "ended"))
    problems.push(`the tests did not run to their end (exit code ${code}, signal ${signal})`);
  else if (code !== 0 && failed.length === 0)
    problems.push(`the command ended with exit code ${code}, signal ${signal}`);
  else if (passed.length + failed.length === 0) problems.push("no test ran");
}
const failures = failed.length + problems.length;
const lines = [
  "",
  ...skipped.map(({ title, reason }) => `skipped: ${title}: ${reason}`),
  ...failed.map(({ title }) => `failed: ${title}`),
  ...problems.map((problem) => `failed: ${problem}`),
  `${passed.length} passed, ${failures} failed` +
    (skipped.length === 0 ? "" : `, ${skipped.length} skipped`),
];
process.stdout.write(`${lines.join("\n")}\n`, () => process.exit(failures === 0 ? 0 : 1));
