// Proofs of many records under one checkpoint: what they share of the tree is read once.
import type { LogReader, StoredCheckpoint } from "../txlog/store/read-side.js";
import { inclusionProof, type TileReader } from "../txlog/tree/tiles.js";
import { formatProof } from "../txlog/tree/tlog-proof.js";

interface Epoch {
  readonly checkpoint: StoredCheckpoint;
  readonly tiles: TileReader;
}

const remembering = (tiles: TileReader): TileReader => {
  const known = new Map<string, Promise<Buffer>>();
  return (level, index, width) => {
    const name = [level, index, width].join("/");
    const found = known.get(name) ?? tiles(level, index, width);
    known.set(name, found);
    return found;
  };
};

/** Makes proofs for one answer. */
export class ProofBatch {
  readonly #epochs = new Map<number, Promise<Epoch | undefined>>();

  constructor(private readonly reader: Pick<LogReader, "checkpointAt" | "tiles">) {}

  /** A C2SP tlog-proof; empty for what no checkpoint covers yet. */
  async of(epoch: number, index: number): Promise<string> {
    const found = this.#epochs.get(epoch) ?? this.#open(epoch);
    this.#epochs.set(epoch, found);
    const opened = await found;
    if (opened === undefined || index >= opened.checkpoint.size) return "";
    const { checkpoint, tiles } = opened;
    const proof = await inclusionProof(tiles, index, checkpoint.size);
    return formatProof({ index, proof, checkpoint: checkpoint.note });
  }

  async #open(epoch: number): Promise<Epoch | undefined> {
    const checkpoint = await this.reader.checkpointAt({ epoch });
    const tiles = remembering(this.reader.tiles(epoch));
    return checkpoint === undefined ? undefined : { checkpoint, tiles };
  }
}
