// Preloaded into an inway or outway of the bench, and into nothing else: its transaction log records nothing. This is
// how the bench tells what the log costs; the product has no such setting. Only syntax that Node can strip stands here.
import { registerHooks } from "node:module";

const LOG = "/dist/txlog/shipped-log.js";
const NO_LOG = new URL("no-log.ts", import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    return found.url.endsWith(LOG) ? { ...found, url: NO_LOG, format: "module-typescript" } : found;
  },
});
