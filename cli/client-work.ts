// The work of `schakel client`.
import { shown } from "../contracts/shown-text.js";
import type { OutwayClient } from "../proto/gen/schakel/manager/v1/component.js";
import { administer } from "./administration.js";
import { note, print } from "./print.js";
import type { CliSettings } from "./settings.js";
import { table } from "./table.js";

/** What `client add` is given. */
export interface AddOptions {
  readonly grant?: readonly string[];
  readonly certificate?: true;
}

/** Adds a client. Its token alone goes to standard output. */
export const add = (settings: CliSettings, name: string, options: AddOptions): Promise<void> =>
  administer(settings, async (ask) => {
    const grantHashes = [...(options.grant ?? [])];
    const byCertificate = options.certificate === true;
    const { token } = await ask("addClient", { name, grantHashes, byCertificate });
    const document = { name, grant_hashes: grantHashes, ...(byCertificate ? {} : { token }) };
    print(settings, document, () => (byCertificate ? "" : `${token}\n`));
    if (settings.json) return;
    note(
      byCertificate
        ? `The client ${shown(name)} may use our outways with a certificate: schakel enrol --create --role client --name ${shown(name)}`
        : `The client ${shown(name)} may use our outways with this token (Proxy-Authorization: Bearer …). It is shown this once.`,
    );
  });

const HEAD = ["NAME", "GRANTS"];

const row = ({ name, grantHashes }: OutwayClient): string[] => [
  shown(name),
  grantHashes.length === 0 ? "every" : grantHashes.map((hash) => shown(hash)).join(" "),
];

/** Lists the clients. */
export const list = (settings: CliSettings): Promise<void> =>
  administer(settings, async (ask) => {
    const { clients } = await ask("listClients", {});
    const documents = clients.map(({ name, grantHashes }) => ({ name, grant_hashes: grantHashes }));
    print(settings, documents, () => table(HEAD, clients.map(row)));
  });

/** Ends a client's access. */
export const remove = (settings: CliSettings, name: string): Promise<void> =>
  administer(settings, async (ask) => {
    await ask("removeClient", { name });
    print(settings, { name, removed: true }, () => `The client ${shown(name)} is no more.\n`);
  });
