// Where a caller says that its manager is: the header Fsc-Manager-Address, held against its certificate.
import { certifiesHost, type PeerIdentity } from "../certs/identity.js";
import { quoted } from "../contracts/shown-text.js";
import { audienceOf, parseAudience } from "../contracts/token.js";
import { formatAddress, type Address } from "../core/address.js";
import { SchakelError } from "../core/errors.js";

/** The header, in lower case. */
export const MANAGER_ADDRESS_HEADER = "fsc-manager-address";

/** The value of the header for an address. */
export const managerAddressValue = audienceOf;

const notAllowed = (detail: string): SchakelError =>
  new SchakelError("ERROR_CODE_ADDRESS_NOT_ALLOWED", { detail });

/**
 * The address in the header.
 *
 * @param values of all header lines with that name
 * @param ports those of the group, or undefined for any
 * @throws SchakelError ERROR_CODE_ADDRESS_NOT_ALLOWED: it must stand there once, be https with host and
 * port, its host be a name of the caller's certificate, its port one of the group's
 */
export const readManagerAddress = (
  values: readonly string[],
  caller: PeerIdentity,
  ports: readonly number[] | undefined,
): Address => {
  const [value, ...more] = values;
  if (value === undefined) throw notAllowed(`the header Fsc-Manager-Address is missing`);
  if (more.length > 0) throw notAllowed(`the header Fsc-Manager-Address comes more than once`);
  const address = parseAudience(value);
  if (address === undefined) {
    throw notAllowed(
      `Fsc-Manager-Address is ${quoted(value)}, it must be https:// with a host and a port`,
    );
  }
  if (!certifiesHost(caller, address.host)) {
    const names = caller.dnsNames.join(", ");
    throw notAllowed(
      `the host of ${quoted(formatAddress(address))} is not a name of the caller's certificate (names are: ${names === "" ? "none" : names})`,
    );
  }
  if (ports?.includes(address.port) === false) {
    throw notAllowed(
      `the port of ${quoted(formatAddress(address))} is not one of the group's: ${ports.join(", ")}`,
    );
  }
  return address;
};
