// Certificates made by the openssl command: those of other CAs, of EC keys, and odd ones that our own
// CA would not issue.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFile, copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { BundleFiles } from "../../certs/bundle.js";

const run = promisify(execFile);

/** Runs openssl. Rejects with its standard error when it fails. */
export const openssl = async (...args: string[]): Promise<string> =>
  (await run("openssl", args)).stdout;

/** The keys that are made. */
export type KeyKind =
  | "rsa:1024"
  | "rsa:2048"
  | "P-256"
  | "P-384"
  | "P-521"
  | "secp256k1"
  | "explicit P-256"
  | "ed25519";

/** The files of an issuer. */
export interface Issuer {
  readonly cert: string;
  readonly key: string;
  /** Its own issuers below the anchor, which the certificates it issues are followed by. */
  readonly chain?: string;
}

/** What is made. */
export interface OddCertificate {
  readonly dir: string;
  /** In openssl's form: "/O=Name/serialNumber=1". Give one attribute twice to have it twice. */
  readonly subject: string;
  readonly key?: KeyKind;
  /** Lines of an extension section; those of a peer unless given. */
  readonly extensions?: readonly string[];
  readonly digest?: "md5" | "sha1" | "sha224" | "sha256" | "sha384";
  readonly days?: number;
  /** In openssl's form, "0x01" or "-1"; a random one unless given. */
  readonly serial?: string;
  /** Further options of `openssl x509`. */
  readonly options?: readonly string[];
  /** Signs itself without one. */
  readonly issuer?: Issuer;
}

const algorithmOf = (key: KeyKind): string[] => {
  if (key.startsWith("rsa:"))
    return ["-algorithm", "RSA", "-pkeyopt", `rsa_keygen_bits:${key.slice(4)}`];
  if (key === "ed25519") return ["-algorithm", "ED25519"];
  const explicit = key.startsWith("explicit ");
  return [
    "-algorithm",
    "EC",
    "-pkeyopt",
    `ec_paramgen_curve:${key.replace("explicit ", "")}`,
    "-pkeyopt",
    `ec_param_enc:${explicit ? "explicit" : "named_curve"}`,
  ];
};

/** The extensions of a peer's certificate with these names. */
export const peerExtensions = (...names: string[]): readonly string[] => [
  "basicConstraints=critical,CA:FALSE",
  "keyUsage=critical,digitalSignature",
  "extendedKeyUsage=clientAuth,serverAuth",
  `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}`,
];

/** The extensions of a CA's certificate. */
export const caExtensions = (pathLength?: number): readonly string[] => [
  `basicConstraints=critical,CA:TRUE${pathLength === undefined ? "" : `,pathlen:${String(pathLength)}`}`,
  "keyUsage=critical,keyCertSign,cRLSign",
  "subjectKeyIdentifier=hash",
];

/** Makes a key and a certificate in a folder. The certificate's file holds its issuer's chain too. */
export const makeOdd = async (odd: OddCertificate): Promise<BundleFiles> => {
  const { dir, subject, key = "rsa:2048", issuer, digest = "sha256", days = 30 } = odd;
  await mkdir(dir, { recursive: true });
  const at = (name: string): string => join(dir, name);
  const files = { cert: at("cert.pem"), key: at("key.pem") };
  await writeFile(at("extensions"), (odd.extensions ?? peerExtensions("odd.test")).join("\n"));
  await openssl("genpkey", ...algorithmOf(key), "-out", files.key);
  const name = ["-utf8", "-subj", subject];
  const serial = odd.serial ?? `0x01${randomBytes(15).toString("hex")}`;
  await openssl("req", "-new", "-key", files.key, ...name, "-out", at("request.pem"));
  await openssl(
    ...["x509", "-req", "-in", at("request.pem"), "-out", files.cert, "-days", String(days)],
    ...["-set_serial", serial],
    ...(odd.extensions?.length === 0 ? [] : ["-extfile", at("extensions")]),
    ...(odd.options ?? []),
    ...(key === "ed25519" && issuer === undefined ? [] : [`-${digest}`]),
    ...(issuer === undefined
      ? ["-signkey", files.key]
      : ["-CA", issuer.cert, "-CAkey", issuer.key]),
  );
  if (issuer?.chain !== undefined) await appendFile(files.cert, await readFile(issuer.chain));
  return files;
};

/** A root with an issuing CA below it, both with keys of one kind. */
export interface OddCa {
  readonly root: Issuer;
  readonly issuing: Issuer;
}

/** Makes a root and an issuing CA. */
export const makeOddCa = async (dir: string, name: string, key: KeyKind): Promise<OddCa> => {
  const root = await makeOdd({
    dir: join(dir, "root"),
    subject: `/O=${name}/CN=${name} root`,
    key,
    extensions: caExtensions(),
  });
  const issuing = await makeOdd({
    dir: join(dir, "issuing"),
    subject: `/O=${name}/CN=${name} issuing`,
    key,
    extensions: caExtensions(0),
    issuer: root,
  });
  const chain = join(dir, "issuing", "chain.pem");
  await copyFile(issuing.cert, chain);
  return { root, issuing: { ...issuing, chain } };
};
