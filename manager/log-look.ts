// Looking into the transaction log: searching, one exchange, counts, where the log stands, proofs.
import { SchakelError } from "../core/errors.js";
import type { PeerIdRule, TransactionId } from "../core/names.js";
import type * as wire from "../proto/gen/schakel/manager/v1/log.js";
import type { IntentRecord } from "../txlog/record.js";
import type { LogReader, RecordKey, StoredEntry } from "../txlog/store/read-side.js";
import { consistencyProof } from "../txlog/tree/tiles.js";
import { formatProof } from "../txlog/tree/tlog-proof.js";
import { provenEntry } from "./log-entry.js";
import { exact, filterOf, recordKeyOf, transactionIdOf } from "./log-filter.js";
import { wireCount, wireExchange, wireKept } from "./log-wire.js";
import { otherSide, receiptsOf, recordOf, type OtherSideParts } from "./other-side.js";
import type { OwnCertificates } from "./own-certificates.js";
import { invalidRequest, optionalPeer, pageOf } from "./request.js";

/** What looking stands on. */
export interface LogLookParts extends OtherSideParts {
  readonly reader: LogReader;
  readonly peerIdRule: () => PeerIdRule;
  readonly certificates: Pick<OwnCertificates, "chains">;
}

const notFound = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_RECORD_NOT_FOUND", { detail });

const wantedOf = (request: wire.GetExchangeRequest): TransactionId | RecordKey => {
  const { transactionId, writerId, sequence } = request;
  if (transactionId === "") return recordKeyOf(writerId, sequence);
  if (writerId === "" && sequence === 0n) return transactionIdOf(transactionId);
  throw invalidRequest("transaction_id and writer_id are both given, allowed is one of them");
};

const intentIn = (entries: readonly StoredEntry[]): IntentRecord | undefined => {
  const records = entries.map(({ leaf }) => (leaf === undefined ? undefined : recordOf(leaf)));
  return records.find((record) => record?.kind === "intent");
};

/** An epoch that there is; the newest for 0. @throws SchakelError ERROR_CODE_REQUEST_INVALID */
export const epochOf = async (
  reader: Pick<LogReader, "epochs">,
  wanted: number,
): Promise<number> => {
  const epochs = await reader.epochs();
  const newest = epochs.at(-1) ?? 1;
  if (wanted === 0) return newest;
  if (epochs.includes(wanted)) return wanted;
  throw invalidRequest(`epoch is ${String(wanted)}, allowed is ${epochs.join(", ")}, or 0`);
};

/** The methods that only read, and answer with one message. */
export class LogLook {
  readonly #with: LogLookParts;

  constructor(parts: LogLookParts) {
    this.#with = parts;
  }

  async search(request: wire.SearchExchangesRequest): Promise<wire.SearchExchangesResponse> {
    const { reader, peerIdRule } = this.#with;
    const { limit, token } = pageOf(request);
    const filter = filterOf(request.filter, peerIdRule());
    const { oldestFirst } = request;
    const { exchanges, nextToken } = await reader.search(filter, { limit, token, oldestFirst });
    return { exchanges: exchanges.map(wireExchange), nextPageToken: nextToken ?? "" };
  }

  async exchange(request: wire.GetExchangeRequest): Promise<wire.GetExchangeResponse> {
    const { reader } = this.#with;
    const found = await this.#records(wantedOf(request));
    const entries: wire.LogEntry[] = [];
    for (const entry of found) entries.push(await provenEntry(reader, entry, request.personal));
    if (!request.otherSide) {
      return { entries, otherEntries: [], otherProblem: "", receipts: "unknown" };
    }
    const other = await otherSide(intentIn(found), this.#with);
    const receipts = receiptsOf(entries, other.entries);
    return { entries, otherEntries: [...other.entries], otherProblem: other.problem, receipts };
  }

  async head({ epoch: wanted }: wire.GetLogHeadRequest): Promise<wire.GetLogHeadResponse> {
    const { reader, certificates } = this.#with;
    const epoch = await epochOf(reader, wanted);
    const [newest, witnessed, keys, status] = await Promise.all([
      reader.checkpointAt({ epoch }),
      reader.checkpointAt({ epoch, witnessed: true }),
      reader.keys(),
      reader.status(),
    ]);
    const statements = keys.filter(
      ({ purpose, statement }) => purpose === "log" && statement !== "",
    );
    return {
      ...{ epoch, checkpoint: newest?.note ?? "", witnessedCheckpoint: witnessed?.note ?? "" },
      keyStatements: statements.map(({ statement }) => statement),
      witnessedAt: BigInt(status.witnessedAt),
      unsealed: BigInt(status.unsealed),
      certificates: certificates.chains().flatMap((chain) => chain.map(({ raw }) => raw)),
    };
  }

  async proof(request: wire.GetProofRequest): Promise<wire.GetProofResponse> {
    const { reader } = this.#with;
    const epoch = await epochOf(reader, request.epoch);
    const oldSize = exact("old_size", request.oldSize);
    const index = exact("index", request.index);
    if (oldSize > 0) return this.#consistency(epoch, oldSize, exact("size", request.size));
    const found = await reader.proofFor(epoch, index);
    if (found === undefined) {
      throw notFound(`no checkpoint of epoch ${String(epoch)} covers the index ${String(index)}`);
    }
    const { note } = found.checkpoint;
    const proof = formatProof({ index, proof: found.hashes, checkpoint: note });
    return { proof, consistency: [], checkpoint: note };
  }

  async counts(request: wire.CountExchangesRequest): Promise<wire.CountExchangesResponse> {
    const found = await this.#with.reader.counts(request.fromMonth, request.toMonth);
    return { counts: found.map(wireCount) };
  }

  async reconciliations(
    request: wire.ListReconciliationsRequest,
  ): Promise<wire.ListReconciliationsResponse> {
    const { reader, peerIdRule } = this.#with;
    const page = pageOf(request);
    const peer = optionalPeer("peer_id", request.peerId, peerIdRule());
    const { results, nextToken } = await reader.reconciliations(peer, page);
    return { reconciliations: results.map(wireKept), nextPageToken: nextToken ?? "" };
  }

  async #consistency(epoch: number, oldSize: number, size: number): Promise<wire.GetProofResponse> {
    const { reader } = this.#with;
    if (size === 0) {
      const { hashes, checkpoint } = await reader.consistencyFrom(epoch, oldSize);
      return { proof: "", consistency: [...hashes], checkpoint: checkpoint.note };
    }
    const found = await reader.checkpointAt({ epoch, size });
    if (found?.size !== size || oldSize > size) {
      throw invalidRequest(
        `size is ${String(size)}, allowed is that of a checkpoint that is no smaller than ${String(oldSize)}`,
      );
    }
    const hashes = await consistencyProof(reader.tiles(epoch), oldSize, size);
    return { proof: "", consistency: hashes, checkpoint: found.note };
  }

  async #records(wanted: TransactionId | RecordKey): Promise<readonly StoredEntry[]> {
    const { reader } = this.#with;
    const found = await reader.exchange(wanted);
    if (found.length > 0) return found;
    if (typeof wanted === "string") throw notFound(`there is no exchange ${wanted}`);
    // An end, or a record that is of no exchange.
    const single = await reader.entry(wanted);
    if (single !== undefined) return [single];
    throw notFound(`there is no record ${wanted.writerId}/${String(wanted.sequence)}`);
  }
}
