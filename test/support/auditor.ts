// An auditor of an organisation of a network: runs `schakel log` as people do, and calls the interface as programs do.
import { expect } from "chai";
import type { ClientReadableStream, Metadata } from "@grpc/grpc-js";
import type { Role } from "../../certs/internal-identity.js";
import { callManager } from "../../component/manager-call.js";
import { openManager } from "../../component/manager-channel.js";
import {
  LogServiceClient,
  type LogServiceService,
} from "../../proto/gen/schakel/manager/v1/log.js";
import type { NetworkOrganisation } from "./network-peers.js";
import { schakel, type CommandResult } from "./schakel.js";

type Definitions = typeof LogServiceService;
type RequestOf<K extends keyof Definitions> = ReturnType<Definitions[K]["requestDeserialize"]>;
type ResponseOf<K extends keyof Definitions> = ReturnType<Definitions[K]["responseDeserialize"]>;

/** Looks into one organisation's log. Whoever makes it closes it. */
export class Auditor {
  private constructor(
    /** The identity folder of its commands. */
    readonly identity: string,
    private readonly client: LogServiceClient,
  ) {}

  static async open(organisation: NetworkOrganisation, role: Role = "cli"): Promise<Auditor> {
    const identity = await organisation.identity("cli", "auditor");
    const address = { host: "127.0.0.1", port: organisation.ports.internal };
    const bundle = await organisation.pki.bundle(role, "auditor");
    return new Auditor(identity, await openManager(LogServiceClient, { bundle, address }));
  }

  /** Runs `schakel log …` to its end. */
  run(...args: readonly string[]): Promise<CommandResult> {
    return schakel(["log", ...args, "--identity", this.identity]);
  }

  /** What a command that succeeds prints. */
  async printed(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    expect(code, `${args.join(" ")}: ${stderr}${stdout}`).to.equal(0);
    return stdout;
  }

  /** The document that it prints with --json. */
  async json<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.printed(...args, "--json")) as T;
  }

  /** Calls a method that answers once. Rejects with a ManagerError. */
  call<K extends keyof Definitions>(method: K, request: RequestOf<K>): Promise<ResponseOf<K>> {
    const asking = this.client[method].bind(this.client) as unknown as (
      ...args: unknown[]
    ) => never;
    return callManager<ResponseOf<K>>((metadata: Metadata, options, answered) =>
      asking(request, metadata, options, answered),
    );
  }

  /** The messages of a method that answers with many. */
  async all<K extends "readLog" | "getEvidence" | "reconcile">(
    method: K,
    request: RequestOf<K>,
  ): Promise<ResponseOf<K>[]> {
    const asking = this.client[method].bind(this.client) as unknown as (
      given: unknown,
    ) => ClientReadableStream<ResponseOf<K>>;
    const found: ResponseOf<K>[] = [];
    for await (const message of asking(request)) found.push(message as ResponseOf<K>);
    return found;
  }

  close(): void {
    this.client.close();
  }
}
