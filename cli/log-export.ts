// `schakel log export`: a signed bundle that is verified offline, or a table for other programs.
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { readCertificates } from "../certs/pem.js";
import { systemCode } from "../core/errors.js";
import type { ExchangeFilter, GetEvidenceResponse } from "../proto/gen/schakel/manager/v1/log.js";
import { writeBundle, type BundlePiece } from "../txlog/tree/bundle.js";
import { LogFault } from "../txlog/tree/log-fault.js";
import { CommandError } from "./command.js";
import { csvLine, exchangeDocument, foundExchanges } from "./log-exchanges.js";
import { filterOf, isFiltered, type FilterOptions } from "./log-filter.js";
import { openLog, type Around, type LogPieces } from "./log-pieces.js";
import { consult, type LogSession } from "./log-session.js";
import { print } from "./print.js";
import { progressBar } from "./progress-bar.js";
import type { CliSettings } from "./settings.js";

const DIGEST_BYTES = 32;
const CHAIN_MAX = 20;
/** How many grants evidence is asked for by name; for more, all of the time is taken. */
const GRANTS_MAX = 1000;
const EVERYTHING = { limit: Number.MAX_SAFE_INTEGER, oldestFirst: true };

/** What the command line says. */
export interface ExportOptions extends FilterOptions {
  readonly out: string;
  readonly format: "bundle" | "csv" | "jsonl";
}

interface Written {
  readonly entries: number;
  readonly size?: number;
}

type Lines = AsyncGenerator<string>;

/** Writes a file whole or not at all. */
const writeWhole = async (path: string, lines: Lines): Promise<void> => {
  const partial = `${path}.partial`;
  try {
    const file = createWriteStream(partial, { mode: 0o600 });
    await once(file, "open");
    for await (const line of lines) {
      if (!file.write(line)) await once(file, "drain");
    }
    file.end();
    await once(file, "close");
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    const code = systemCode(error);
    if (code === undefined) throw error;
    throw new CommandError(`${path} cannot be written (${code})`, undefined, { cause: error });
  }
};

/** The grants of what a filter finds; none when there are too many to name. */
const grantsOf = async (log: LogSession, filter: ExchangeFilter): Promise<readonly string[]> => {
  const grants = new Set<string>();
  for await (const page of foundExchanges(log, filter, EVERYTHING)) {
    for (const { grantHash } of page) if (grantHash !== "") grants.add(grantHash);
    if (grants.size > GRANTS_MAX) return [];
  }
  return [...grants];
};

/** What evidence comes as, sorted. */
class Gathered implements Around {
  readonly statements: string[] = [];
  readonly olderCheckpoints: string[] = [];
  readonly contracts: string[] = [];
  readonly reconciliations: string[] = [];
  readonly #certificates = new Map<string, Buffer>();

  get certificates(): readonly Buffer[] {
    return [...this.#certificates.values()];
  }

  add({ piece }: GetEvidenceResponse): void {
    if (piece?.$case === "certificate") {
      for (const { raw } of readCertificates(piece.value, CHAIN_MAX)) {
        this.#certificates.set(raw.toString("base64"), raw);
      }
    } else if (piece?.$case === "keyStatement") this.statements.push(piece.value);
    else if (piece?.$case === "checkpoint") this.olderCheckpoints.push(piece.value);
    else if (piece?.$case === "contract") this.contracts.push(piece.value);
    else if (piece?.$case === "reconciliation") this.reconciliations.push(piece.value);
  }
}

const gather = async (log: LogSession, filter: ExchangeFilter | undefined): Promise<Around> => {
  const grantHashes = filter === undefined ? [] : await grantsOf(log, filter);
  const found = new Gathered();
  const { fromUs = 0n, toUs = 0n } = filter ?? {};
  const request = { fromUs, toUs, grantHashes: [...grantHashes] };
  for await (const message of log.stream("getEvidence", request)) found.add(message);
  return found;
};

async function* counted(
  { batches, checkpoint, header }: LogPieces,
  count: (entries: number) => void,
): AsyncGenerator<BundlePiece> {
  const bar = progressBar("exporting");
  let done = 0;
  try {
    for await (const batch of batches) {
      done += batch.filter(({ type }) => type === "entry").length;
      yield* batch;
      bar.step(done - (done % 64), checkpoint.size - header.from);
    }
  } finally {
    bar.end();
  }
  count(done);
}

const exportBundle = async (
  log: LogSession,
  path: string,
  filter: ExchangeFilter | undefined,
): Promise<Written> => {
  const around = await gather(log, filter);
  const pieces = await openLog(log, { epoch: 0, from: 0, filter, around });
  let entries = 0;
  const sign = async (message: Buffer): Promise<Buffer> => {
    const sha256 = message.subarray(-DIGEST_BYTES);
    return (await log.ask("signBundle", { sha256 })).signature;
  };
  const counting = counted(pieces, (count) => (entries = count));
  await writeWhole(path, writeBundle(pieces.header, counting, sign));
  return { entries, size: pieces.checkpoint.size };
};

const exportRows = async (
  log: LogSession,
  { out, format }: ExportOptions,
  filter: ExchangeFilter,
): Promise<Written> => {
  let entries = 0;
  async function* lines(): Lines {
    let hasHead = format !== "csv";
    for await (const page of foundExchanges(log, filter, EVERYTHING)) {
      for (const document of page.map(exchangeDocument)) {
        if (!hasHead) yield `${csvLine(Object.keys(document))}\n`;
        hasHead = true;
        entries += 1;
        yield format === "csv"
          ? `${csvLine(Object.values(document))}\n`
          : `${JSON.stringify(document)}\n`;
      }
    }
  }
  await writeWhole(out, lines());
  return { entries };
};

/** Runs the command. */
export const exportLog = async (settings: CliSettings, options: ExportOptions): Promise<void> => {
  const { out, format } = options;
  const filter = filterOf(options);
  const written = await consult(settings, async (log) => {
    if (format !== "bundle") return exportRows(log, options, filter);
    try {
      return await exportBundle(log, out, isFiltered(options) ? filter : undefined);
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      throw new CommandError(`${error.kind}: ${error.message}`, "'schakel log verify' says more", {
        cause: error,
      });
    }
  });
  const document = { out, format, ...written };
  print(settings, document, () =>
    format === "bundle"
      ? `${out}: ${String(written.entries)} of ${String(written.size ?? 0)} entries, signed by the log; 'schakel log verify --bundle ${out} --group group.json' checks it\n`
      : `${out}: ${String(written.entries)} exchanges\n`,
  );
};
