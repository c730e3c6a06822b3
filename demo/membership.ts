// What makes the organisations a group: a CA, a certificate for each of them, and the signed group.json.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createCa, openCa, validFromNow, type Ca } from "../certs/ca.js";
import { createGroup } from "../certs/group-file.js";
import { identityOf, type PeerIdentity } from "../certs/identity.js";
import { issueCertificate } from "../certs/issue.js";
import { writeCertificates } from "../certs/pem.js";
import { createKeyFile } from "../certs/private-file.js";
import { createGroupKey, createRsaKey, writePrivateKey } from "../certs/private-key.js";
import { createRequest, parseRequest } from "../certs/request.js";
import { PEER_ID_PATTERN_DEFAULT, peerIdRule } from "../core/names.js";
import { GROUP_ID, OPERATOR, ORGANISATIONS, type Organisation } from "./organisations.js";
import { filesOf, groupFileOf } from "./services.js";
import type { Scene } from "./step.js";

/** How long the certificates of the demo are valid. */
const VALID_MS = 7 * 86_400_000;
// The smallest size that is allowed: the demo is thrown away, and its reader is waiting.
const KEY_BITS = 2048;

/** Who each organisation is, by its certificate. */
export type Identities = ReadonlyMap<Organisation, PeerIdentity>;

// What an organisation does: its private key never leaves it, the CA gets a request.
const requestOf = async (scene: Scene, organisation: Organisation): Promise<string> => {
  const { folder, key: path } = filesOf(scene, organisation);
  await mkdir(folder, { mode: 0o700 });
  const key = await createRsaKey(KEY_BITS);
  await createKeyFile(path, writePrivateKey(key));
  const { id: peerId, name, host } = organisation;
  return createRequest({ peerId, organisation: name }, [host], key);
};

// What the operator of the CA does: it checks the request, and decides itself on name and time.
const issue = async (
  scene: Scene,
  ca: Ca,
  organisation: Organisation,
  request: string,
): Promise<PeerIdentity> => {
  const notBefore = validFromNow();
  const certificate = await issueCertificate(ca, parseRequest(request), {
    names: [organisation.host],
    notBefore,
    notAfter: new Date(notBefore.getTime() + VALID_MS),
  });
  await writeFile(filesOf(scene, organisation).cert, writeCertificates([certificate, ca.issuing]));
  return identityOf(certificate, peerIdRule(PEER_ID_PATTERN_DEFAULT));
};

/**
 * Makes the CA, the certificates and the group.json, all keys at once.
 *
 * @param directoryPort where the directory will listen
 */
export const foundGroup = async (scene: Scene, directoryPort: number): Promise<Identities> => {
  const caFolder = join(scene.folder, "ca");
  const [requests, signingKey] = await Promise.all([
    Promise.all(ORGANISATIONS.map((organisation) => requestOf(scene, organisation))),
    createGroupKey(),
    createCa(caFolder, { name: "Demogroep", keyBits: KEY_BITS }),
  ]);
  const ca = await openCa(caFolder);
  const identities = new Map<Organisation, PeerIdentity>();
  for (const [at, organisation] of ORGANISATIONS.entries())
    identities.set(organisation, await issue(scene, ca, organisation, requests[at] ?? ""));
  const content = {
    group_id: GROUP_ID,
    version: 1,
    trust_anchors: [ca.root.toString()],
    directories: [{ peer_id: OPERATOR.id, address: `${OPERATOR.host}:${String(directoryPort)}` }],
    created_at: new Date().toISOString(),
  };
  await writeFile(groupFileOf(scene), createGroup(content, signingKey));
  return identities;
};
