// Serial numbers of certificates.
import { randomBytes } from "node:crypto";

/**
 * A random 128-bit serial number as the hexadecimal content of a DER INTEGER: positive, without padding
 * that DER does not allow (RFC 5280, 4.1.2.2).
 */
export const newSerial = (): string => {
  const digits = BigInt(`0x${randomBytes(16).toString("hex")}`).toString(16);
  const whole = digits.length % 2 === 0 ? digits : `0${digits}`;
  return Number.parseInt(whole.slice(0, 2), 16) >= 0x80 ? `00${whole}` : whole;
};
