// Requests that a browser sends for another site: any page could otherwise use the outway of the
// organisation whose network its visitor sits in.
import { SchakelError } from "../core/errors.js";
import { headerValues, type RequestHead } from "../relay/message.js";

const OWN_SITE = new Set(["none", "same-origin"]);

const originHost = (origin: string): string | undefined => URL.parse(origin)?.host;

/**
 * Lets programs and a user's own typing pass.
 *
 * @throws SchakelError ERROR_CODE_CROSS_SITE_REQUEST when `Sec-Fetch-Site` says that another origin
 *   started the request, or `Origin` is not the host that was asked (Fetch Metadata; RFC 6454)
 */
export const refuseCrossSite = ({ headers }: Pick<RequestHead, "headers">): void => {
  const foreign = headerValues(headers, "sec-fetch-site").find(
    (site) => !OWN_SITE.has(site.toLowerCase()),
  );
  if (foreign !== undefined) {
    throw new SchakelError("ERROR_CODE_CROSS_SITE_REQUEST", {
      detail: `Sec-Fetch-Site is "${foreign}"`,
    });
  }
  const origins = headerValues(headers, "origin");
  if (origins.length === 0) return;
  const [host = ""] = headerValues(headers, "host");
  const other = origins.find((origin) => originHost(origin) !== host.toLowerCase());
  if (other !== undefined) {
    throw new SchakelError("ERROR_CODE_CROSS_SITE_REQUEST", { detail: `Origin is "${other}"` });
  }
};
