// What stands around records of a time: statements of keys, certificates, contracts, checkpoints, comparisons.
import type { X509Certificate } from "node:crypto";
import { writeCertificates } from "../certs/pem.js";
import { contractJson } from "../contracts/contract.js";
import { systemCode } from "../core/errors.js";
import type { PeerId, PeerIdRule } from "../core/names.js";
import { contractsOf } from "../fsc/all-contracts.js";
import { travelling } from "../fsc/book-handlers.js";
import type { ContractBook } from "../fsc/contract-book.js";
import { keptChain } from "../fsc/kept-chains.js";
import { RemoteError } from "../fsc/manager-interface.js";
import type { FscDatabase } from "../fsc/schema.js";
import type { StoredContract } from "../fsc/stored-contract.js";
import type * as wire from "../proto/gen/schakel/manager/v1/log.js";
import { readKept } from "../txlog/reconcile/kept-result.js";
import type { LogReader } from "../txlog/store/read-side.js";
import { LogFault } from "../txlog/tree/log-fault.js";
import { NoteError, readNote } from "../txlog/tree/note.js";
import { exact } from "./log-filter.js";
import type { OtherLogs } from "./other-logs.js";
import type { OwnCertificates } from "./own-certificates.js";
import { invalidRequest } from "./request.js";

const GRANTS_MAX = 1000;
const RECONCILIATIONS_PAGE = 100;
const US_PER_SECOND = 1_000_000;

type Piece = NonNullable<wire.GetEvidenceResponse["piece"]>;

/** What evidence is made of. */
export interface LogEvidenceParts {
  readonly reader: LogReader;
  readonly book: Pick<ContractBook, "list">;
  readonly db: FscDatabase;
  readonly groupId: () => string;
  readonly peerIdRule: () => PeerIdRule;
  readonly certificates: Pick<OwnCertificates, "chains">;
  readonly others: Pick<OtherLogs, "keys" | "endpointOf" | "certificatesOf">;
}

interface Time {
  readonly fromUs: number;
  readonly toUs: number;
}

/** Whether a contract bound all of its parties at some moment of a time. Later revoking does not undo that. */
const wasInForce = ({ decision, content }: StoredContract, { fromUs, toUs }: Time): boolean => {
  const { not_before, not_after } = content.validity;
  return (
    (decision === "ACCEPTED" || decision === "REVOKED") &&
    not_before * US_PER_SECOND < toUs &&
    not_after * US_PER_SECOND >= fromUs
  );
};

const timeOf = ({ fromUs, toUs }: wire.GetEvidenceRequest): Time => {
  const [from, to] = [exact("from_us", fromUs), exact("to_us", toUs)];
  if (to === 0) return { fromUs: from, toUs: Number.MAX_SAFE_INTEGER };
  if (from < to) return { fromUs: from, toUs: to };
  throw invalidRequest("from_us is not before to_us, so no moment is in between");
};

/** The witnesses that co-signed a checkpoint, by the names of their keys. */
const witnessesOf = (note: string, rule: PeerIdRule): readonly PeerId[] =>
  linesOf(note).flatMap(({ name }) => {
    const [, peer] = /\/([^/]+)\/witness$/.exec(name) ?? [];
    const id = rule((peer ?? "").replaceAll("%2B", "+").replaceAll("%25", "%"));
    return id === undefined ? [] : [id];
  });

/** The signature lines of a checkpoint; none when it is no note: whoever reads it finds that. */
const linesOf = (note: string): ReturnType<typeof readNote>["lines"] => {
  try {
    return readNote(note).lines;
  } catch (error) {
    if (error instanceof NoteError) return [];
    throw error;
  }
};

/** Gives the messages of GetEvidence. */
export class LogEvidence {
  constructor(private readonly parts: LogEvidenceParts) {}

