// Revocation lists of a test group's CA, made by the openssl command.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { X509Certificate } from "node:crypto";
import { openssl, type Issuer } from "./openssl.js";

/** The list of an issuer, DER, that names these certificates (PEM files) as revoked. */
export const revocationListOf = async (
  issuer: Issuer,
  revoked: readonly string[],
  { number = 1, days = 1 }: { readonly number?: number; readonly days?: number } = {},
): Promise<Buffer> => {
  const dir = await mkdtemp(join(tmpdir(), "schakel-test-crl-"));
  try {
    const serials = await Promise.all(
      revoked.map(async (path) => new X509Certificate(await readFile(path)).serialNumber),
    );
    const since = `${new Date(Date.now() - 60_000).toISOString().slice(2, 19).replaceAll(/[-T:]/g, "")}Z`;
    // The form of openssl's database: status, end, revoked since, serial, file, subject.
    const rows = serials.map((serial) => `R\t491231235959Z\t${since}\t${serial}\tunknown\t/CN=x\n`);
    const config = [
      ...["[ca]", "default_ca=own", "[own]", `database=${dir}/index`, `crlnumber=${dir}/number`],
      ...[
        "default_md=sha256",
        "crl_extensions=ext",
        "[ext]",
        "authorityKeyIdentifier=keyid:always",
      ],
    ];
    await writeFile(join(dir, "index"), rows.join(""));
    await writeFile(join(dir, "number"), `${number.toString(16).padStart(2, "0")}\n`);
    await writeFile(join(dir, "config"), `${config.join("\n")}\n`);
    const pem = join(dir, "list.pem");
    await openssl(
      ...["ca", "-gencrl", "-config", join(dir, "config"), "-crldays", String(days)],
      ...["-cert", issuer.cert, "-keyfile", issuer.key, "-out", pem],
    );
    const der = join(dir, "list.der");
    await openssl("crl", "-in", pem, "-outform", "DER", "-out", der);
    return await readFile(der);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
};
