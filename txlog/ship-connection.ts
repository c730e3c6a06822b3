// One stream of records to the manager, and what the manager has said on it.
import type { ClientDuplexStream } from "@grpc/grpc-js";
import type { ShipLogRequest, ShipLogResponse } from "../proto/gen/schakel/manager/v1/log.js";
import type { RecordRun } from "./record-reader.js";

/** The stream of LogIntakeService.ShipLog. */
export type ShipStream = ClientDuplexStream<ShipLogRequest, ShipLogResponse>;

const NO_KEY = Buffer.alloc(32);

const uuidBytes = (uuid: string): Buffer => Buffer.from(uuid.replaceAll("-", ""), "hex");

/** Bounded in what may be on its way; fails when the manager breaks it off or is silent for too long. */
export class ShipConnection {
  /** The sequence that the manager wants next: it has every record before it. Undefined until its first answer. */
  next: number | undefined;
  /** Whether the manager has asked for a new segment since this was last set to false. */
  newSegment = false;
  /** The sequence after the last record that was sent. */
  sent = 0;
  #failure: Error | undefined;
  #isDraining = false;
  /** Sizes of the runs that are not acknowledged, by the sequence after their last record. */
  readonly #flying = new Map<number, number>();
  #flyingBytes = 0;
  /** The segment that was named last. */
  segment: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param changed called after each change */
  constructor(
    private readonly stream: ShipStream,
    private readonly limits: { readonly flyingBytes: number; readonly answerMs: number },
    private readonly changed: () => void,
  ) {
    stream.on("data", (response: ShipLogResponse) => this.#take(response));
    stream.on("error", (error) => this.#fail(error));
    stream.on("end", () => this.#fail(new Error("the manager ended the stream")));
    stream.on("drain", () => {
      this.#isDraining = false;
      changed();
    });
  }

  /** Whether another run may be sent. */
  get hasRoom(): boolean {
    return !this.#isDraining && this.#flyingBytes < this.limits.flyingBytes;
  }

  /** Throws why the stream is over, if it is. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Says whose records follow. */
  begin(groupId: string, writerId: string): void {
    const value = { groupId, writerId: uuidBytes(writerId) };
    this.#write({ step: { $case: "begin", value } });
    this.#watch();
  }

  /** Sends records, and the segment's key before its first. */
  async send(run: RecordRun, keyOf: (segment: number) => Promise<Buffer>): Promise<void> {
    const { segment, firstSequence, count, records } = run;
    if (segment !== this.segment) this.#name(segment, await keyOf(segment));
    this.sent = firstSequence + count;
    this.#flying.set(this.sent, records.length);
    this.#flyingBytes += records.length;
    const value = { firstSequence: BigInt(firstSequence), count, records };
    this.#write({ step: { $case: "batch", value } });
    if (this.#timer === undefined) this.#watch();
  }

  /** Says that the keys of the segments before this one are gone; its own comes with its records. */
  announce(segment: number): void {
    this.#name(segment, NO_KEY);
    this.segment = undefined;
  }

  /** Ends the stream. */
  end(): void {
    clearTimeout(this.#timer);
    this.#failure ??= new Error("the stream was ended here");
    this.stream.cancel();
  }

  #name(segment: number, key: Buffer): void {
    this.#write({ step: { $case: "segment", value: { number: segment, key } } });
    this.segment = segment;
  }

  #write(request: ShipLogRequest): void {
    if (this.#failure === undefined && !this.stream.write(request)) this.#isDraining = true;
  }

  #take({ nextSequence, newSegment }: ShipLogResponse): void {
    const next = Number(nextSequence);
    if (this.next === undefined) this.sent = next;
    this.next = Math.max(this.next ?? 0, next);
    this.newSegment ||= newSegment;
    for (const [end, bytes] of this.#flying) {
      if (end > next) break;
      this.#flying.delete(end);
      this.#flyingBytes -= bytes;
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#flying.size > 0) this.#watch();
    this.changed();
  }

  #watch(): void {
    this.#timer = setTimeout(() => {
      this.#fail(new Error("the manager has not answered in time"));
      this.stream.cancel();
    }, this.limits.answerMs).unref();
  }

  #fail(error: Error): void {
    clearTimeout(this.#timer);
    this.#failure ??= error;
    this.changed();
  }
}
