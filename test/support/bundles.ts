// Export bundles of a log in memory, for tests of what reads them.
import { sign, type X509Certificate } from "node:crypto";
import { writeBundle, type BundleHeader, type BundlePiece } from "../../txlog/tree/bundle.js";
import { GROUP_ID, PEER_ID, type SealedLog } from "./sealed-log.js";

/** What a bundle is made of, where it is not the usual. */
export interface BundleParts {
  readonly header?: Partial<BundleHeader>;
  /** The first entry; 0 unless given. */
  readonly from?: number;
  /** Some entries alone, each with its proof. */
  readonly selected?: readonly number[];
  /** The checkpoint's note; the witnessed one unless given. */
  readonly note?: string;
  readonly older?: readonly string[];
  readonly consistency?: readonly number[];
  readonly statements?: readonly string[];
  readonly certificates?: readonly X509Certificate[];
  readonly after?: readonly BundlePiece[];
  /** False for one that nobody signed as a whole. */
  readonly signed?: boolean;
}

const piecesOf = async (log: SealedLog, parts: BundleParts): Promise<BundlePiece[]> => {
  const entries =
    parts.selected === undefined
      ? await log.entries(parts.from)
      : await Promise.all(parts.selected.map((index) => log.entry(index, true)));
  const consistency = await Promise.all(
    (parts.consistency ?? []).map(async (oldSize) => ({
      ...{ type: "consistency" as const, oldSize },
      proof: await log.consistency(oldSize),
    })),
  );
  return [
    { type: "checkpoint", note: parts.note ?? log.witnessed() },
    ...(parts.older ?? []).map((note) => ({ type: "older-checkpoint" as const, note })),
    ...consistency,
    ...(parts.statements ?? []).map((jws) => ({ type: "key-statement" as const, jws })),
    ...(parts.certificates ?? []).map(({ raw }) => ({ type: "certificate" as const, der: raw })),
    ...entries.map((entry) => ({ type: "entry" as const, ...entry })),
    ...(parts.after ?? []),
  ];
};

/** The text of a bundle. */
export const bundleOf = async (log: SealedLog, parts: BundleParts = {}): Promise<string> => {
  const from = parts.from ?? 0;
  const header: BundleHeader = {
    groupId: GROUP_ID,
    peerId: PEER_ID,
    epoch: 1,
    from,
    selected: parts.selected !== undefined,
    prefix: await log.edge(from),
    madeAt: 1_790_000_000,
    ...parts.header,
  };
  const signer =
    parts.signed === false
      ? undefined
      : (message: Buffer) => sign(null, message, log.key.privateKey);
  let text = "";
  for await (const line of writeBundle(header, await piecesOf(log, parts), signer)) text += line;
  return text;
};

/** The bytes of a text, in pieces of a size. */
export async function* bytesOf(text: string | Buffer, size = 65_536): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) {
    yield await Promise.resolve(bytes.subarray(at, at + size));
  }
}
