// What answers for a transaction log in tests of the interface: keeps what it was asked and answers what a test says.
import type { PeerIdentity } from "../../certs/identity.js";
import type {
  ComparisonStep,
  CosigningAnswer,
  LoggedExchange,
  LogHandlers,
  LogQuery,
  ProvenRecord,
  SignedResult,
  TileQuery,
  WitnessHandlers,
} from "../../fsc/log-interface.js";
import type { Page } from "../../fsc/manager-interface.js";

/** Each answer can be set. */
export class RecordingLogs implements LogHandlers, WitnessHandlers {
  readonly asked: unknown[] = [];
  page: (query: LogQuery) => Page<LoggedExchange> = () => ({ items: [], nextCursor: undefined });
  note: string | undefined = "origin\n0\nhash\n\n— origin sig\n";
  tileBytes: Buffer | undefined = Buffer.alloc(64, 1);
  proven: readonly ProvenRecord[] = [];
  answer: CosigningAnswer = {
    status: 200,
    contentType: "text/plain; charset=utf-8",
    body: "— w sig\n",
  };

  listRecords(query: LogQuery, caller: PeerIdentity) {
    this.asked.push([query, caller.peerId]);
    return Promise.resolve(this.page(query));
  }

  checkpoint(epoch: number | undefined) {
    this.asked.push(epoch);
    return Promise.resolve(this.note);
  }

  tile(tile: TileQuery) {
    this.asked.push(tile);
    return Promise.resolve(this.tileBytes);
  }

  keys() {
    return Promise.resolve(["a.b.c", "d.e.f"]);
  }

  records(ids: readonly string[], caller: PeerIdentity) {
    this.asked.push([ids, caller.peerId]);
    return Promise.resolve(this.proven);
  }

  compare(step: ComparisonStep, caller: PeerIdentity) {
    this.asked.push([step, caller.peerId]);
    return Promise.resolve({ parts: [Buffer.from([1, 2, 3]), Buffer.alloc(0)], more: true });
  }

  coSign(result: SignedResult, caller: PeerIdentity) {
    this.asked.push([result, caller.peerId]);
    return Promise.resolve("g.h.i");
  }

  addCheckpoint(body: string, caller: PeerIdentity) {
    this.asked.push([body, caller.peerId]);
    return Promise.resolve(this.answer);
  }
}
