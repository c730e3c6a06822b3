// Compiles the rooms into dist/, puts the .proto files and licences beside them, and links the command.
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);

const compiler = at("node_modules", "typescript", "bin", "tsc");
const compiled = spawnSync(process.execPath, [compiler, "-p", at("tsconfig.build.json")], {
  stdio: "inherit",
});
if (compiled.status !== 0) process.exit(compiled.status ?? 1);

cpSync(at("proto", "schakel"), at("dist", "proto", "schakel"), { recursive: true });

const entry = at("dist", "cli", "main.js");
if (existsSync(entry)) {
  chmodSync(entry, 0o755);
  // npx prefers node_modules/.bin to its own cache, which it would fill by running prepare again.
  const link = at("node_modules", ".bin", "schakel");
  mkdirSync(dirname(link), { recursive: true });
  rmSync(link, { force: true });
  symlinkSync(join("..", "..", "dist", "cli", "main.js"), link);
}
