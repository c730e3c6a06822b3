// The version of this software, as it stands in package.json.
import { readFileSync } from "node:fs";

const readVersion = (): string => {
  // From the sources package.json lies one folder up, from dist/ two.
  for (const path of ["../package.json", "../../package.json"]) {
    try {
      const parsed: unknown = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
      if (typeof parsed === "object" && parsed !== null && "version" in parsed)
        return String(parsed.version);
    } catch {
      continue;
    }
  }
  throw new Error("package.json was not found beside the program");
};

/** For example "0.1.0". */
export const VERSION = readVersion();
