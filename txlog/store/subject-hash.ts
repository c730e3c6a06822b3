// How a data subject is found without standing anywhere in clear: by a keyed hash.
import { createHmac, type KeyObject } from "node:crypto";
import type { DataSubject } from "../entry.js";

/** HMAC-SHA-256 under the log's search key (32 bytes) over the subject's key, one zero byte, and its value. */
export const subjectHash = (searchKey: KeyObject, { key, value }: DataSubject): Buffer =>
  createHmac("sha256", searchKey).update(`${key}\0${value}`).digest();