  /** @throws SchakelError ERROR_CODE_REQUEST_INVALID */
  async *gather(request: wire.GetEvidenceRequest): AsyncGenerator<wire.GetEvidenceResponse> {
    const time = timeOf(request);
    const { grantHashes } = request;
    if (grantHashes.length > GRANTS_MAX) {
      const found = String(grantHashes.length);
      throw invalidRequest(`grant_hashes has ${found}, allowed are ${String(GRANTS_MAX)}`);
    }
    for await (const piece of this.#pieces(time, new Set(grantHashes))) yield { piece };
  }

  async *#pieces(time: Time, grants: ReadonlySet<string>): AsyncGenerator<Piece> {
    yield* this.#keys();
    yield* this.#contracts(time, grants);
    yield* this.#checkpoints();
    yield* this.#reconciliations(time);
  }

  async *#keys(): AsyncGenerator<Piece> {
    const { reader, certificates } = this.parts;
    for (const { purpose, statement } of await reader.keys()) {
      if (purpose === "log" && statement !== "") {
        yield { $case: "keyStatement", value: statement };
      }
    }
    for (const chain of certificates.chains()) yield certificate(chain);
    const newest = await reader.checkpointAt();
    const witnessed = await reader.checkpointAt({ witnessed: true });
    const notes = [newest, witnessed].flatMap((each) => (each === undefined ? [] : [each.note]));
    const witnesses = notes.flatMap((note) => witnessesOf(note, this.parts.peerIdRule()));
    for (const peer of new Set(witnesses)) yield* this.#witnessKeys(peer);
  }

  /** What a witness states of its keys, as far as its manager tells now. */
  async *#witnessKeys(peer: PeerId): AsyncGenerator<Piece> {
    const { others } = this.parts;
    const pieces: Piece[] = [];
    try {
      const stated = await others.keys.stated(peer);
      for (const { use, jws } of stated) {
        if (use === "witness") pieces.push({ $case: "keyStatement", value: jws });
      }
      pieces.push(certificate(await others.certificatesOf(await others.endpointOf(peer))));
    } catch (error) {
      const isTheirs = error instanceof RemoteError || error instanceof LogFault;
      if (!isTheirs && systemCode(error) === undefined) throw error;
      return;
    }
    yield* pieces;
  }

  async *#contracts(time: Time, grants: ReadonlySet<string>): AsyncGenerator<Piece> {
    const { book, db, groupId } = this.parts;
    const told = new Set<string>();
    for await (const contract of contractsOf(book)) {
      const isWanted =
        grants.size === 0
          ? wasInForce(contract, time)
          : contract.grants.some(({ hash }) => grants.has(hash));
      if (!isWanted) continue;
      for (const { certificateThumbprint: thumbprint } of contract.signatures) {
        if (told.has(thumbprint)) continue;
        told.add(thumbprint);
        const chain = await keptChain(db, groupId(), thumbprint);
        if (chain !== undefined) yield certificate(chain);
      }
      yield { $case: "contract", value: JSON.stringify(contractJson(travelling(contract))) };
    }
  }

  async *#checkpoints(): AsyncGenerator<Piece> {
    const { reader } = this.parts;
    for (const epoch of await reader.epochs()) {
      const newest = await reader.checkpointAt({ epoch });
      const witnessed = await reader.checkpointAt({ epoch, witnessed: true });
      const notes = [witnessed, newest].flatMap((each) => (each === undefined ? [] : [each.note]));
      for (const note of new Set(notes)) yield { $case: "checkpoint", value: note };
    }
  }

  async *#reconciliations({ fromUs, toUs }: Time): AsyncGenerator<Piece> {
    const { reader } = this.parts;
    let token: string | undefined;
    do {
      const page = { limit: RECONCILIATIONS_PAGE, token };
      const { results, nextToken } = await reader.reconciliations(undefined, page);
      for (const { fromMs, toMs, result } of results) {
        if (fromMs * 1000 >= toUs || toMs * 1000 <= fromUs) continue;
        yield { $case: "reconciliation", value: readKept(result).statement };
      }
      token = nextToken;
    } while (token !== undefined);
  }
}

const certificate = (chain: readonly X509Certificate[]): Piece => ({
  $case: "certificate",
  value: writeCertificates(chain),
});
