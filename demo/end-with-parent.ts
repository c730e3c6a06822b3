// Preloaded into every process that demo/processes.ts starts. Its standard input is a pipe from the
// process that started it; when that one dies, however it dies, the pipe closes and this one stops too.
import { isMainThread } from "node:worker_threads";

if (isMainThread) {
  process.stdin.once("close", () => process.kill(process.pid, "SIGTERM"));
  process.stdin.resume();
  // The pipe alone keeps nobody running.
  if ("unref" in process.stdin) process.stdin.unref();
}
