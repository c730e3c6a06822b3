// A manager's side of ShipLog that keeps what it is given in memory, strictly, and does what a test says.
import { status, type ServerDuplexStream } from "@grpc/grpc-js";
import type { GrpcServer } from "../../core/grpc-server.js";
import { decodeLeaf } from "../../txlog/decode-leaf.js";
import type { LogRecord } from "../../txlog/record.js";
import {
  LogIntakeServiceService,
  type LogIntakeServiceServer,
  type ShipLogRequest,
  type ShipLogResponse,
  type ShippedBatch,
} from "../../proto/gen/schakel/manager/v1/log.js";

type Stream = ServerDuplexStream<ShipLogRequest, ShipLogResponse>;

/** A record as it came, under which key. */
export interface TakenRecord {
  readonly leaf: Buffer;
  readonly sealed: Buffer;
  readonly key: Buffer;
}

/** One writer's records. */
export class TakenLog {
  readonly records: TakenRecord[] = [];
  /** How often a record came that was there already. */
  repeated = 0;
  readonly segments: number[] = [];
  stream: Stream | undefined;

  constructor(readonly groupId: string) {}

  get next(): number {
    return this.records.length + 1;
  }

  /** The records, read. */
  get decoded(): LogRecord[] {
    return this.records.map(({ leaf }) => decodeLeaf(leaf));
  }
}

interface Taking {
  log: TakenLog | undefined;
  key: Buffer;
}

const uuidOf = (bytes: Buffer): string =>
  bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");

/** Takes the logs of all writers of one organisation. */
export class LogIntake {
  /** By writer id. */
  readonly writers = new Map<string, TakenLog>();
  /** While false, nothing is acknowledged: the store does not answer. */
  acknowledges = true;
  /** Ends every stream with this error when it begins. */
  refuses: Error | undefined;
  streams = 0;

  /** Serves it. */
  addTo(server: Pick<GrpcServer<unknown>, "grpc">): void {
    const answers: LogIntakeServiceServer = { shipLog: (stream) => this.#take(stream) };
    server.grpc.addService(LogIntakeServiceService, answers);
  }

  /** The log of the only writer. */
  get only(): TakenLog | undefined {
    return [...this.writers.values()][0];
  }

  /** Answers every stream with where it stands. */
  acknowledge(newSegment = false): void {
    for (const log of this.writers.values()) {
      log.stream?.write({ nextSequence: BigInt(log.next), newSegment });
    }
  }

  #take(stream: Stream): void {
    this.streams += 1;
    const state: Taking = { log: undefined, key: Buffer.alloc(0) };
    stream.on("error", () => undefined);
    stream.on("data", (request: ShipLogRequest) => {
      try {
        this.#step(stream, state, request);
      } catch (error) {
        stream.emit("error", { code: status.INTERNAL, details: (error as Error).message });
      }
    });
    stream.on("end", () => stream.end());
  }

  #step(stream: Stream, state: Taking, { step }: ShipLogRequest): void {
    if (this.refuses !== undefined) throw this.refuses;
    const { log } = state;
    if (step?.$case === "begin") {
      const id = uuidOf(step.value.writerId);
      const begun = this.writers.get(id) ?? new TakenLog(step.value.groupId);
      state.log = begun;
      this.writers.set(id, begun);
      begun.stream = stream;
      stream.write({ nextSequence: BigInt(begun.next), newSegment: false });
    } else if (step?.$case === "segment") {
      if (step.value.key.length !== 32) throw new Error("it is no key");
      state.key = step.value.key;
      log?.segments.push(step.value.number);
    } else if (step?.$case === "batch" && log !== undefined) {
      this.#add(log, step.value, state.key);
      if (this.acknowledges) stream.write({ nextSequence: BigInt(log.next), newSegment: false });
    }
  }

  #add(log: TakenLog, { firstSequence, count, records }: ShippedBatch, key: Buffer): void {
    let at = 0;
    for (let index = 0; index < count; index++) {
      const sequence = Number(firstSequence) + index;
      const [leafBytes, sealedBytes] = [records.readUInt32BE(at), records.readUInt32BE(at + 4)];
      const leaf = records.subarray(at + 8, at + 8 + leafBytes);
      const sealed = records.subarray(at + 8 + leafBytes, at + 8 + leafBytes + sealedBytes);
      at += 8 + leafBytes + sealedBytes;
      const known = log.records[sequence - 1];
      if (sequence > log.next) throw new Error(`record ${String(sequence)} leaves a gap`);
      if (Number(decodeLeaf(leaf).sequence) !== sequence) throw new Error("another sequence");
      if (known === undefined) log.records.push({ leaf, sealed, key });
      else if (known.leaf.equals(leaf)) log.repeated += 1;
      else throw new Error(`record ${String(sequence)} differs`);
    }
    if (at !== records.length) throw new Error("bytes are left over");
  }
}
