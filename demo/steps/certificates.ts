// Step 1: the group is founded: a CA, a certificate for every organisation, a signed group.json.
import { foundGroup } from "../membership.js";
import { GROUP_ID, MEMBERS, ORGANISATIONS, type Organisation } from "../organisations.js";
import { reservePort, type ReservedPort } from "../ports.js";
import { check, type Scene, type Step } from "../step.js";

/** The ports that the user asked for. */
export interface WantedPorts {
  readonly inway: number | undefined;
  readonly outway: number | undefined;
}

/** The two ports of a manager: for other peers, and for its own organisation. */
export interface ManagerPorts {
  readonly peers: ReservedPort;
  readonly internal: ReservedPort;
}

/** Where the processes will listen. */
export interface Ports {
  readonly directory: ReservedPort;
  readonly inway: ReservedPort;
  readonly outway: ReservedPort;
  /** For the inway of the adviser, which offers nothing. */
  readonly otherInway: ReservedPort;
  readonly managers: ReadonlyMap<Organisation, ManagerPorts>;
}

/** What the processes need before they start. */
export interface Prepared {
  readonly ports: Ports;
  /** SHA-256 of an organisation's public key in hexadecimal, as contracts name it. */
  readonly thumbprint: (organisation: Organisation) => string;
}

const reservePorts = async (wanted: WantedPorts): Promise<Ports> => {
  const [inway, outway, directory, otherInway, managers] = await Promise.all([
    reservePort("--inway-port", wanted.inway),
    reservePort("--outway-port", wanted.outway),
    reservePort("the directory's port"),
    reservePort("an inway's port"),
    Promise.all(
      MEMBERS.map(async (member) => {
        const peers = await reservePort("a manager's port");
        const internal = await reservePort("a manager's internal port");
        return [member, { peers, internal }] as const;
      }),
    ),
  ]);
  return { directory, inway, outway, otherInway, managers: new Map(managers) };
};

const prepare = async (scene: Scene, wanted: WantedPorts): Promise<Prepared> => {
  const ports = await reservePorts(wanted);
  const identities = await foundGroup(scene, {
    directory: ports.directory.port,
    internal: (member) => ports.managers.get(member)?.internal.port ?? 0,
  });
  return {
    ports,
    thumbprint: (organisation) => identities.get(organisation)?.publicKeyThumbprint ?? "",
  };
};

/** Makes keys, certificates and group.json. */
export const certificates: Step<WantedPorts, Prepared> = {
  name: "certificates",
  title: "Certificates",
  why:
    "Every organisation proves with a certificate of the group who it is. Who has none is not even " +
    "listened to. The private key never leaves its organisation.",
  run: async (scene, wanted) => {
    scene.waiting("the keys are made");
    const prepared = await prepare(scene, wanted);
    const thumbprints = ORGANISATIONS.map(prepared.thumbprint);
    check(
      new Set(thumbprints).size === ORGANISATIONS.length && !thumbprints.includes(""),
      "the certificates do not have a key each",
    );
    return {
      told: {
        lines: [
          `${"organisation".padEnd(31)}${"peer id".padEnd(23)}public key`,
          ...ORGANISATIONS.map(
            ({ name, id }, at) =>
              `${name.padEnd(31)}${id.padEnd(23)}${thumbprints[at]?.slice(0, 16) ?? ""}…`,
          ),
        ],
        result: `${String(ORGANISATIONS.length)} certificates by a CA of the group, and the signed group.json of ${GROUP_ID}`,
        detail: {
          group: GROUP_ID,
          peers: ORGANISATIONS.map(({ name, id }, at) => ({
            id,
            name,
            public_key: thumbprints[at],
          })),
        },
      },
      made: prepared,
    };
  },
};
