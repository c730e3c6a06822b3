// The manager's side of LogIntakeService: inways and outways bring their records, one stream a writer.
import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { InternalIdentity, Role } from "../certs/internal-identity.js";
import { SchakelError } from "../core/errors.js";
import type { GrpcServer } from "../core/grpc-server.js";
import type { Log } from "../core/log.js";
import type {
  LogIntakeServiceServer,
  SegmentStart,
  ShipLogBegin,
  ShipLogRequest,
  ShipLogResponse,
  ShippedBatch,
} from "../proto/gen/schakel/manager/v1/log.js";
import type { Ingest, WriterPosition } from "../txlog/store/ingest.js";
import { withRole, type InternalCaller } from "./caller.js";
import { invalidRequest } from "./request.js";

const ROLES: readonly Role[] = ["inway", "outway"];
/** How many writers may be connected at once. */
const STREAMS_MAX = 1000;
/** How long a stream may say nothing before it says whose it is. */
const BEGIN_MS = 10_000;
const UUID_BYTES = 16;
const KEY_BYTES = 32;

/** A call of ShipLog. */
export type ShipLogCall = ServerDuplexStream<ShipLogRequest, ShipLogResponse>;

/** What the intake stands on. */
export interface LogIntakeParts {
  readonly server: GrpcServer<InternalCaller>;
  readonly ingest: Pick<Ingest, "begin" | "segment" | "batch" | "onNewSegment">;
  readonly groupId: () => string;
  readonly log: Log;
}

const uuidOf = (bytes: Buffer): string => {
  if (bytes.length !== UUID_BYTES) {
    throw invalidRequest(`writer_id has ${bytes.length} bytes, allowed are ${UUID_BYTES}`);
  }
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
};

/** Takes the records of all writers. */
export class LogIntake {
  readonly #open = new Set<IntakeStream>();
  readonly #byWriter = new Map<string, IntakeStream>();
  readonly #unsubscribe: () => void;

  constructor(private readonly parts: LogIntakeParts) {
    this.#unsubscribe = parts.ingest.onNewSegment((writerId) =>
      this.#byWriter.get(writerId)?.askNewSegment(),
    );
  }

  /**
   * Begins a writer's stream; from here on it belongs to this.
   *
   * @throws SchakelError ERROR_CODE_ROLE_NOT_ALLOWED, ERROR_CODE_LIMIT_EXCEEDED
   */
  ship(call: ShipLogCall, caller: InternalCaller): void {
    const identity = withRole(caller, ROLES);
    if (this.#open.size >= STREAMS_MAX) {
      throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", {
        detail: `${STREAMS_MAX} streams of records are open`,
      });
    }
    const stream = new IntakeStream(call, identity, this.parts, {
      begun: (writerId, begun) => this.#begun(writerId, begun),
      ended: (writerId, ended) => {
        this.#open.delete(ended);
        if (this.#byWriter.get(writerId) === ended) this.#byWriter.delete(writerId);
      },
    });
    this.#open.add(stream);
  }

  /** Ends every stream, in good order. */
  close(): void {
    this.#unsubscribe();
    for (const stream of [...this.#open]) stream.close();
  }

  #begun(writerId: string, stream: IntakeStream): void {
    const older = this.#byWriter.get(writerId);
    this.#byWriter.set(writerId, stream);
    if (older === undefined) return;
    this.parts.log.warn({ writer: writerId }, "a newer stream of records ends the older");
    older.close();
  }
}

interface StreamEvents {
  readonly begun: (writerId: string, stream: IntakeStream) => void;
  readonly ended: (writerId: string, stream: IntakeStream) => void;
}

/** One writer's stream. One message is worked on at a time; while that is so, no more is read. */
class IntakeStream {
  #writerId = "";
  #segmentKey: Buffer | undefined;
  #position: WriterPosition = { nextSequence: 1, newSegment: false };
  #isOver = false;
  readonly #beginTimer: NodeJS.Timeout;

