// The processes of the demo's group and how each is started.
import { fileURLToPath } from "node:url";
import { filesOf, groupFileOf } from "./files.js";
import {
  ADVISER,
  MUNICIPALITY,
  OPERATOR,
  ORGANISATIONS,
  REGISTER,
  type Organisation,
} from "./organisations.js";
import { startListening, startService, type Service } from "./schakel.js";
import type { Scene } from "./step.js";

const SOURCE = fileURLToPath(new URL("./source.js", import.meta.url));

/** Every process that serves in the demo. */
export interface Network {
  readonly directory: Service;
  readonly source: Omit<Service, "healthPort">;
  /** The manager of the register. */
  readonly registerManager: Manager;
  readonly inway: Service;
  /** The manager of the municipality. */
  readonly manager: Manager;
  /** The outway of the municipality. */
  readonly outway: Service;
  /** The outway of the adviser, in one process with its manager and its inway. */
  readonly otherOutway: Service;
}

/** A manager, with its port for its own organisation. */
export interface Manager extends Service {
  readonly internalPort: number;
}

/** The ports of a manager. */
export type ManagerPorts = Pick<Manager, "port" | "internalPort">;

// The whole group lives on this machine: its host names lead to loopback, on any port.
const dialling = (): string[] => {
  const hosts = ORGANISATIONS.map(({ host }) => `${host}=127.0.0.1`).join(",");
  return ["--resolve", hosts, "--allow-private-addresses", "--allow-any-port"];
};

/** The flags by which a process or command acts for an organisation. */
export const actingFor = (scene: Scene, organisation: Organisation): string[] => {
  const { cert, key } = filesOf(scene, organisation);
  return ["--group", groupFileOf(scene), "--cert", cert, "--key", key, ...dialling()];
};

const RUNNING = ["--health-listen", "127.0.0.1:0", "--log-format", "json", "--stop-timeout", "5s"];
// A temporary folder may lie in memory; nothing of the demo has to outlive it.
const VOLATILE = "--allow-volatile-log";

const serving = (scene: Scene, organisation: Organisation, kind: string): string[] => [
  kind,
  ...actingFor(scene, organisation),
  ...["--data", filesOf(scene, organisation).data(kind), ...RUNNING],
];

const local = (port: number): string => `127.0.0.1:${String(port)}`;
const at = ({ host }: Organisation, port: number): string => `${host}:${String(port)}`;

/** Starts the group's directory. */
export const startDirectory = (scene: Scene, port: number): Promise<Service> =>
  startService(scene.processes, "the directory", [
    ...serving(scene, OPERATOR, "directory"),
    ...["--listen", local(port)],
  ]);

/** Starts the register's source API, which knows nothing of the group. */
export const startSource = (scene: Scene): Promise<Network["source"]> =>
  startListening(scene.processes, "the source", [SOURCE]);

/** Starts the manager of an organisation. */
export const startManager = async (
  scene: Scene,
  organisation: Organisation,
  { port, internalPort }: ManagerPorts,
): Promise<Manager> => {
  const service = await startService(scene.processes, `the manager of ${organisation.name}`, [
    ...serving(scene, organisation, "manager"),
    ...["--listen", local(port), "--address", at(organisation, port)],
    ...["--internal-listen", local(internalPort)],
  ]);
  return { ...service, internalPort };
};

/** Starts the inway before the register's source. */
export const startInway = (scene: Scene, port: number): Promise<Service> =>
  startService(scene.processes, "the inway", [
    ...serving(scene, REGISTER, "inway"),
    ...["--listen", local(port), "--address", at(REGISTER, port)],
    ...["--identity", filesOf(scene, REGISTER).identity("inway"), VOLATILE],
  ]);

/** Starts the outway of the municipality. */
export const startOutway = (scene: Scene, port: number): Promise<Service> =>
  startService(scene.processes, `the outway of ${MUNICIPALITY.name}`, [
    ...serving(scene, MUNICIPALITY, "outway"),
    ...["--listen", local(port)],
    ...["--identity", filesOf(scene, MUNICIPALITY).identity("outway"), VOLATILE],
  ]);

/** Starts manager, inway and outway of the adviser in one process. Returns its outway. */
export const startAdviser = (
  scene: Scene,
  ports: { readonly manager: number; readonly inway: number },
): Promise<Service> =>
  startService(
    scene.processes,
    `the process of ${ADVISER.name}`,
    [
      ...["peer", "--folder", filesOf(scene, ADVISER).folder, ...dialling(), ...RUNNING, VOLATILE],
      ...["--listen", local(ports.manager), "--address", at(ADVISER, ports.manager)],
      ...["--inway-listen", local(ports.inway), "--inway-address", at(ADVISER, ports.inway)],
      ...["--outway-listen", local(0)],
      ...["--inway-health-listen", local(0), "--outway-health-listen", local(0)],
    ],
    "outway",
  );
