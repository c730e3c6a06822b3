// Whether exchanges with an inway may, must or must not go over Schakel's own link (docs/link.md).
import { formatAddress, type Address } from "../core/address.js";
import type { Log } from "../core/log.js";
import type { PeerId } from "../core/names.js";

/** `prefer`: the link, or HTTP/1.1 where the inway does not speak it; `require`: the link or nothing; `off`: HTTP/1.1. */
export type LinkMode = "prefer" | "require" | "off";

/** An inway that does not speak the link, although it must. Nothing has been sent to it. */
export class LinkRequired extends Error {
  constructor(address: Address) {
    super(`${formatAddress(address)} does not speak the link, which a setting requires`);
    this.name = "LinkRequired";
  }
}

const NOTED_MAX = 10_000;

/** The policy of one outway. */
export class LinkPolicy {
  readonly #required: ReadonlySet<string>;
  readonly #noted = new Set<string>();

  /** @param settings the mode for all providers, and the ids of those for which the link is required */
  constructor(
    private readonly settings: { readonly link: LinkMode; readonly linkRequire: readonly string[] },
    private readonly log: Log,
  ) {
    this.#required = new Set(settings.linkRequire);
  }

  /** What holds for the inways of a provider. */
  modeFor(provider: PeerId): LinkMode {
    return this.#required.has(provider) ? "require" : this.settings.link;
  }

  /** Notes that an inway was asked for the link and speaks HTTP/1.1. Said once for each address, again after it spoke the link. */
  fellBack(address: Address): void {
    const inway = formatAddress(address);
    if (this.#noted.has(inway)) return;
    if (this.#noted.size >= NOTED_MAX) this.#noted.clear();
    this.#noted.add(inway);
    this.log.info({ inway }, "the inway does not speak the link; exchanges go over HTTP/1.1");
  }

  /** Notes that an inway spoke the link. */
  spoke(address: Address): void {
    this.#noted.delete(formatAddress(address));
  }
}
