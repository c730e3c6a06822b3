// What an OpenAPI description (3.x, or Swagger 2.0) says of its paths, out of its JSON or YAML. Only names of paths
// and addresses of servers are looked at.
import { parse as parseYaml } from "yaml";
import type { DescribedPaths } from "./path-matcher.js";

/** How many paths a description may have. */
export const PATHS_MAX = 5_000;
/** How many of its servers are looked at. */
const SERVERS_MAX = 100;

/** A description that cannot be used. The message quotes nothing of it. */
export class DescriptionUnusable extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = "DescriptionUnusable";
  }
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const parse = (bytes: Uint8Array): unknown => {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DescriptionUnusable("it is not UTF-8", { cause });
  }
  const isJson = text.trimStart().startsWith("{");
  try {
    return isJson ? JSON.parse(text) : parseYaml(text, { logLevel: "error" });
  } catch (cause) {
    throw new DescriptionUnusable(isJson ? "it is not JSON" : "it is not YAML", { cause });
  }
};

/** A server's URL with the defaults of its variables; undefined when one has none. */
const filledIn = (url: string, variables: Fields): string | undefined => {
  const [start = "", ...parts] = url.split("{");
  let filled = start;
  for (const part of parts) {
    const close = part.indexOf("}");
    const name = part.slice(0, Math.max(0, close));
    const variable = Object.hasOwn(variables, name) ? variables[name] : undefined;
    const value = isFields(variable) ? variable["default"] : undefined;
    if (close < 0 || typeof value !== "string") return undefined;
    filled += value + part.slice(close + 1);
  }
  return filled;
};

const withoutSlash = (path: string): string => (path.endsWith("/") ? path.slice(0, -1) : path);

/** The path of a server; undefined when its URL is none. */
const serverPath = (server: unknown, location: string): string | undefined => {
  if (!isFields(server) || typeof server["url"] !== "string") return undefined;
  const { url, variables } = server;
  const filled = filledIn(url, isFields(variables) ? variables : {});
  // Relative to the description itself, whose host says nothing here.
  const resolved = filled === undefined ? null : URL.parse(filled, `http://source${location}`);
  return resolved === null ? undefined : withoutSlash(resolved.pathname);
};

const serversOf = (description: Fields, location: string): readonly string[] => {
  if (typeof description["swagger"] === "string") {
    const { basePath } = description;
    return typeof basePath === "string" && basePath.startsWith("/") ? [withoutSlash(basePath)] : [];
  }
  const { servers } = description;
  const listed: readonly unknown[] = Array.isArray(servers) ? servers.slice(0, SERVERS_MAX) : [];
  return listed.map((server) => serverPath(server, location)).filter((path) => path !== undefined);
};

/**
 * The templates and servers of a description. Servers of one path alone are not looked at.
 *
 * @param location the path under which the source serves it
 * @throws DescriptionUnusable when it is not JSON or YAML, says nothing of paths, or has more than PATHS_MAX
 */
export const readDescription = (bytes: Uint8Array, location: string): DescribedPaths => {
  const description = parse(bytes);
  const paths = isFields(description) ? description["paths"] : undefined;
  if (!isFields(description) || !isFields(paths)) {
    throw new DescriptionUnusable("it is not an OpenAPI description with paths");
  }
  const templates = Object.keys(paths).filter((name) => !name.startsWith("x-"));
  if (templates.length > PATHS_MAX) {
    throw new DescriptionUnusable(`it has more than ${String(PATHS_MAX)} paths`);
  }
  return { templates, servers: serversOf(description, location) };
};
