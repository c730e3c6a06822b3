// What a group.json says, for people.
import { formatAddress } from "../core/address.js";
import { describeSubject } from "./certificate-fields.js";
import type { SignedGroup } from "./group-file.js";

/** What a group says. Every text is safe to print. */
export interface ShownGroup {
  readonly id: string;
  readonly version: number;
  /** The signing key: SPKI DER in base64url. */
  readonly signedBy: string;
  readonly anchors: readonly {
    readonly subject: string;
    /** RFC 3339. */
    readonly notAfter: string;
    /** SHA-256 of the DER, hexadecimal with colons. */
    readonly fingerprint: string;
  }[];
  /** "peer id=host:port". */
  readonly directories: readonly string[];
  readonly tlsMinimum: string;
  readonly ports: readonly number[];
  readonly peerIdPattern: string;
}

/** Says what a group says. */
export const describeGroup = ({ group, signedBy }: SignedGroup): ShownGroup => ({
  id: group.id,
  version: group.version,
  signedBy,
  anchors: group.anchors.map((anchor) => ({
    subject: describeSubject(anchor),
    notAfter: anchor.validToDate.toISOString(),
    fingerprint: anchor.fingerprint256,
  })),
  directories: group.directories.map(
    ({ peerId, address }) => `${peerId}=${formatAddress(address)}`,
  ),
  tlsMinimum: group.tlsMinimum,
  ports: group.ports,
  peerIdPattern: group.peerIdPattern,
});

/** The same as lines of text. */
export const renderGroup = (shown: ShownGroup): string => {
  const rows: readonly (readonly [string, string])[] = [
    ["group id", shown.id],
    ["version", String(shown.version)],
    ["signed by", shown.signedBy],
    ...shown.anchors.flatMap(
      ({ subject, notAfter, fingerprint }) =>
        [
          ["anchor", `${subject}, valid until ${notAfter}`],
          ["", fingerprint],
        ] as const,
    ),
    ...shown.directories.map((directory) => ["directory", directory] as const),
    ["TLS minimum", shown.tlsMinimum],
    ["ports", shown.ports.join(", ")],
    ["peer id pattern", JSON.stringify(shown.peerIdPattern)],
  ];
  return rows.map(([label, value]) => `${label.padEnd(18)}${value}\n`).join("");
};
