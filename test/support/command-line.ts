// The commands that talk to a manager, run as people run them: as processes, with identities of each organisation.
import { expect } from "chai";
import type { Role } from "../../certs/internal-identity.js";
import type { Organisation } from "./managers.js";
import { schakel, type CommandResult } from "./schakel.js";
import { until } from "./until.js";

const WAIT_MS = 60_000;

/** A contract as commands print it; what no test reads is left out. */
export interface ShownContract {
  readonly hash: string;
  readonly state: string;
  readonly summary: readonly string[];
  readonly grant_hashes: readonly string[];
  readonly content: { readonly validity: { readonly not_before: number; not_after: number } };
}

/** What a command that acts on a contract prints. */
export interface Acted {
  readonly created?: boolean;
  readonly changed?: boolean;
  readonly contract: ShownContract;
}

/** Runs commands for organisations whose managers run in this process. */
export class CommandLine {
  readonly #identities = new Map<string, Promise<string>>();
  #key = 0;

  /** A thumbprint of a key that no other test asks for. */
  newKey(): string {
    this.#key += 1;
    return this.#key.toString(16).padStart(64, "0");
  }

  /** The folder of an identity, made once. */
  identity(at: Organisation, role: Role = "cli"): Promise<string> {
    const id = `${at.peerId} ${role}`;
    const { internalAddress: manager } = at.manager;
    const dir = this.#identities.get(id) ?? at.pki.identity(role, role, { manager });
    this.#identities.set(id, dir);
    return dir;
  }

  /** Runs a command to its end. */
  async run(at: Organisation, ...args: readonly string[]): Promise<CommandResult> {
    return schakel([...args, "--identity", await this.identity(at)]);
  }

  /** Starts a command, and waits until it has said something on standard error. Its end, at the end of the promise, is for the caller to await. */
  async saying(
    at: Organisation,
    text: string,
    ...args: readonly string[]
  ): Promise<{ readonly ended: Promise<CommandResult> }> {
    let said = "";
    const errorText = (soFar: string): string => (said = soFar);
    const ended = schakel([...args, "--identity", await this.identity(at)], { errorText });
    await until(`'${args.join(" ")}' to say ${text}`, () => said.includes(text), WAIT_MS);
    return { ended };
  }

  /** What a command that succeeds prints. */
  async printed(at: Organisation, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(at, ...args);
    expect(code, `${args.join(" ")}: ${stderr}`).to.equal(0);
    return stdout;
  }

  /** The one document that a command prints with --json. */
  async json<T>(at: Organisation, ...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.printed(at, ...args, "--json")) as T;
  }

  /** The same for a command that acts on a contract. */
  act(at: Organisation, ...args: readonly string[]): Promise<Acted> {
    return this.json(at, ...args);
  }

  /** Asks for access to the service "echo", for a key of its own. */
  request(at: Organisation, provider: Organisation): Promise<Acted> {
    return this.act(
      at,
      ...["access", "request", provider.peerId, "echo", "--public-key", this.newKey()],
    );
  }

  /** Waits until a contract has a state at an organisation. */
  arrives(at: Organisation, hash: string, state: string): Promise<ShownContract> {
    return until(
      `${hash.slice(0, 15)} to be ${state} at ${at.peer.name}`,
      async () => {
        const { code, stdout } = await this.run(at, "contract", "show", hash, "--json");
        const contract = code === 0 ? (JSON.parse(stdout) as ShownContract) : undefined;
        return contract?.state === state ? contract : undefined;
      },
      WAIT_MS,
    );
  }
}
