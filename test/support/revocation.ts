// Revocation lists made by the openssl command.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openssl, type Issuer } from "./openssl.js";

/** What a list says. */
export interface OddList {
  readonly dir: string;
  readonly issuer: Issuer;
  /** Serials in hexadecimal, as node:crypto gives them, each with a reason of openssl's where there is one. */
  readonly revoked?: readonly (string | readonly [serial: string, reason: string])[];
  /** In hexadecimal; "01" unless given, "" for a list without a number. */
  readonly number?: string;
  /** Lines of its extension section; the issuer's key identifier unless given. */
  readonly extensions?: readonly string[];
  readonly thisUpdate?: Date;
  readonly nextUpdate?: Date;
  readonly digest?: "sha1" | "sha256";
}

const openssl14 = (date: Date): string => date.toISOString().replaceAll(/[-T:]|\.\d+/g, "");

/** Makes a list. Returns it as PEM. */
export const makeList = async (odd: OddList): Promise<string> => {
  const { dir, issuer, revoked = [], number = "01", digest = "sha256" } = odd;
  const { extensions = ["authorityKeyIdentifier=keyid"] } = odd;
  await mkdir(dir, { recursive: true });
  const at = (name: string): string => join(dir, name);
  const lines = revoked.map((each) => {
    const [serial, reason] = typeof each === "string" ? [each] : each;
    const since = openssl14(new Date()).slice(2);
    const whole = serial.length % 2 === 0 ? serial : `0${serial}`;
    return `R\t491231235959Z\t${reason === undefined ? since : `${since},${reason}`}\t${whole.toUpperCase()}\tunknown\t/CN=x\n`;
  });
  await writeFile(at("index.txt"), lines.join(""));
  await writeFile(at("index.txt.attr"), "unique_subject = no\n");
  if (number !== "") await writeFile(at("number"), `${number}\n`);
  await writeFile(
    at("ca.conf"),
    [
      "[ca]",
      "default_ca = it",
      "[it]",
      `database = ${at("index.txt")}`,
      ...(number === "" ? [] : [`crlnumber = ${at("number")}`]),
      `default_md = ${digest}`,
      "default_crl_days = 7",
      ...(extensions.length === 0 ? [] : ["crl_extensions = ext", "[ext]", ...extensions]),
      "",
    ].join("\n"),
  );
  const time = (flag: string, date: Date | undefined): string[] =>
    date === undefined ? [] : [flag, openssl14(date)];
  await openssl(
    ...["ca", "-gencrl", "-config", at("ca.conf"), "-cert", issuer.cert, "-keyfile", issuer.key],
    ...["-out", at("list.pem")],
    ...time("-crl_lastupdate", odd.thisUpdate),
    ...time("-crl_nextupdate", odd.nextUpdate),
  );
  return await readFile(at("list.pem"), "utf8");
};
