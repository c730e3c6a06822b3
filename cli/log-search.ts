// The work of `schakel log search`, `counts`, `reconciliations` and `head`.
import { shown } from "../contracts/shown-text.js";
import type { ExchangeCount, FoundExchange } from "../proto/gen/schakel/manager/v1/log.js";
import { UsageError } from "./command.js";
import {
  csvLine,
  EXCHANGE_HEAD,
  exchangeDocument,
  exchangeRow,
  foundExchanges,
} from "./log-exchanges.js";
import { filterOf, type FilterOptions } from "./log-filter.js";
import { consult } from "./log-session.js";
import { reconciliationDocument, reconciliationRow, RECONCILIATION_HEAD } from "./log-compared.js";
import { note, print } from "./print.js";
import type { CliSettings } from "./settings.js";
import { table } from "./table.js";
import { shownMoment } from "./times.js";

const RECONCILIATIONS_PAGE = 10;

/** What `log search` is given. */
export interface SearchOptions extends FilterOptions {
  readonly limit: number;
  readonly all?: true;
  readonly oldestFirst?: true;
}

/** What `log counts` is given. */
export interface CountsOptions {
  readonly from: string;
  readonly to: string;
}

/** What `log reconciliations` is given. */
export interface ReconciliationsOptions {
  readonly with?: string;
  readonly limit: number;
}

/** Lists exchanges. */
export const search = async (settings: CliSettings, options: SearchOptions): Promise<void> => {
  const filter = filterOf(options);
  const limit = options.all === true ? Number.MAX_SAFE_INTEGER : options.limit;
  const found: FoundExchange[] = [];
  await consult(settings, async (log) => {
    const wanted = { limit, oldestFirst: options.oldestFirst === true };
    for await (const page of foundExchanges(log, filter, wanted)) found.push(...page);
  });
  print(settings, found.map(exchangeDocument), () => table(EXCHANGE_HEAD, found.map(exchangeRow)));
  if (!settings.json && found.length === limit) {
    note(`schakel: the first ${String(limit)}; there may be more (--limit, --all)`);
  }
};

const countDocument = (each: ExchangeCount) => ({
  month: each.month,
  direction: each.direction,
  source_peer_id: each.sourcePeerId,
  source_delegator_id: each.sourceDelegatorId,
  destination_peer_id: each.destinationPeerId,
  service: each.serviceName,
  exchanges: Number(each.exchanges),
  successful: Number(each.successful),
  refused: Number(each.refused),
});

const COUNT_COLUMNS = [
  ...["month", "direction", "source_peer_id", "source_delegator_id", "destination_peer_id"],
  ...["service", "exchanges", "successful", "refused"],
];

/** Counts exchanges per month: CSV, since that is what is done with it next. */
export const counts = async (settings: CliSettings, { from, to }: CountsOptions): Promise<void> => {
  if (from > to) throw new UsageError("--from is after --to");
  const found = await consult(settings, (log) =>
    log.ask("countExchanges", { fromMonth: from, toMonth: to }),
  );
  const documents = found.counts.map(countDocument);
  print(settings, documents, () =>
    [COUNT_COLUMNS, ...documents.map((each) => Object.values(each))]
      .map((cells) => `${csvLine(cells)}\n`)
      .join(""),
  );
};

/** Lists comparisons with others, newest first. */
export const reconciliations = async (
  settings: CliSettings,
  options: ReconciliationsOptions,
): Promise<void> => {
  const found = await consult(settings, async (log) => {
    const all = [];
    let pageToken = "";
    do {
      const pageSize = Math.min(RECONCILIATIONS_PAGE, options.limit - all.length);
      const request = { peerId: options.with ?? "", pageSize, pageToken };
      const page = await log.ask("listReconciliations", request);
      all.push(...page.reconciliations);
      pageToken = page.nextPageToken;
    } while (pageToken !== "" && all.length < options.limit);
    return all;
  });
  print(settings, found.map(reconciliationDocument), () =>
    table(RECONCILIATION_HEAD, found.map(reconciliationRow)),
  );
};

/** Shows where the log stands. */
export const head = async (
  settings: CliSettings,
  { epoch = 0 }: { readonly epoch?: number },
): Promise<void> => {
  const found = await consult(settings, (log) => log.ask("getLogHead", { epoch }));
  const [origin = "", size = "0", root = ""] = found.checkpoint.split("\n");
  const witnessedAt = shownMoment(found.witnessedAt * 1000n);
  const document = {
    ...{ origin, epoch: found.epoch, size: Number(size), root },
    unsealed: Number(found.unsealed),
    witnessed_at: witnessedAt,
    checkpoint: found.checkpoint,
    witnessed_checkpoint: found.witnessedCheckpoint,
    key_statements: found.keyStatements,
  };
  print(settings, document, () =>
    table(
      ["log", origin === "" ? "no checkpoint yet" : shown(origin)],
      [
        ["epoch", String(found.epoch)],
        ["entries", size],
        ["root", root],
        ["not sealed yet", String(found.unsealed)],
        ["witnessed", witnessedAt === "" ? "never" : witnessedAt],
      ],
    ),
  );
};
