// Random bytes for ids that are made for every exchange, drawn for many of them at once: one draw costs as much as all
// of them. For keys and salts there is node:crypto itself: what has been drawn lies in memory until it is used.
import { randomFillSync } from "node:crypto";

const drawn = Buffer.allocUnsafeSlow(8 * 1024);
let used = drawn.length;

/** So many random bytes, at most 1,024, each given out once. They are to be used at once: later calls write over them. */
export const drawnRandom = (bytes: number): Buffer => {
  if (used + bytes > drawn.length) {
    randomFillSync(drawn);
    used = 0;
  }
  return drawn.subarray(used, (used += bytes));
};
