// An inway of another organisation as a target of the relay: dialled once, checked before the first byte.
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { Bundle } from "../certs/bundle.js";
import type { Group } from "../certs/group.js";
import { checkOpenPeer, clientTls } from "../certs/tls.js";
import { formatAddress, type Address } from "../core/address.js";
import { dial, type DialPolicy } from "../core/dial.js";
import type { Log } from "../core/log.js";
import { madeOnce } from "../core/made-once.js";
import type { PeerId } from "../core/names.js";
import type { Target } from "../relay/exchange.js";
import { LINK_PROTOCOL } from "../relay/link-frames.js";
import { LinkRequired, type LinkMode, type LinkPolicy } from "./link-policy.js";
import type { InwayPicker } from "./pick.js";

/** How long reaching an inway and its answer may take, in milliseconds. */
export interface InwayTimeouts {
  readonly connectTimeout: number;
  readonly answerTimeout: number;
  readonly idleTimeout: number;
}

/** Whose inway a connection leads to, and by which name. */
export interface ExpectedInway {
  readonly peerId: PeerId;
  readonly host: string;
}

/** The open connections to inways, so that those whose certificate counts no more can be ended. */
export class InwayConnections {
  readonly #open = new Map<TLSSocket, ExpectedInway>();

  /** Notes a connection that was made, and to whom. */
  opened(socket: TLSSocket, expected: ExpectedInway): void {
    this.#open.set(socket, expected);
    socket.once("close", () => this.#open.delete(socket));
  }

  /** Ends the connections that would not be made with the group as it is now; what runs over them is cut. */
  endRefused(group: Group, log: Log): void {
    for (const [socket, expected] of this.#open) {
      const refusal = checkOpenPeer(socket, group, expected);
      if (refusal === undefined) continue;
      log.warn({ ...expected, reason: refusal.message }, "connection ended");
      socket.destroy();
    }
  }
}

/** What connecting to inways needs. */
export interface InwayDialling {
  readonly group: () => Group;
  readonly bundle: () => Bundle;
  readonly policy: () => DialPolicy;
  readonly timeouts: InwayTimeouts;
  readonly picker: InwayPicker;
  readonly connections: InwayConnections;
  readonly linkPolicy: LinkPolicy;
}

/** A connection during whose handshake the group changed is among no open ones yet. Throws the PeerMismatch. */
const endIfRefused = (socket: TLSSocket, group: Group, expected: ExpectedInway): void => {
  const refusal = checkOpenPeer(socket, group, expected);
  if (refusal === undefined) return;
  socket.on("error", () => undefined);
  socket.destroy();
  throw refusal;
};

const HTTP_PROTOCOL = "http/1.1";
const HTTP2_PROTOCOL = "h2";

/** Whether a connection speaks the link: its handshake has agreed on it. */
const isLink = (connection: Duplex): boolean =>
  connection instanceof TLSSocket && connection.alpnProtocol === LINK_PROTOCOL;

/** Whether a connection speaks HTTP/2: its handshake has agreed on it. */
const isHttp2 = (connection: Duplex): boolean =>
  connection instanceof TLSSocket && connection.alpnProtocol === HTTP2_PROTOCOL;

/** What is offered to an inway. A service over HTTP/2 goes over the link only where nothing else may. */
const offeredTo = (mode: LinkMode, http2: boolean): readonly string[] => {
  if (mode !== "require" && http2) return [HTTP2_PROTOCOL, HTTP_PROTOCOL];
  return mode === "off" ? [HTTP_PROTOCOL] : [LINK_PROTOCOL, HTTP_PROTOCOL];
};

interface Dialled {
  readonly address: Address;
  readonly mode: LinkMode;
  readonly policy: LinkPolicy;
}

/** Looks at what an inway has agreed to. @throws LinkRequired when it must be the link and is not */
const checkLink = (socket: TLSSocket, dialled: Dialled): void => {
  const { address, mode, policy } = dialled;
  if (isLink(socket)) {
    policy.spoke(address);
  } else if (mode === "require") {
    socket.on("error", () => undefined).destroy();
    throw new LinkRequired(address);
  } else if (mode === "prefer") {
    policy.fellBack(address);
  }
};

let generations = 0;

/** Tells apart what a group was before and after any change, revocation lists among them. */
const generationOf = madeOnce((_group: Group): number => (generations += 1));

/**
 * The inway at an address as a target. Its connections are shared only among exchanges with the same
 * group, revocation lists, provider, address and certificate of ours, so that a renewed certificate gets connections
 * of its own, and none outlives the certificate that it was checked with.
 */
export const inwayTarget = (
  address: Address,
  provider: PeerId,
  parts: InwayDialling,
  overHttp2 = false,
): Target => {
  const group = parts.group();
  const bundle = parts.bundle();
  const { timeouts, picker, connections, linkPolicy: policy } = parts;
  const mode = policy.modeFor(provider);
  const alpn = offeredTo(mode, overHttp2);
  const isShared = alpn.includes(HTTP2_PROTOCOL);
  const expected = { peerId: provider, host: address.host };
  return {
    ...(isShared ? { isHttp2 } : mode === "off" ? {} : { isLink }),
    key: JSON.stringify([
      group.id,
      generationOf(group),
      provider,
      address.host,
      address.port,
      bundle.identity.certificateThumbprint,
      ...(isShared ? [HTTP2_PROTOCOL] : []),
    ]),
    connect: async () => {
      const started = performance.now();
      try {
        // The group as it is now: it may have lost trust in the inway since the exchange began.
        const dialled = parts.group();
        const socket = await dial({
          address,
          policy: parts.policy(),
          tls: clientTls(bundle, dialled, { peerId: provider, alpn }),
          timeoutMs: timeouts.connectTimeout,
        });
        if (parts.group() !== dialled) endIfRefused(socket, parts.group(), expected);
        if (!isShared) checkLink(socket, { address, mode, policy });
        picker.connected(address, performance.now() - started);
        connections.opened(socket, expected);
        return socket;
      } catch (error) {
        picker.failed(address);
        throw error;
      }
    },
    connectTimeoutMs: timeouts.connectTimeout,
    answerTimeoutMs: timeouts.answerTimeout,
    idleTimeoutMs: timeouts.idleTimeout,
  };
};

/** The Host that an inway sees: its own name, with the port unless it is the usual one. */
const inwayHost = (address: Address): string =>
  address.port === 443 ? address.host : formatAddress(address);

/** An inway as exchanges go there. */
export interface ReachedInway {
  readonly target: Target;
  /** The Host that it sees. */
  readonly host: string;
}

/** An inway that is meant. */
export interface MeantInway {
  readonly address: Address;
  readonly provider: PeerId;
  /** Whether the service is one over HTTP/2. */
  readonly overHttp2: boolean;
}

interface Made extends ReachedInway, MeantInway {
  readonly group: Group;
  readonly bundle: Bundle;
  readonly mode: LinkMode;
}

/** Inways as targets, made once for an address that a token names and made anew when what they depend on changes. */
export class InwayTargets {
  readonly #made = new WeakMap<Address, Made>();

  constructor(private readonly parts: InwayDialling) {}

  /** The inway as a target, for connections with this certificate of ours. */
  at(meant: MeantInway, bundle: Bundle): ReachedInway {
    const { address, provider, overHttp2 } = meant;
    const group = this.parts.group();
    const mode = this.parts.linkPolicy.modeFor(provider);
    const before = this.#made.get(address);
    const isSame = before?.group === group && before.bundle === bundle && before.mode === mode;
    if (isSame && before.provider === provider && before.overHttp2 === overHttp2) return before;
    const parts = { ...this.parts, bundle: () => bundle };
    const target = inwayTarget(address, provider, parts, overHttp2);
    const made = { ...meant, group, bundle, mode, target, host: inwayHost(address) };
    this.#made.set(address, made);
    return made;
  }
}
