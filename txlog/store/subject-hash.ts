// How a data subject is found without standing anywhere in clear: by a keyed hash.
import { createHmac } from "node:crypto";
import type { DataSubject } from "../entry.js";
import { hmacSha256 } from "../hmac.js";

const QUICK_BYTES_MAX = 192;

/** HMAC-SHA-256 under the log's search key (32 bytes) over the subject's key, one zero byte, and its value. */
export const subjectHash = (searchKey: Buffer, { key, value }: DataSubject): Buffer => {
  const message = Buffer.from(`${key}\0${value}`);
  return message.length <= QUICK_BYTES_MAX
    ? hmacSha256(searchKey, message)
    : createHmac("sha256", searchKey).update(message).digest();
};
