// Those who co-sign our checkpoints: peers that a setting names, or the directories of the group.
import type { PeerId } from "../core/names.js";
import type { LogClient } from "../fsc/log-interface.js";
import type { ManagerEndpoint } from "../fsc/manager-interface.js";
import type { Log } from "../core/log.js";
import type { WitnessContact, WitnessReply } from "../txlog/store/cosigner.js";
import type { Verifier } from "../txlog/tree/note.js";
import { formatAddCheckpoint, type AddCheckpoint } from "../txlog/tree/witness.js";
import type { OtherLogs } from "./other-logs.js";

/** What they stand on. */
export interface WitnessesParts {
  readonly own: PeerId;
  /** Who is asked now. */
  readonly peers: () => readonly PeerId[];
  readonly others: OtherLogs;
  readonly logs: Pick<LogClient, "addCheckpoint">;
  readonly log: Log;
}

const replyOf = ({
  status,
  body,
}: Awaited<ReturnType<LogClient["addCheckpoint"]>>): WitnessReply => {
  if (status === 200) return { kind: "cosigned", lines: body };
  if (status === 422) return { kind: "forked" };
  const size = /^(0|[1-9][0-9]{0,15})\n$/.exec(body)?.[1];
  if (status === 409 && size !== undefined) return { kind: "conflict", size: Number(size) };
  return { kind: "refused", reason: `${String(status)} ${body.trim().slice(0, 300)}` };
};

/** Our witnesses. */
export class Witnesses {
  readonly #unusable = new Map<PeerId, string>();

  constructor(private readonly parts: WitnessesParts) {}

  /** Those whose keys are known now; others are logged once and tried again. */
  async contacts(): Promise<readonly WitnessContact[]> {
    const { own, peers } = this.parts;
    const others = peers().filter((each) => each !== own);
    const found = await Promise.all(others.map((each) => this.#contact(each)));
    return found.flat();
  }

  async #contact(peer: PeerId): Promise<readonly WitnessContact[]> {
    const { others, log } = this.parts;
    try {
      const to = await others.endpointOf(peer);
      const [newest] = await others.keys.of(peer, "witness");
      this.#unusable.delete(peer);
      return newest === undefined ? [] : [this.#asking(to, newest)];
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (this.#unusable.get(peer) !== reason)
        log.warn({ peer, reason }, "a witness cannot be asked");
      this.#unusable.set(peer, reason);
      return [];
    }
  }

  #asking(to: ManagerEndpoint, verifier: Verifier): WitnessContact {
    return {
      verifier,
      add: async (request: AddCheckpoint) => {
        const { logs } = this.parts;
        return replyOf(await logs.addCheckpoint(to, formatAddCheckpoint(request)));
      },
    };
  }
}
