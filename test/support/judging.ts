// A question that has a right answer, and certificates with faults that openssl builds into its path.
import { sign, X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { judge, parseQuestion, type Judgement, type Question } from "../../certs/judge.js";
import { readCertificates } from "../../certs/pem.js";
import {
  caExtensions,
  makeOdd,
  makeOddCa,
  peerExtensions,
  type Issuer,
  type OddCa,
  type OddCertificate,
} from "./openssl.js";

const SUBJECT = "/O=Gemeente/serialNumber=00000000000000000007";
const DAY_MS = 86_400_000;

/** The name that the usual certificate has and is asked for. */
export const NAME = "a.test";

/** Changes to a question that has a right answer. */
export type Changes = Partial<Question>;

/** How a certificate differs from the usual one. */
export type Odd = Partial<Omit<OddCertificate, "issuer">> & {
  readonly issuer?: Issuer | undefined;
};

/** A fault: what it is, what the answer says, and how it is built. */
export type Fault = readonly [
  what: string,
  reason: RegExp,
  build: () => Promise<Changes> | Changes,
];

/** DER as PEM, whatever it holds. */
export const asPem = (der: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${der.toString("base64")}\n-----END CERTIFICATE-----\n`;

/** A moment from now, RFC 3339. */
export const inDays = (days: number): string => new Date(Date.now() + days * DAY_MS).toISOString();

/** A file as text. */
export const pemOf = (file: string): Promise<string> => readFile(file, "utf8");

const first = (pem: string): string => readCertificates(pem, 10)[0]?.toString() ?? "";

/** The usual extensions and some more. */
export const extension = (...lines: string[]): Odd => ({
  extensions: [...peerExtensions(NAME), ...lines],
});
/** The usual extensions but those that begin so, and some others. */
export const without = (start: string, ...lines: string[]): Odd => ({
  extensions: [...peerExtensions(NAME).filter((line) => !line.startsWith(start)), ...lines],
});
/** These extensions and no other. */
export const ofCa = (...extensions: string[]): Odd => ({ extensions });

/** The certificates of a test file, made before its tests and removed after them. */
export const judging = () => {
  let dir: string;
  let ca: OddCa;
  let usual: Question;
  let made = 0;

  const make = async (odd: Odd): Promise<Issuer> => {
    made += 1;
    const files = await makeOdd({
      ...{ subject: SUBJECT, key: "P-256", extensions: peerExtensions(NAME) },
      ...{ issuer: { cert: ca.issuing.cert, key: ca.issuing.key } },
      ...odd,
      dir: join(dir, String(made)),
    } as OddCertificate);
    return { ...files };
  };
  const leafOf = async (odd: Odd): Promise<Changes> => ({
    leaf: await pemOf((await make(odd)).cert),
  });
  /** A path through an issuing CA with a fault. */
  const through = async (odd: Odd, leaf: Odd = {}): Promise<Changes> => {
    const issuer = await make({
      ...{ subject: "/O=EC CA/CN=odd", issuer: ca.root, extensions: caExtensions(0) },
      ...odd,
    });
    const { cert } = await make({ issuer, ...leaf });
    return { leaf: first(await pemOf(cert)), intermediates: [first(await pemOf(issuer.cert))] };
  };
  /** A path to a root with a fault. */
  const from = async (odd: Odd): Promise<Changes> => {
    const root = await make({
      ...{ subject: "/O=Odd/CN=root", extensions: caExtensions() },
      ...odd,
      issuer: undefined,
    });
    return {
      ...(await leafOf({ issuer: root })),
      anchors: [await pemOf(root.cert)],
      intermediates: [],
    };
  };
  /** A certificate with changed content, signed again by its issuer. */
  const patched = async (odd: Odd, change: (tbs: Buffer) => void): Promise<Changes> => {
    const issuer = await make({
      ...{ subject: "/CN=rsa", key: "rsa:2048", issuer: ca.root, extensions: caExtensions(0) },
    });
    const { cert } = await make({ issuer, ...odd });
    const der = Buffer.from(new X509Certificate(await pemOf(cert)).raw);
    const tbs = der.subarray(4, 8 + der.readUInt16BE(6));
    change(tbs);
    sign("sha256", tbs, await pemOf(issuer.key)).copy(der, der.length - 256);
    return { leaf: asPem(der), intermediates: [first(await pemOf(issuer.cert))] };
  };
  const ask = (changes: Changes): Judgement =>
    judge(parseQuestion({ ...usual, time: inDays(0.01), ...changes }));

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "schakel-test-path-"));
    ca = await makeOddCa(join(dir, "ca"), "EC CA", "P-256");
    usual = {
      anchors: [await pemOf(ca.root.cert)],
      intermediates: [await pemOf(ca.issuing.cert)],
      leaf: "",
      crls: [],
      time: "",
      name: NAME,
      purpose: "serverAuth",
    };
    usual = { ...usual, ...(await leafOf({})) };
  });
  after(() => rm(dir, { recursive: true, force: true }));

  return {
    ...{ make, leafOf, through, from, patched, ask },
    get dir() {
      return dir;
    },
    get ca() {
      return ca;
    },
    get usual() {
      return usual;
    },
    /** How many certificates have been made. */
    get made() {
      return made;
    },
  };
};
