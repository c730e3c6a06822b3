// The pairs beside ours: nginx, HAProxy with HTTP/1.1 and with HTTP/2 between, and Go's standard library. Each is left
// out, and named, where it is not installed.
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { freePort } from "../../test/support/network-peers.js";
import { clientTls, type Pair, type PairName, type Surroundings } from "./pair.js";
import { installed, printed, startProgram, type Program } from "./program.js";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const GO = fileURLToPath(new URL("../go/", import.meta.url));

/** A pair with how it is ended. */
export interface StartedPair {
  readonly pair: Pair;
  readonly stop: () => Promise<void>;
}

/** Writes a configuration of this folder with its @NAMES@ filled in. Resolves with its path. */
export const configure = async (
  folder: string,
  file: string,
  values: Readonly<Record<string, string | number>>,
): Promise<string> => {
  const text = await readFile(join(HERE, file), "utf8");
  const filled = text.replace(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${file}: nothing for ${name}`);
    return String(value);
  });
  const path = join(folder, values["NAME"] === undefined ? file : String(values["NAME"]));
  await writeFile(path, filled);
  return path;
};

interface Ports {
  readonly outway: number;
  readonly inway: number;
}

const valuesOf = (
  around: Surroundings,
  { outway, inway }: Ports,
): Record<string, string | number> => ({
  ...{ DIR: around.folder, OUTWAY: outway, INWAY: inway, SOURCE: around.sourcePort },
  ...{ ANCHOR: around.anchor, INWAY_NAME: around.inwayName },
  ...{ OUTWAY_CERT: around.outwayFiles.cert, OUTWAY_KEY: around.outwayFiles.key },
  ...{ INWAY_CERT: around.inwayFiles.cert, INWAY_KEY: around.inwayFiles.key },
});

/** Starts the inway and then the outway of a pair. */
const startPair = async (
  name: PairName,
  around: Surroundings,
  start: (role: "outway" | "inway", ports: Ports) => Promise<Program>,
): Promise<StartedPair> => {
  const ports = { outway: await freePort(), inway: await freePort() };
  const inway = await start("inway", ports);
  const outway = await start("outway", ports);
  const pair: Pair = {
    ...name,
    url: `http://127.0.0.1:${ports.outway}`,
    direct: () =>
      Promise.resolve({ url: `https://127.0.0.1:${ports.inway}`, tls: clientTls(around) }),
    outway: await outway.pids(),
    inway: await inway.pids(),
    managers: [],
  };
  return {
    pair,
    stop: async () => {
      await outway.stop();
      await inway.stop();
    },
  };
};

const startNginx = async (path: string, around: Surroundings): Promise<StartedPair> => {
  const version = /nginx\/(\S+)/.exec(await printed(path, "-v"))?.[1] ?? "?";
  const name = { pair: "nginx", link: "http1", log: "off", version: `nginx ${version}` } as const;
  return startPair(name, around, async (role, ports) => {
    const values = { ...valuesOf(around, ports), NAME: `nginx-${role}.conf` };
    const config = await configure(around.folder, `nginx-${role}.conf`, values);
    return startProgram(path, ["-p", around.folder, "-c", config], ports[role]);
  });
};

const startHaproxy = async (
  path: string,
  around: Surroundings,
  link: "http1" | "http2",
): Promise<StartedPair> => {
  const version = /version (\d\S*?)[-\s]/.exec(await printed(path, "-v"))?.[1] ?? "?";
  const name = { pair: "haproxy", link, log: "off", version: `HAProxy ${version}` } as const;
  return startPair(name, around, async (role, ports) => {
    const files = role === "outway" ? around.outwayFiles : around.inwayFiles;
    // It wants certificate and key in one file.
    const pem = join(around.folder, `haproxy-${role}.pem`);
    await writeFile(
      pem,
      (await readFile(files.cert, "utf8")) + (await readFile(files.key, "utf8")),
    );
    const values = {
      ...valuesOf(around, ports),
      ...{ OUTWAY_PEM: pem, INWAY_PEM: pem, NAME: `haproxy-${link}-${role}.cfg` },
      ALPN: link === "http2" ? "h2" : "http/1.1",
    };
    const config = await configure(around.folder, `haproxy-${role}.cfg`, values);
    return startProgram(path, ["-db", "-f", join(HERE, "haproxy.cfg"), "-f", config], ports[role]);
  });
};

const startGo = async (path: string, around: Surroundings): Promise<StartedPair> => {
  const version = /go(\d\S+)/.exec(await printed(path, "version"))?.[1] ?? "?";
  const program = join(around.folder, "go-hop");
  const env = { ...process.env, GOTOOLCHAIN: "local", GOFLAGS: "-buildvcs=false" };
  await promisify(execFile)(path, ["build", "-o", program, "."], { cwd: GO, env });
  const name = { pair: "go", link: "http1", log: "off", version: `Go ${version}` } as const;
  return startPair(name, around, async (role, ports) => {
    const { cert, key } = role === "outway" ? around.outwayFiles : around.inwayFiles;
    const target =
      role === "outway"
        ? `https://127.0.0.1:${ports.inway}`
        : `http://127.0.0.1:${around.sourcePort}`;
    const flags = { role, target, cert, key, anchor: around.anchor, name: around.inwayName };
    const args = Object.entries({ ...flags, listen: `127.0.0.1:${ports[role]}` }).map(
      ([flag, value]) => `-${flag}=${value}`,
    );
    // One processor, as the others have one thread: with more it uses more time for the same.
    return startProgram(program, args, ports[role], { GOMAXPROCS: "1" });
  });
};

type Start = (path: string, around: Surroundings) => Promise<StartedPair>;

const PEERS: readonly (readonly [program: string, start: Start])[] = [
  ["nginx", startNginx],
  ["haproxy", (path, around) => startHaproxy(path, around, "http1")],
  ["haproxy", (path, around) => startHaproxy(path, around, "http2")],
  ["go", startGo],
];

/** Starts every pair that is installed and asked for. Names those that are not installed. */
export const startPeers = async (
  around: Surroundings,
  isWanted: (program: string) => boolean,
): Promise<{ readonly started: readonly StartedPair[]; readonly missing: readonly string[] }> => {
  const started: StartedPair[] = [];
  const missing = new Set<string>();
  for (const [program, start] of PEERS) {
    const path = installed(program);
    if (!isWanted(program)) continue;
    if (path === undefined) missing.add(program);
    else started.push(await start(path, around));
  }
  return { started, missing: [...missing] };
};
