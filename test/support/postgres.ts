// A PostgreSQL server of a test's own, in a temporary folder, for as long as the test needs it.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { freePort } from "./network-peers.js";
import { until } from "./until.js";

const VERSIONS = "/usr/lib/postgresql";
/** A machine that is busy starts one slowly. */
const START_MS = 60_000;
const USER = "schakel";
const PASSWORD = "of the test's own server";

/** The folder of the server's programs, of the newest version that is here; undefined when there is none. */
const programs = (): string | undefined =>
  (existsSync(VERSIONS) ? readdirSync(VERSIONS) : [])
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(VERSIONS, version, "bin"))
    .find((folder) => existsSync(join(folder, "initdb")));

/** Whether a server can be started here. */
export const hasPostgres = (): boolean => programs() !== undefined;

/** Says how to have the tests run that need it. */
export const NO_POSTGRES =
  "there is no PostgreSQL server here: install the Debian package postgresql";

/** The server refuses to run as root, so that root lets the user of Debian's package run it. */
const runner = (): { readonly uid?: number; readonly gid?: number } => {
  if (process.getuid?.() !== 0) return {};
  const of = (flag: string): number =>
    Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: of("-u"), gid: of("-g") };
};

/** A running server. */
export class PostgresServer {
  #process: ChildProcess | undefined;
  #databases = 0;
  readonly #endAtOnce = (): void => void this.#process?.kill("SIGQUIT");

  private constructor(
    private readonly folder: string,
    private readonly port: number,
  ) {}

  /** Makes a server and starts it. With `hasPostgres` only. */
  static async start(options: readonly string[] = []): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), "schakel-postgres-"));
    const user = runner();
    const { uid, gid } = user;
    if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid);
    const server = new PostgresServer(folder, await freePort());
    writeFileSync(server.passwordFile, `${PASSWORD}\n`);
    const initdb = join(programs() ?? "", "initdb");
    const args = ["-D", server.#data, "-U", USER, "-A", "scram-sha-256", "--no-sync"];
    const more = [`--pwfile=${server.passwordFile}`, "-E", "UTF8", "--locale=C.UTF-8"];
    execFileSync(initdb, [...args, ...more], { ...user, cwd: folder, stdio: "ignore" });
    try {
      await server.run(options);
      return server;
    } catch (error) {
      await server.remove();
      throw error;
    }
  }

  get #data(): string {
    return join(this.folder, "data");
  }

  /** Where the password is. */
  get passwordFile(): string {
    return join(this.folder, "password");
  }

  /** Starts the server, again after `stop`; resolves when it answers. */
  async run(options: readonly string[] = []): Promise<void> {
    const set = [`listen_addresses=127.0.0.1`, `unix_socket_directories=`, ...options];
    this.#process = spawn(
      join(programs() ?? "", "postgres"),
      ["-D", this.#data, "-p", String(this.port), ...set.flatMap((each) => ["-c", each])],
      { ...runner(), cwd: this.folder, stdio: "ignore" },
    );
    process.once("exit", this.#endAtOnce);
    await until(
      "PostgreSQL to answer",
      () =>
        this.query("select 1").then(
          () => true,
          () => false,
        ),
      START_MS,
    );
  }

  /** Runs a statement in the database that is there from the start. */
  async query(statement: string): Promise<unknown[]> {
    const client = new pg.Client({ connectionString: this.fullUrl });
    client.on("error", () => undefined);
    try {
      await client.connect();
      return (await client.query<Record<string, unknown>>(statement)).rows;
    } finally {
      await client.end();
    }
  }

  /** A database's address, without the password. */
  url(database: string): string {
    return `postgres://${USER}@127.0.0.1:${String(this.port)}/${database}`;
  }

  /** The address of the database that is there from the start, with the password. */
  get fullUrl(): string {
    return this.url("postgres").replace("@", `:${encodeURIComponent(PASSWORD)}@`);
  }

  /** Makes an empty database. */
  async database(): Promise<{ readonly url: string; readonly passwordFile: string }> {
    const name = `test_${String(++this.#databases)}`;
    await this.query(`create database ${name}`);
    return { url: this.url(name), passwordFile: this.passwordFile };
  }

  /** Ends the server, with the connections that it has. */
  async stop(): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    process.off("exit", this.#endAtOnce);
    if (running === undefined) return;
    const ended = once(running, "exit");
    running.kill("SIGINT");
    await ended;
  }

  /** Ends the server and removes all of it. */
  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
