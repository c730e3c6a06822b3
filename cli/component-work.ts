// The work of `schakel component revoke`, and how revoked certificates are shown.
import { shown } from "../contracts/shown-text.js";
import type { RefusedCertificate } from "../proto/gen/schakel/manager/v1/administration.js";
import { administer } from "./administration.js";
import { UsageError } from "./command.js";
import { note, print } from "./print.js";
import type { CliSettings } from "./settings.js";
import { table } from "./table.js";
import { shownMoment } from "./times.js";

const SECOND_MS = 1000n;

/** What `component revoke` is given: role and name, or a serial number. */
export interface RevokeOptions {
  readonly role?: string;
  readonly name?: string;
  readonly serial?: string;
}

const HEAD = ["ROLE", "NAME", "SERIAL", "REFUSED SINCE", "VALID UNTIL"];

const documentOf = (each: RefusedCertificate) => ({
  role: each.role,
  name: each.name,
  serial_number: each.serialNumber,
  refused_at: shownMoment(each.refusedAtMs),
  expires_at: shownMoment(each.expiresAt * SECOND_MS),
});

/** Prints certificates that are refused. */
export const printRefused = (
  settings: CliSettings,
  certificates: readonly RefusedCertificate[],
): void => {
  const documents = certificates.map(documentOf);
  const rows = documents.map((each) => Object.values(each).map((cell) => shown(cell)));
  print(settings, documents, () => table(HEAD, rows));
};

const wanted = ({ role, name, serial }: RevokeOptions) => {
  if (serial !== undefined) {
    if (role !== undefined || name !== undefined) {
      throw new UsageError("--serial stands instead of --role and --name");
    }
    return { role: "", name: "", serialNumber: serial };
  }
  if (role === undefined || name === undefined) {
    throw new UsageError("give --role and --name, or --serial");
  }
  return { role, name, serialNumber: "" };
};

/** Revokes a component's certificates and shows them. */
export const revoke = async (settings: CliSettings, options: RevokeOptions): Promise<void> => {
  const request = wanted(options);
  await administer(settings, async (ask) => {
    const { certificates, added } = await ask("revokeComponent", request);
    printRefused(settings, certificates);
    if (settings.json) return;
    note(
      added === 0
        ? "They were revoked before; nothing has changed."
        : "They are refused from now on, and their connections are ended. A new code gives a new certificate: schakel enrol --create",
    );
  });
};
