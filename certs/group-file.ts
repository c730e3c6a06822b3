// The form of group.json: how it is read, checked and signed. It says whom to trust, where the
// directory is and what the rules are.
import { createPublicKey, sign, verify, type KeyObject, type X509Certificate } from "node:crypto";
import { z } from "zod";
import { isHostName, parseAddress, type Address } from "../core/address.js";
import {
  PEER_ID_PATTERN_DEFAULT,
  peerIdRule,
  type PeerId,
  type PeerIdRule,
} from "../core/names.js";
import { basicConstraintsOf } from "./extensions.js";
import { fieldsOf, keyProblem, publicKeyOf } from "./certificate-fields.js";
import { CERTIFICATE_BYTES_MAX, isRoot } from "./chain.js";
import { readCertificates } from "./pem.js";
import type { RevocationList } from "./revocation-list.js";

/** How large a group.json may be, in bytes. */
export const GROUP_BYTES_MAX = 1024 * 1024;

const ANCHORS_MAX = 100;
const DIRECTORIES_MAX = 20;
const PORTS_MAX = 20;
const PATTERN_MAX = 200;
const PORTS_DEFAULT: readonly number[] = [443, 8443];
const SIGNED_PURPOSE = "schakel/group/v1\0";

/** A group: whose certificates count, where the directory is, and the rules that every peer keeps. Frozen. */
export interface Group {
  /** Part of every key, table, cache and message: a peer may be in several groups. */
  readonly id: string;
  /** Rises with each change of the file. */
  readonly version: number;
  /** The roots, 1 to 100. Certificates lead to one of these or count for nothing. */
  readonly anchors: readonly X509Certificate[];
  /** 1 to 20. */
  readonly directories: readonly { readonly peerId: PeerId; readonly address: Address }[];
  readonly tlsMinimum: "TLSv1.3" | "TLSv1.2";
  /** The ports at which other organisations may be dialled. */
  readonly ports: readonly number[];
  readonly peerIdRule: PeerIdRule;
  /** The regular expression of the rule, over the whole id. */
  readonly peerIdPattern: string;
  /** The revocation lists in use; not of the file: the organisation's manager brings them. */
  readonly revocationLists: readonly RevocationList[];
}

/** The `content` of group.json, in the names of the file. */
export interface GroupContent {
  /** 1 to 100 characters: letters, digits and `. / _ -` (FSC Core). */
  readonly group_id: string;
  readonly version: number;
  /** PEM, one self-signed CA certificate each. */
  readonly trust_anchors: readonly string[];
  readonly directories: readonly { readonly peer_id: string; readonly address: string }[];
  /** 1.3 unless said otherwise. */
  readonly tls_minimum?: "1.3" | "1.2";
  /** 443 and 8443 unless said otherwise. */
  readonly ports?: readonly number[];
  /** A regular expression over the whole id; 20 digits unless said otherwise. */
  readonly peer_id_pattern?: string;
  /** RFC 3339, in UTC. */
  readonly created_at: string;
}

/** A group with what its signature covers. */
export interface SignedGroup {
  readonly group: Group;
  /** The Ed25519 key that signed it: SPKI DER in base64url. */
  readonly signedBy: string;
  /** The signed content as canonical JSON. */
  readonly content: string;
}

/** All that is wrong with a group.json, one line each. */
export class GroupError extends Error {
  constructor(readonly mistakes: readonly string[]) {
    super(mistakes.join("\n"));
    this.name = "GroupError";
  }
}

const parseRule = (pattern: string): PeerIdRule | undefined => {
  try {
    return peerIdRule(pattern);
  } catch {
    return undefined;
  }
};

const anchorProblem = (anchor: X509Certificate): string | undefined => {
  if (anchor.raw.length > CERTIFICATE_BYTES_MAX) return "is too large";
  const weakness = keyProblem(publicKeyOf(anchor));
  if (weakness !== undefined) return `has ${weakness}`;
  if (!basicConstraintsOf(fieldsOf(anchor).extensions).isCa) return "is not a CA's certificate";
  return isRoot(anchor) ? undefined : "is not a root: it must be issued by itself";
};

const anchor = z.string().transform((pem, context) => {
  try {
    const [certificate] = readCertificates(pem, 1);
    if (certificate === undefined) throw new TypeError("no certificate");
    const problem = anchorProblem(certificate);
    if (problem === undefined) return certificate;
    context.addIssue({ code: "custom", message: `the certificate ${problem}` });
  } catch (error) {
    const reason = error instanceof Error ? error.message : "unreadable";
    context.addIssue({ code: "custom", message: `not one certificate in PEM: ${reason}` });
  }
  return z.NEVER;
});

const address = z.string().transform((text, context) => {
  const parsed = parseAddress(text);
  if (parsed !== undefined && isHostName(parsed.host) && parsed.port > 0) return parsed;
  const message = `found ${JSON.stringify(text)}, allowed is NAME:PORT with a DNS host name`;
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});

const distinct = <T>(key: (item: T) => unknown) =>
  [
    (items: readonly T[]) => new Set(items.map(key)).size === items.length,
    "each may stand in it once only",
  ] as const;

const directorySchema = (rule: PeerIdRule) =>
  z.strictObject({
    peer_id: z.string().transform((text, context): PeerId => {
      const peerId = rule(text);
      if (peerId !== undefined) return peerId;
      const message = `found ${JSON.stringify(text)}, which is not by peer_id_pattern`;
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    }),
    address,
  });