  constructor(
    private readonly call: ShipLogCall,
    private readonly caller: InternalIdentity,
    private readonly parts: LogIntakeParts,
    private readonly events: StreamEvents,
  ) {
    this.#beginTimer = setTimeout(
      () => this.#fail(invalidRequest("the stream has not said whose it is")),
      BEGIN_MS,
    ).unref();
    call.on("data", (request: ShipLogRequest) => {
      call.pause();
      this.#take(request).then(
        () => call.resume(),
        (error: unknown) => this.#fail(error),
      );
    });
    call.on("end", () => this.close());
    call.on("error", () => this.#end());
    call.on("cancelled", () => this.#end());
    call.on("close", () => this.#end());
  }

  /** Asks the writer for a new segment. */
  askNewSegment(): void {
    this.#position = { ...this.#position, newSegment: true };
    this.#write();
  }

  /** Ends the stream; the writer begins another. */
  close(): void {
    if (this.#isOver) return;
    this.#end();
    this.call.end();
  }

  async #take({ step }: ShipLogRequest): Promise<void> {
    if (this.#isOver) return;
    const first = this.#writerId === "";
    if (first !== (step?.$case === "begin")) {
      throw invalidRequest("the first message of a stream says whose it is, and no other does");
    }
    switch (step?.$case) {
      case "begin":
        this.#position = await this.#begin(step.value);
        break;
      case "segment":
        this.#position = await this.#segment(step.value);
        // It sends no records: the answer to the batch that follows tells all.
        return;
      case "batch":
        this.#position = await this.#batch(step.value);
        break;
      case undefined:
        throw invalidRequest("a message holds one step");
    }
    await this.#answer();
  }

  async #begin({ groupId, writerId }: ShipLogBegin): Promise<WriterPosition> {
    const own = this.parts.groupId();
    if (groupId !== own) {
      throw new SchakelError("ERROR_CODE_INCORRECT_GROUP_ID", {
        detail: `the records are of group "${groupId.slice(0, 255)}", ours is "${own}"`,
      });
    }
    const id = uuidOf(writerId);
    const component = `${this.caller.role}/${this.caller.name}`;
    const position = await this.parts.ingest.begin({ writerId: id, component });
    // It may have ended while the store was asked.
    if (this.#isOver) return position;
    clearTimeout(this.#beginTimer);
    this.#writerId = id;
    this.events.begun(id, this);
    this.parts.log.info({ writer: id, component, next: position.nextSequence }, "records come in");
    return position;
  }

  #segment({ number, key }: SegmentStart): Promise<WriterPosition> {
    if (key.length !== KEY_BYTES) {
      throw invalidRequest(`the segment's key has ${key.length} bytes, allowed are ${KEY_BYTES}`);
    }
    this.#segmentKey = key;
    return this.parts.ingest.segment(this.#writerId, number);
  }

  #batch({ firstSequence, count, records }: ShippedBatch): Promise<WriterPosition> {
    if (this.#segmentKey === undefined) {
      throw invalidRequest("a segment is named before its records");
    }
    if (firstSequence < 1n || firstSequence > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw invalidRequest(`first_sequence is ${firstSequence}, allowed is 1 to 2^53 - 1`);
    }
    return this.parts.ingest.batch({
      ...{ writerId: this.#writerId, segmentKey: this.#segmentKey },
      ...{ firstSequence: Number(firstSequence), count, records },
    });
  }

  /** Tells the writer where it stands, and waits until it has taken that in. */
  async #answer(): Promise<void> {
    if (this.#write()) return;
    await new Promise<void>((resolve) => {
      this.call.once("drain", resolve);
      this.call.once("close", resolve);
    });
  }

  #write(): boolean {
    if (this.#isOver) return true;
    const { nextSequence, newSegment } = this.#position;
    return this.call.write({ nextSequence: BigInt(nextSequence), newSegment });
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    const { role, name } = this.caller;
    const reason = error instanceof Error ? error.message : String(error);
    this.parts.log.warn({ role, component: name, reason }, "records are not taken");
    this.#end();
    this.call.emit("error", this.parts.server.fail(error, this.call.getPath()));
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#beginTimer);
    this.events.ended(this.#writerId, this);
  }
}

/** Makes the handlers of LogIntakeService for a server. */
export const logIntakeService = (
  server: GrpcServer<InternalCaller>,
  intake: LogIntake,
): LogIntakeServiceServer => ({
  shipLog: server.bidiStream((call, caller) => intake.ship(call, caller)),
});
