// Why an exchange of the link, or a whole connection, was ended. The numbers are those of docs/link.md.

/** The codes that RESET and GOAWAY carry. */
export const LINK_CODE = {
  /** Nothing is wrong: the rest is not wanted (RESET), or no new exchanges are (GOAWAY). */
  none: 0,
  /** A frame that may not come here: before HELLO, twice, out of order, or of an exchange that is not there. */
  protocol: 1,
  /** A frame that is not formed as it must be. */
  frame: 2,
  /** A frame or a part of one is larger than the receiver said it takes. */
  size: 3,
  /** More data than the window lets pass, or a window beyond its limit. */
  window: 4,
  /** More exchanges at once than the receiver said it takes, or a number that is not the next. */
  exchanges: 5,
  /** Too many frames that move nothing. */
  flood: 6,
  /** Something was too long in coming. */
  timeout: 7,
  /** A token that no header line could be, or a number that stands for none. */
  token: 8,
  /** A version that this side does not speak. */
  version: 9,
  /** The one who waits for the answer is gone. */
  cancelled: 10,
  /** What the message comes from broke off in the middle of it. */
  broken: 11,
  /** The message is not what its head or HTTP says. */
  malformed: 12,
  /** The exchange was not looked at; it may be sent to somebody else. */
  refused: 13,
  /** The sender failed. */
  internal: 14,
} as const;

/** One of the codes, or a number that a later version may give a meaning: it is taken for `internal`. */
export type LinkCode = number;

/** Rules of the link that the other side has broken; the connection ends with the code. */
export class LinkError extends Error {
  constructor(
    readonly code: LinkCode,
    rule: string,
  ) {
    super(`the link is ended: ${rule}`);
    this.name = "LinkError";
  }
}
