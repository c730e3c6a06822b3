// What makes the organisations a group: a CA, the signed group.json, and for each organisation its folder with
// a certificate by that CA.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createCa, openCa, validFromNow, type Ca } from "../certs/ca.js";
import { createGroup } from "../certs/group-file.js";
import { identityOf, type PeerIdentity } from "../certs/identity.js";
import { issueCertificate } from "../certs/issue.js";
import { writeCertificates } from "../certs/pem.js";
import { createKeyFile } from "../certs/private-file.js";
import { createGroupKey, createRsaKey, writePrivateKey } from "../certs/private-key.js";
import { createRequest, parseRequest } from "../certs/request.js";
import { makeOrganisation } from "../cli/init.js";
import { formatAddress } from "../core/address.js";
import { PEER_ID_PATTERN_DEFAULT, peerIdRule } from "../core/names.js";
import { filesOf, groupFileOf } from "./files.js";
import { GROUP_ID, MEMBERS, OPERATOR, type Organisation } from "./organisations.js";
import type { Scene } from "./step.js";

/** How long the certificates of the demo are valid. */
const VALID_MS = 7 * 86_400_000;
// The smallest size that is allowed: the demo is thrown away, and its reader is waiting.
const KEY_BITS = 2048;

/** Who each organisation is, by its certificate. */
export type Identities = ReadonlyMap<Organisation, PeerIdentity>;

/** Where the processes will listen that certificates, group.json and folders speak of. */
export interface FoundingPorts {
  readonly directory: number;
  /** Where an organisation's manager listens for its own. */
  readonly internal: (organisation: Organisation) => number;
}

// A directory needs no more of its organisation than a key and a certificate.
const requestOfOperator = async (scene: Scene): Promise<string> => {
  const { folder, key: path } = filesOf(scene, OPERATOR);
  await mkdir(folder, { mode: 0o700 });
  const key = await createRsaKey(KEY_BITS);
  await createKeyFile(path, writePrivateKey(key));
  const { id: peerId, name, host } = OPERATOR;
  return createRequest({ peerId, organisation: name }, [host], key);
};

// What an organisation does, with `schakel init`: its private keys never leave it, the group's CA gets a request.
const requestOfMember = async (
  scene: Scene,
  organisation: Organisation,
  internalPort: number,
): Promise<string> => {
  const { folder, request } = filesOf(scene, organisation);
  await makeOrganisation({
    folder,
    group: groupFileOf(scene),
    peerId: organisation.id,
    organisation: organisation.name,
    name: [organisation.host],
    manager: formatAddress({ host: "127.0.0.1", port: internalPort }),
    keyBits: KEY_BITS,
  });
  return readFile(request, "utf8");
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

/** Makes the CA, the group.json, and every organisation's folder with its certificates, all at once where it can be. */
export const foundGroup = async (scene: Scene, ports: FoundingPorts): Promise<Identities> => {
  const caFolder = join(scene.folder, "ca");
  const [ofOperator, signingKey] = await Promise.all([
    requestOfOperator(scene),
    createGroupKey(),
    createCa(caFolder, { name: "Demogroep", keyBits: KEY_BITS }),
  ]);
  const ca = await openCa(caFolder);
  const content = {
    group_id: GROUP_ID,
    version: 1,
    trust_anchors: [ca.root.toString()],
    directories: [{ peer_id: OPERATOR.id, address: `${OPERATOR.host}:${String(ports.directory)}` }],
    created_at: new Date().toISOString(),
  };
  await writeFile(groupFileOf(scene), createGroup(content, signingKey));
  const ofMembers = await Promise.all(
    MEMBERS.map(async (member) => {
      const request = await requestOfMember(scene, member, ports.internal(member));
      return [member, request] as const;
    }),
  );
  const identities = new Map<Organisation, PeerIdentity>();
  for (const [organisation, request] of [...ofMembers, [OPERATOR, ofOperator] as const])
    identities.set(organisation, await issue(scene, ca, organisation, request));
  return identities;
};
