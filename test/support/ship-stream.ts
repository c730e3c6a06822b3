// A stream of records to a manager, as an inway or outway has it, step by step.
import type { ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import type { InternalBundle } from "../../certs/internal-bundle.js";
import { openManager } from "../../component/manager-channel.js";
import type { Address } from "../../core/address.js";
import {
  LogIntakeServiceClient,
  type ShipLogRequest,
  type ShipLogResponse,
} from "../../proto/gen/schakel/manager/v1/log.js";
import type { ArrivingBatch } from "../../txlog/store/arrived.js";
import { GROUP } from "./transaction-log.js";
import { until } from "./until.js";

/** One stream. Whoever opens it ends it. */
export class ShippingStream {
  readonly responses: ShipLogResponse[] = [];
  /** How it ended: the code of the error table, "ended" in good order, or grpc's own words. */
  outcome: string | undefined;

  private constructor(
    private readonly client: LogIntakeServiceClient,
    private readonly stream: ClientDuplexStream<ShipLogRequest, ShipLogResponse>,
  ) {
    stream.on("data", (response: ShipLogResponse) => void this.responses.push(response));
    stream.on("error", (error: ServiceError) => {
      this.outcome ??= String(error.metadata.get("fsc-error-code")[0] ?? error.message);
    });
    stream.on("end", () => {
      setImmediate(() => (this.outcome ??= "ended"));
    });
  }

  static async open(bundle: InternalBundle, address: Address): Promise<ShippingStream> {
    const client = await openManager(LogIntakeServiceClient, { bundle, address });
    return new ShippingStream(client, client.shipLog());
  }

  /** The sequence that the manager wants next; 0 before it has said so. */
  get next(): number {
    return Number(this.responses.at(-1)?.nextSequence ?? 0n);
  }

  send(step: ShipLogRequest["step"]): void {
    this.stream.write({ step });
  }

  /** Says who writes, and waits for the answer. */
  async begin(writerId: string, groupId = GROUP): Promise<number> {
    const value = { groupId, writerId: Buffer.from(writerId.replaceAll("-", ""), "hex") };
    this.send({ $case: "begin", value });
    await this.answered();
    return this.next;
  }

  /** Names a segment. */
  segment(number: number, key: Buffer): void {
    this.send({ $case: "segment", value: { number, key } });
  }

  /** Sends records. */
  batch({ firstSequence, count, records }: ArrivingBatch): void {
    const value = { firstSequence: BigInt(firstSequence), count, records };
    this.send({ $case: "batch", value });
  }

  /** Waits for one more answer, or the end. */
  async answered(): Promise<void> {
    const before = this.responses.length;
    await until(
      "an answer",
      () => this.responses.length > before || this.outcome !== undefined,
      30_000,
    );
  }

  /** Waits until the manager has everything before this sequence, or the end. */
  async reached(sequence: number): Promise<void> {
    await until(
      `the manager to have what is before ${sequence}`,
      () => this.next >= sequence || this.outcome !== undefined,
      30_000,
    );
  }

  /** Waits for the end and says how it was. */
  async ended(): Promise<string> {
    return until("the end of the stream", () => this.outcome, 30_000);
  }

  /** Ends it in good order. */
  finish(): void {
    this.stream.end();
  }

  close(): void {
    this.stream.cancel();
    this.client.close();
  }
}
