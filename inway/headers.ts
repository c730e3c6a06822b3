// The headers of an exchange as they leave the inway: towards the source, and back (docs/headers.md).
import { HEADER, isForwarded, isForOutway, isOfUser, isOurs } from "../core/exchange-headers.js";
import type { PeerId, TransactionId } from "../core/names.js";
import { EditedLines, EditedResponse } from "../relay/edited-lines.js";
import { HeaderName } from "../relay/header-name.js";
import type { RequestHead, ResponseHead } from "../relay/message.js";
import { NameChoice } from "../relay/name-choice.js";

/** What the inway knows when it writes the headers towards the source. */
export interface SourceHeaders {
  readonly transactionId: TransactionId;
  readonly consumer: PeerId;
  /** Our own peer's id: what the client says of its user stays only within one organisation. */
  readonly self: PeerId;
  /** The Host that the source sees. */
  readonly host: string;
}

const AUTHORIZATION = new HeaderName(HEADER.authorization);

const isNotForSource = (name: string): boolean =>
  name === "host" || isOurs(name) || isForOutway(name) || isForwarded(name);

/** What does not reach the source from our own outway, and from that of another peer. */
const FROM_OURS = new NameChoice(isNotForSource);
const FROM_OTHERS = new NameChoice((name) => isNotForSource(name) || isOfUser(name));

/** The request's headers as the source gets them: first hop-by-hop out, then ours out, then ours set. */
export const towardsSource = (received: RequestHead, known: SourceHeaders): EditedLines =>
  new EditedLines(received, known.consumer === known.self ? FROM_OURS : FROM_OTHERS, {
    before: [["Host", known.host]],
    after: [
      ...AUTHORIZATION.valuesIn(received).map((value) => [HEADER.authorization, value] as const),
      [HEADER.transactionId, known.transactionId],
      [HEADER.requestOrganization, known.consumer],
    ],
  });

const FROM_SOURCE = new NameChoice(isOurs);

/** The source's answer as the outway gets it, with our receipt. */
export const towardsOutway = (received: ResponseHead, receipt: Buffer): ResponseHead =>
  new EditedResponse(
    received.status,
    received.reason,
    new EditedLines(received, FROM_SOURCE, {
      before: [],
      after: [[HEADER.receipt, receipt.toString("base64url")]],
    }),
  );
