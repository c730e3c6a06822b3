// The logs of other organisations as our manager reaches them: where their managers are, their keys, what was seen.
import type { X509Certificate } from "node:crypto";
import type { Group } from "../certs/group.js";
import type { Clock } from "../core/clock.js";
import { SchakelError } from "../core/errors.js";
import type { PeerId } from "../core/names.js";
import { isNotServed } from "../fsc/log-client.js";
import { PROVABLE_LOG_EXTENSION, type LogClient } from "../fsc/log-interface.js";
import type { ManagerClient, ManagerEndpoint } from "../fsc/manager-interface.js";
import type { PeerBook } from "../fsc/peer-book.js";
import { OtherKeys } from "../txlog/reconcile/other-keys.js";
import { SeenLog } from "../txlog/reconcile/seen-log.js";
import { logOrigin } from "../txlog/tree/checkpoint.js";
import type { TileReader } from "../txlog/tree/tiles.js";
import type { WitnessStore } from "../txlog/tree/witness.js";
import type { Peers } from "./peers.js";

/** What they stand on. */
export interface OtherLogsParts {
  readonly groups: { readonly current: Group };
  readonly peers: Pick<Peers, "find">;
  readonly book: Pick<PeerBook, "addressOf">;
  readonly client: ManagerClient;
  readonly logs: LogClient;
  /** The newest checkpoint of others that we have seen or co-signed. */
  readonly seen: WitnessStore;
  readonly clock: Clock;
}

/** Finds and reads others' logs. */
export class OtherLogs {
  /** What other peers state of their keys. */
  readonly keys: OtherKeys;

  constructor(private readonly parts: OtherLogsParts) {
    this.keys = new OtherKeys({
      ...{ groups: parts.groups, clock: parts.clock },
      fetch: async (peer) => {
        const to = await this.endpointOf(peer);
        const statements = await parts.logs.keys(to);
        return { statements, certificates: await this.certificatesOf(to) };
      },
    });
  }

  /** Where a peer's manager is. @throws SchakelError ERROR_CODE_PEER_NOT_FOUND */
  async endpointOf(peerId: PeerId): Promise<ManagerEndpoint> {
    const { peers, book } = this.parts;
    await peers.find(peerId);
    const address = await book.addressOf(peerId);
    if (address !== undefined) return { peerId, address };
    throw new SchakelError("ERROR_CODE_PEER_NOT_FOUND", { detail: `${peerId} has no manager` });
  }

  /** The certificates that a manager lists, with their issuers; nothing of them is checked. */
  async certificatesOf(to: ManagerEndpoint): Promise<readonly X509Certificate[]> {
    const { keys } = await this.parts.client.certificates(to);
    return [...keys.values()].flatMap(({ chain }) => chain);
  }

  /**
   * Refuses a manager whose log cannot be compared with ours.
   *
   * @throws SchakelError ERROR_CODE_RECONCILIATION_FAILED when it is no Schakel's
   */
  async requireSchakel(to: ManagerEndpoint): Promise<void> {
    const { extensions } = await this.parts.client.peer(to);
    if (extensions.has(PROVABLE_LOG_EXTENSION[0])) return;
    throw noSchakel(to.peerId);
  }

  /**
   * The log of a peer whose manager is a Schakel's (`requireSchakel`). Looking at it rejects with SchakelError
   * ERROR_CODE_RECONCILIATION_FAILED as long as it is empty.
   *
   * @throws LogFault `key-statement-wrong`
   */
  async open(to: ManagerEndpoint): Promise<SeenLog> {
    const { groups, logs, seen } = this.parts;
    const keys = await this.keys.of(to.peerId, "log");
    const tiles =
      (epoch: number): TileReader =>
      (level, index, width) =>
        logs.tile(to, { epoch, level, index, width });
    return new SeenLog({
      ...{ origin: logOrigin(groups.current.id, to.peerId), keys, seen, tiles },
      newest: () => newestOf(logs, to),
    });
  }
}

/** The newest checkpoint of a manager that is a Schakel's. */
const newestOf = async (logs: LogClient, to: ManagerEndpoint): Promise<string> => {
  try {
    return await logs.checkpoint(to);
  } catch (error) {
    if (!isNotServed(error)) throw error;
    throw new SchakelError("ERROR_CODE_RECONCILIATION_FAILED", {
      detail: `the log of peer ${to.peerId} is still empty: it has no checkpoint until a second after its first record`,
      cause: error,
    });
  }
};

/** The problem that a manager has nothing of our extension: other software for FSC. */
export const noSchakel = (peerId: PeerId): SchakelError =>
  new SchakelError("ERROR_CODE_RECONCILIATION_FAILED", {
    detail: `the manager of peer ${peerId} is no Schakel: it has no proofs of its log and cannot compare it with ours; GET /logs may still show its records`,
  });
