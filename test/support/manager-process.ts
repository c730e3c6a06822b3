// The manager of one organisation as a process of its own, with what a test needs to call it as a component.
import { fileURLToPath } from "node:url";
import type { InternalBundle } from "../../certs/internal-bundle.js";
import type { Role } from "../../certs/internal-identity.js";
import type { Address } from "../../core/address.js";
import { flagOf } from "../../core/settings.js";
import { Processes, type Running } from "../../demo/processes.js";
import { Organisations, type Organisation } from "./managers.js";
import { freePort } from "./network.js";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const READY_MS = 30_000;

/** The process, which may be started and killed many times. Whoever makes it removes it. */
export class ManagerProcess {
  readonly #processes = new Processes();
  #running: Running | undefined;

  private constructor(
    private readonly network: Organisations,
    readonly address: Address,
    readonly healthAddress: Address,
  ) {}

  /** Makes an organisation whose manager does not run yet. */
  static async prepare(): Promise<ManagerProcess> {
    const network = await Organisations.prepare(1);
    const own = { host: "127.0.0.1", port: await freePort() };
    return new ManagerProcess(network, own, { host: "127.0.0.1", port: await freePort() });
  }

  get organisation(): Organisation {
    return this.network.at(0);
  }

  /** Its data folder. */
  get data(): string {
    return this.organisation.data;
  }

  get running(): Running {
    if (this.#running === undefined) throw new Error("the manager does not run");
    return this.#running;
  }

  async start(): Promise<void> {
    const flags: Readonly<Record<string, string | boolean>> = {
      ...this.organisation.flags(),
      ...{ internalListen: `127.0.0.1:${this.address.port}`, logFormat: "json" },
      healthListen: `127.0.0.1:${this.healthAddress.port}`,
    };
    const args = Object.entries(flags).flatMap(([key, value]) =>
      value === true ? [flagOf(key)] : [flagOf(key), String(value)],
    );
    this.#running = await this.#processes.start("manager", [CLI, "manager", ...args]);
    await this.#running.waitForLine(({ text }) => text.includes('"msg":"listening"'), READY_MS);
  }

  /** A certificate of the organisation's internal CA. */
  bundle(role: Role, name: string): Promise<InternalBundle> {
    return this.organisation.pki.bundle(role, name);
  }

  /** Ends it as the system does: at once, whatever it is doing. */
  async kill(): Promise<void> {
    this.running.kill("SIGKILL");
    await this.running.exited;
  }

  async remove(): Promise<void> {
    await this.#processes.stopAll();
    await this.network.remove();
  }
}