const contentSchema = (rule: PeerIdRule) =>
  z.strictObject({
    group_id: z
      .string()
      .regex(/^[a-zA-Z0-9./_-]{1,100}$/, "allowed are 1 to 100 letters, digits and . / _ -"),
    version: z.int().min(1),
    trust_anchors: z
      .array(anchor)
      .min(1)
      .max(ANCHORS_MAX)
      .refine(...distinct<X509Certificate>(({ fingerprint256 }) => fingerprint256)),
    directories: z
      .array(directorySchema(rule))
      .min(1)
      .max(DIRECTORIES_MAX)
      .refine(...distinct<{ peer_id: PeerId }>(({ peer_id }) => peer_id)),
    tls_minimum: z.enum(["1.3", "1.2"]).default("1.3"),
    ports: z
      .array(z.int().min(1).max(65535))
      .min(1)
      .max(PORTS_MAX)
      .refine(...distinct<number>((port) => port))
      .default([...PORTS_DEFAULT]),
    peer_id_pattern: z
      .string()
      .max(PATTERN_MAX)
      .refine((pattern) => parseRule(pattern) !== undefined, "it is not a regular expression")
      .default(PEER_ID_PATTERN_DEFAULT),
    created_at: z.iso.datetime(),
  });

const fileSchema = z.strictObject({
  content: z.looseObject({}),
  signed_by: z.string().max(100),
  signature: z.string().max(100),
});

const ruleIn = (content: unknown): PeerIdRule => {
  const { peer_id_pattern: pattern = PEER_ID_PATTERN_DEFAULT } = content as Partial<GroupContent>;
  const usable = typeof pattern === "string" && pattern.length <= PATTERN_MAX;
  // With a wrong pattern every id passes: the mistake is the pattern, and it is told once.
  return (usable ? parseRule(pattern) : undefined) ?? peerIdRule(".*");
};

const mistakesOf = (error: z.ZodError, prefix: readonly string[]): string[] =>
  error.issues.map(({ path, message }) => {
    const place = [...prefix, ...path].map(String).join(".");
    return place === "" ? message : `${place}: ${message}`;
  });

const readContent = (content: unknown): Group | readonly string[] => {
  const rule = ruleIn(content);
  const parsed = contentSchema(rule).safeParse(content);
  if (!parsed.success) return mistakesOf(parsed.error, ["content"]);
  const { data } = parsed;
  return Object.freeze({
    id: data.group_id,
    version: data.version,
    anchors: Object.freeze(data.trust_anchors),
    directories: Object.freeze(
      data.directories.map((each) => ({ peerId: each.peer_id, address: each.address })),
    ),
    tlsMinimum: data.tls_minimum === "1.2" ? "TLSv1.2" : "TLSv1.3",
    ports: Object.freeze(data.ports),
    peerIdRule: rule,
    peerIdPattern: data.peer_id_pattern,
    revocationLists: [],
  });
};

const fromBase64Url = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : undefined;
};

const preimage = (content: string): Buffer => Buffer.from(SIGNED_PURPOSE + content, "utf8");

const signatureMistakes = (content: string, signedBy: string, signature: string): string[] => {
  let key: KeyObject;
  try {
    const der = fromBase64Url(signedBy) ?? Buffer.alloc(0);
    key = createPublicKey({ key: der, format: "der", type: "spki" });
  } catch {
    return ["signed_by: allowed is an Ed25519 public key, SPKI DER in base64url"];
  }
  if (key.asymmetricKeyType !== "ed25519") return ["signed_by: the key is not an Ed25519 key"];
  const bytes = fromBase64Url(signature);
  return bytes !== undefined && verify(null, preimage(content), key, bytes)
    ? []
    : ["signature: it is not by the key in signed_by over this content"];
};

/**
 * Reads a group.json with what its signature covers.
 *
 * @throws GroupError listing every mistake
 */
export const readGroupFile = (text: string): SignedGroup => {
  if (Buffer.byteLength(text) > GROUP_BYTES_MAX) {
    throw new GroupError([`it is larger than ${String(GROUP_BYTES_MAX)} bytes`]);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new GroupError(["it is not JSON"]);
  }
  const file = fileSchema.safeParse(json);
  if (!file.success) throw new GroupError(mistakesOf(file.error, []));
  const { signed_by: signedBy, signature } = file.data;
  // The parsed file and not zod's copy of it: what was signed is exactly what stands there.
  const { content: signed } = json as { content: unknown };
  const content = JSON.stringify(signed);
  const group = readContent(signed);
  const mistakes = signatureMistakes(content, signedBy, signature);
  if ("id" in group && mistakes.length === 0) return { group, signedBy, content };
  throw new GroupError([...("id" in group ? [] : group), ...mistakes]);
};

/**
 * Reads a group.json.
 *
 * @throws GroupError listing every mistake, a wrong signature among them
 */
export const parseGroup = (text: string): Group => readGroupFile(text).group;

/** A signing key as group.json names it: SPKI DER in base64url. */
export const signerOf = (key: KeyObject): string =>
  createPublicKey(key).export({ format: "der", type: "spki" }).toString("base64url");

/**
 * Signs a group and returns the text of its group.json.
 *
 * @param signingKey an Ed25519 private key
 * @throws GroupError listing every mistake in the content, or when the key is of another kind
 */
export const createGroup = (content: GroupContent, signingKey: KeyObject): string => {
  if (signingKey.type !== "private" || signingKey.asymmetricKeyType !== "ed25519") {
    throw new GroupError(["the signing key is not an Ed25519 private key"]);
  }
  const text = JSON.stringify(content);
  const signature = sign(null, preimage(text), signingKey).toString("base64url");
  const file = `${JSON.stringify({ content, signed_by: signerOf(signingKey), signature }, null, 2)}\n`;
  parseGroup(file);
  return file;
};
