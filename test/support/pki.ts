// A group for tests, made by our own CA: certificates of peers, and a group.json that can change. Keys
// are made once a test process, so that a group costs a few milliseconds.
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BundleFiles } from "../../certs/bundle.js";
import { createCa, openCa, validFromNow } from "../../certs/ca.js";
import type { Purpose } from "../../certs/extensions.js";
import { createGroup, type GroupContent } from "../../certs/group.js";
import { issueCertificate } from "../../certs/issue.js";
import { createRsaKey, writePrivateKey } from "../../certs/private-key.js";
import { createRequest, parseRequest } from "../../certs/request.js";
import { writeFileDurably } from "../../core/durable-file.js";
import { makeOdd, type Issuer, type OddCertificate } from "./openssl.js";

const KEY_BITS = 2048;
const DAY_MS = 86_400_000;

/** A peer of a test group. */
export interface TestPeer {
  readonly peerId: string;
  readonly name: string;
  readonly files: BundleFiles;
  readonly dir: string;
}

/** What a peer's certificate says. */
export interface TestPeerOptions {
  readonly peerId: string;
  readonly name: string;
  /** DNS names. */
  readonly names: readonly string[];
  readonly notBefore?: Date;
  /** In 30 days unless given; may have passed. */
  readonly notAfter?: Date;
  readonly purposes?: readonly Purpose[];
}

/** What a test group says; all of it has a default. */
export interface TestGroupOptions {
  readonly groupId?: string;
  readonly directories?: GroupContent["directories"];
  readonly ports?: readonly number[];
  readonly tlsMinimum?: "1.2" | "1.3";
  /** Further anchors in PEM, beside the test CA's. */
  readonly anchors?: readonly string[];
}

// Made with the CA's own code and kept for the process: the keys are what costs time.
const shared = mkdtempSync(join(tmpdir(), "schakel-test-ca-"));
process.once("exit", () => rmSync(shared, { recursive: true, force: true }));
const cas = new Map<string, Promise<string>>();
const keys = new Map<string, Promise<KeyObject>>();

const caOf = (groupId: string): Promise<string> => {
  const made =
    cas.get(groupId) ??
    (async () => {
      const dir = join(shared, String(cas.size));
      await createCa(dir, { name: `Test CA ${groupId}`, keyBits: KEY_BITS });
      return dir;
    })();
  cas.set(groupId, made);
  return made;
};

const keyOf = (peerId: string): Promise<KeyObject> => {
  const made = keys.get(peerId) ?? createRsaKey(KEY_BITS);
  keys.set(peerId, made);
  return made;
};

/**
 * A group in a temporary folder, with its own CA (one a group id) and a group.json. Whoever makes it
 * removes it.
 */
export class TestGroup {
  readonly dir: string;
  readonly groupFile: string;
  readonly caDir: string;
  /** The Ed25519 key that signs group.json. */
  readonly signingKey: KeyObject = generateKeyPairSync("ed25519").privateKey;
  #content: GroupContent;
  #peers = 0;

  private constructor(dir: string, content: GroupContent) {
    this.dir = dir;
    this.groupFile = join(dir, "group.json");
    this.caDir = join(dir, "ca");
    this.#content = content;
  }

  static async create(options: TestGroupOptions = {}): Promise<TestGroup> {
    const groupId = options.groupId ?? "test";
    const dir = await mkdtemp(join(tmpdir(), "schakel-test-group-"));
    const source = await caOf(groupId);
    const anchor = await readFile(join(source, "root.pem"), "utf8");
    const group = new TestGroup(dir, {
      group_id: groupId,
      version: 1,
      trust_anchors: [anchor, ...(options.anchors ?? [])],
      directories: options.directories ?? [
        { peer_id: "00000000000000000001", address: "directory.test:8443" },
      ],
      tls_minimum: options.tlsMinimum ?? "1.3",
      ports: options.ports ?? [443, 8443],
      created_at: new Date().toISOString(),
    });
    await cp(source, group.caDir, { recursive: true });
    await writeFileDurably(group.groupFile, createGroup(group.#content, group.signingKey), 0o644);
    return group;
  }

  /** The content of group.json as it was written last. */
  get content(): GroupContent {
    return this.#content;
  }

  /** The issuing CA's files, for certificates made with openssl. */
  get issuer(): Issuer {
    const cert = join(this.caDir, "issuing.pem");
    return { cert, key: join(this.caDir, "issuing.key"), chain: cert };
  }

  /**
   * Issues a certificate to a peer. Certificates of one peer id share a key; two peers of a group never do.
   */
  async peer(options: TestPeerOptions): Promise<TestPeer> {
    const { peerId, name, names } = options;
    const ca = await openCa(this.caDir);
    const key = await keyOf(peerId);
    const request = parseRequest(createRequest({ peerId, organisation: name }, names, key));
    const notAfter = options.notAfter ?? new Date(Date.now() + 30 * DAY_MS);
    const usual = validFromNow().getTime();
    const certificate = await issueCertificate(ca, request, {
      names,
      notBefore: options.notBefore ?? new Date(Math.min(usual, notAfter.getTime() - DAY_MS)),
      notAfter,
      purposes: options.purposes,
    });
    const dir = await this.#newFolder();
    const files = { cert: join(dir, "cert.pem"), key: join(dir, "key.pem") };
    await writeFile(files.cert, certificate.toString() + ca.issuing.toString());
    await writeFile(files.key, writePrivateKey(key), { mode: 0o600 });
    return { peerId, name, files, dir };
  }

  /** Issues an odd certificate with openssl, by this group's CA unless an issuer is given. */
  async oddPeer(odd: Omit<OddCertificate, "dir">): Promise<TestPeer> {
    const dir = await this.#newFolder();
    const files = await makeOdd({ issuer: this.issuer, ...odd, dir });
    const at = (type: string): string =>
      new RegExp(`/${type}=([^/]*)`).exec(odd.subject)?.[1] ?? "";
    return { peerId: at("serialNumber"), name: at("O"), files, dir };
  }

  /** Rewrites group.json with changes and, unless one is among them, the next version. */
  async writeGroup(changes: Partial<GroupContent>, signingKey = this.signingKey): Promise<void> {
    const content = { ...this.#content, version: this.#content.version + 1, ...changes };
    await writeFileDurably(this.groupFile, createGroup(content, signingKey), 0o644);
    this.#content = content;
  }

  /** Removes the folder with all that was issued. */
  async remove(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }

  async #newFolder(): Promise<string> {
    this.#peers += 1;
    const dir = join(this.dir, "peers", String(this.#peers));
    await mkdir(dir, { recursive: true });
    return dir;
  }
}
