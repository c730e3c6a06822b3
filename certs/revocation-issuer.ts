// Whose revocation list a list is, before anything in it is believed.
import { childrenOf, expectTag, readDer, TAG } from "./der.js";

/**
 * The issuer's name in a revocation list (RFC 5280, 5.1.2.3), as the hexadecimal digits of its DER: lists of one CA
 * have the same.
 *
 * @throws Error when the list is not strict DER
 */
export const revocationIssuerOf = (crl: Uint8Array): string => {
  const [tbs] = childrenOf(readDer(crl, TAG.sequence));
  const fields = childrenOf(expectTag(tbs, TAG.sequence));
  // The version, an integer, may be left out.
  const [, issuer] = fields[0]?.tag === TAG.integer ? fields.slice(1) : fields;
  return expectTag(issuer, TAG.sequence).bytes.toString("hex");
};
