// The processes of the demo's group and how each is started.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import {
  MUNICIPALITY,
  OPERATOR,
  ORGANISATIONS,
  REGISTER,
  SERVICE,
  type Organisation,
} from "./organisations.js";
import { startListening, startService, type Service } from "./schakel.js";
import type { Scene } from "./step.js";

const SOURCE = fileURLToPath(new URL("./source.js", import.meta.url));

/** Every process that serves in the demo. */
export interface Network {
  readonly directory: Service;
  readonly source: Omit<Service, "healthPort">;
  readonly inway: Service;
  /** The outway of the municipality. */
  readonly outway: Service;
  /** The outway of the adviser. */
  readonly otherOutway: Service;
}

/** Where the files of an organisation lie. */
export const filesOf = (scene: Scene, organisation: Organisation) => {
  const folder = join(scene.folder, organisation.folder);
  return {
    folder,
    cert: join(folder, "certificate.pem"),
    key: join(folder, "private.key"),
    grants: join(folder, "grants.yaml"),
    /** The data folder of a process; its transaction log lies in log/. */
    data: (kind: string): string => join(folder, kind),
    log: (kind: string): string => join(folder, kind, "log"),
  };
};

/** The group's signed description, which every process gets. */
export const groupFileOf = (scene: Scene): string => join(scene.folder, "group.json");

/** The flags by which a process or command acts for an organisation. */
export const actingFor = (scene: Scene, organisation: Organisation): string[] => {
  const { cert, key } = filesOf(scene, organisation);
  // The whole group lives on this machine: its host names lead to loopback, on any port.
  const hosts = ORGANISATIONS.map(({ host }) => `${host}=127.0.0.1`).join(",");
  return [
    ...["--group", groupFileOf(scene), "--cert", cert, "--key", key],
    ...["--resolve", hosts, "--allow-private-addresses", "--allow-any-port"],
  ];
};

const serving = (scene: Scene, organisation: Organisation, kind: string): string[] => [
  kind,
  ...actingFor(scene, organisation),
  ...["--data", filesOf(scene, organisation).data(kind)],
  ...["--health-listen", "127.0.0.1:0", "--log-format", "json", "--stop-timeout", "5s"],
];

const local = (port: number): string => `127.0.0.1:${String(port)}`;

/** Starts the group's directory. */
export const startDirectory = (scene: Scene, port: number): Promise<Service> =>
  startService(scene.processes, "the directory", [
    ...serving(scene, OPERATOR, "directory"),
    ...["--listen", local(port)],
  ]);

/** Starts the register's source API, which knows nothing of the group. */
export const startSource = (scene: Scene): Promise<Network["source"]> =>
  startListening(scene.processes, "the source", [SOURCE]);

/** Writes who may use the register's service, and starts the inway before its source. */
export const startInway = async (
  scene: Scene,
  ports: { readonly inway: number; readonly source: number },
  thumbprint: string,
): Promise<Service> => {
  const { grants } = filesOf(scene, REGISTER);
  await writeFile(
    grants,
    stringify({
      services: [{ name: SERVICE, url: `http://${local(ports.source)}`, openapi: "/openapi.json" }],
      grants: [{ peer: MUNICIPALITY.id, public_key: thumbprint, service: SERVICE }],
    }),
  );
  return startService(scene.processes, "the inway", [
    ...serving(scene, REGISTER, "inway"),
    ...["--listen", local(ports.inway), "--address", `${REGISTER.host}:${String(ports.inway)}`],
    // A temporary folder may lie in memory; nothing of the demo has to outlive it.
    ...["--grants", grants, "--allow-volatile-log"],
  ]);
};

/** Starts the outway of an organisation; port 0 takes a free one. */
export const startOutway = (
  scene: Scene,
  organisation: Organisation,
  port: number,
): Promise<Service> =>
  startService(scene.processes, `the outway of ${organisation.name}`, [
    ...serving(scene, organisation, "outway"),
    ...["--listen", local(port), "--allow-volatile-log"],
  ]);
