// What people change of the transaction log: erasing, retention, pruning, a new epoch; and what its key signs for them.
import { sign } from "node:crypto";
import type * as wire from "../proto/gen/schakel/manager/v1/log.js";
import type { LogKeys } from "../txlog/store/keys.js";
import type { EraseWanted, LogKeeper } from "../txlog/store/read-side.js";
import { bundleMessage } from "../txlog/tree/bundle.js";
import { dataSubjectOf, exact, loggedName, reasonOf, transactionIdOf } from "./log-filter.js";
import { invalidRequest } from "./request.js";

const SHA256_BYTES = 32;

/** What changing stands on. */
export interface LogChangeParts {
  readonly keeper: LogKeeper;
  readonly keys: Pick<LogKeys, "signer">;
}

const wantedOf = (request: wire.ErasePersonalDataRequest): EraseWanted => {
  const { dataSubject, transactionId, dryRun } = request;
  if ((dataSubject === "") === (transactionId === "")) {
    throw invalidRequest("either data_subject or transaction_id is given, and not both");
  }
  return dataSubject === ""
    ? { transactionId: transactionIdOf(transactionId), dryRun }
    : { dataSubject: dataSubjectOf(dataSubject), dryRun };
};

/** The methods that change something. */
export class LogChange {
  readonly #with: LogChangeParts;

  constructor(parts: LogChangeParts) {
    this.#with = parts;
  }

  async erase(request: wire.ErasePersonalDataRequest): Promise<wire.ErasePersonalDataResponse> {
    const wanted = wantedOf(request);
    reasonOf(request.reason);
    const { records, pending } = await this.#with.keeper.erase(wanted);
    return { records: BigInt(records), pending: [...pending] };
  }

  async retention(request: wire.SetRetentionRequest): Promise<wire.SetRetentionResponse> {
    const { days, remove } = request;
    if (remove && days !== 0) throw invalidRequest("remove and days are both given");
    const service = loggedName("service_name", request.serviceName);
    const all = await this.#with.keeper.setRetention(service, remove ? undefined : days);
    return {
      retentions: all.map((each) => ({ serviceName: each.service, days: each.days })),
    };
  }

  async prune(request: wire.PruneLogRequest): Promise<wire.PruneLogResponse> {
    const beforeUs = exact("before_us", request.beforeUs);
    if (beforeUs === 0) throw invalidRequest("before_us is 0, allowed is a moment");
    const { entries, firstKept } = await this.#with.keeper.prune(beforeUs, request.dryRun);
    return { entries: BigInt(entries), firstKept: BigInt(firstKept) };
  }

  async beginEpoch({ reason }: wire.BeginEpochRequest): Promise<wire.BeginEpochResponse> {
    const { epoch, namedCheckpoint } = await this.#with.keeper.beginEpoch(reasonOf(reason));
    return { epoch, namedCheckpoint };
  }

  signBundle({ sha256 }: wire.SignBundleRequest): wire.SignBundleResponse {
    if (sha256.length !== SHA256_BYTES) {
      throw invalidRequest(`sha256 has ${String(sha256.length)} bytes, allowed are 32`);
    }
    return { signature: sign(null, bundleMessage(sha256), this.#with.keys.signer.privateKey) };
  }
}
