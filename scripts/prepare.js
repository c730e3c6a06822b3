// Runs after `npm ci`: builds, so that `npx schakel` works at once. An installation without development
// dependencies has no compiler and uses the dist/ it came with.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
if (existsSync(join(root, "node_modules", "typescript"))) await import("./build.js");
