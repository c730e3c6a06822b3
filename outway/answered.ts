// What an inway's answer says to the outway itself.
import { HEADER } from "../core/exchange-headers.js";
import { HeaderName } from "../relay/header-name.js";
import { headerValues, type ResponseHead } from "../relay/message.js";

const RECEIPT_BYTES = 32;

const RECEIPT = new HeaderName(HEADER.receipt);

/** The hash of the inway's record of the exchange; undefined when it gives none. */
export const receiptOf = (head: ResponseHead): Buffer | undefined => {
  const [text = ""] = RECEIPT.valuesIn(head);
  const receipt = Buffer.from(text, "base64url");
  return receipt.length === RECEIPT_BYTES ? receipt : undefined;
};

const DROPPING = new Set(["ERROR_CODE_ACCESS_TOKEN_EXPIRED", "ERROR_CODE_ACCESS_TOKEN_INVALID"]);

/** Whether an inway's answer says that the token counts no more. */
export const refusesToken = (head: ResponseHead): boolean =>
  head.status === 401 &&
  headerValues(head.headers, HEADER.errorCode).some((code) => DROPPING.has(code));
