// The headers of an exchange as they leave the inway: towards the source, and back (docs/headers.md).
import { HEADER, isForwarded, isForOutway, isOfUser, isOurs } from "../core/exchange-headers.js";
import type { PeerId, TransactionId } from "../core/names.js";
import { endToEnd } from "../relay/hop-by-hop.js";
import { headerValues, withoutHeaders, type HeaderLines } from "../relay/message.js";

/** What the inway knows when it writes the headers towards the source. */
export interface SourceHeaders {
  readonly transactionId: TransactionId;
  readonly consumer: PeerId;
  /** Our own peer's id: what the client says of its user stays only within one organisation. */
  readonly self: PeerId;
  /** The Host that the source sees. */
  readonly host: string;
}

/** The request's headers as the source gets them: first hop-by-hop out, then ours out, then ours set. */
export const towardsSource = (received: HeaderLines, known: SourceHeaders): HeaderLines => {
  const token = headerValues(received, HEADER.authorization);
  const passed = withoutHeaders(
    endToEnd(received),
    (name) =>
      name === "host" ||
      isOurs(name) ||
      isForOutway(name) ||
      isForwarded(name) ||
      (isOfUser(name) && known.consumer !== known.self),
  );
  return [
    ["Host", known.host],
    ...passed,
    ...token.map((value) => [HEADER.authorization, value] as const),
    [HEADER.transactionId, known.transactionId],
    [HEADER.requestOrganization, known.consumer],
  ];
};

/** The source's headers as the outway gets them, with our receipt. */
export const towardsOutway = (received: HeaderLines, receipt: Buffer): HeaderLines => [
  ...withoutHeaders(received, isOurs),
  [HEADER.receipt, receipt.toString("base64url")],
];
