// Step 2: every organisation starts its processes.
import { call } from "../call.js";
import { ADVISER, MUNICIPALITY, REGISTER, type Organisation } from "../organisations.js";
import { START_TIMEOUT_MS, type Service } from "../schakel.js";
import {
  startAdviser,
  startDirectory,
  startInway,
  startManager,
  startOutway,
  startSource,
  type Manager,
  type Network,
} from "../services.js";
import type { Scene, Step } from "../step.js";
import { until } from "../until.js";
import type { Prepared } from "./certificates.js";

/** Waits until a process says on its health page that it can do its work. */
export const untilReady = ({ running, healthPort }: Service): Promise<void> =>
  until({ running, state: "ready" }, START_TIMEOUT_MS, async () => {
    const { status } = await call(healthPort, "/health/ready");
    return status === 200;
  });

const managerPorts = async (
  { ports }: Prepared,
  organisation: Organisation,
): Promise<Pick<Manager, "port" | "internalPort">> => {
  const reserved = ports.managers.get(organisation);
  await Promise.all([reserved?.peers.release(), reserved?.internal.release()]);
  return { port: reserved?.peers.port ?? 0, internalPort: reserved?.internal.port ?? 0 };
};

const startRegister = async (
  scene: Scene,
  prepared: Prepared,
): Promise<Pick<Network, "registerManager" | "inway" | "source">> => {
  const ports = await managerPorts(prepared, REGISTER);
  const { inway } = prepared.ports;
  await inway.release();
  const [registerManager, inwayService, source] = await Promise.all([
    startManager(scene, REGISTER, ports),
    startInway(scene, inway.port),
    startSource(scene),
  ]);
  return { registerManager, inway: inwayService, source };
};

const startMunicipality = async (
  scene: Scene,
  prepared: Prepared,
): Promise<Pick<Network, "manager" | "outway">> => {
  const ports = await managerPorts(prepared, MUNICIPALITY);
  const { outway } = prepared.ports;
  await outway.release();
  const [manager, outwayService] = await Promise.all([
    startManager(scene, MUNICIPALITY, ports),
    startOutway(scene, outway.port),
  ]);
  return { manager, outway: outwayService };
};

const startOther = async (
  scene: Scene,
  prepared: Prepared,
): Promise<Pick<Network, "otherOutway">> => {
  const { port } = await managerPorts(prepared, ADVISER);
  const { otherInway } = prepared.ports;
  await otherInway.release();
  const ports = { manager: port, inway: otherInway.port };
  return { otherOutway: await startAdviser(scene, ports) };
};

const startAll = async (scene: Scene, prepared: Prepared): Promise<Network> => {
  scene.waiting("the directory starts");
  const { directory: reserved } = prepared.ports;
  await reserved.release();
  const directory = await startDirectory(scene, reserved.port);
  scene.waiting("managers, inway and outways start");
  const [register, municipality, other] = await Promise.all([
    startRegister(scene, prepared),
    startMunicipality(scene, prepared),
    startOther(scene, prepared),
  ]);
  const network = { directory, ...register, ...municipality, ...other };
  scene.waiting("inway and outways hear of their managers");
  const { inway, outway, otherOutway, manager, registerManager } = network;
  await Promise.all([inway, outway, otherOutway, manager, registerManager].map(untilReady));
  return network;
};

/** Starts every process. */
export const processes: Step<Prepared, Network> = {
  name: "processes",
  title: "The organisations start",
  why:
    "A manager keeps the contracts of its organisation. A provider has an inway before its source, " +
    "a consumer an outway for its programs; small ones run all three in one process.",
  run: async (scene, prepared) => {
    const network = await startAll(scene, prepared);
    const rows: readonly (readonly [string, Network["source"]])[] = [
      ["directory", network.directory],
      [`manager of ${REGISTER.name}`, network.registerManager],
      [`inway of ${REGISTER.name}`, network.inway],
      [`source of ${REGISTER.name}`, network.source],
      [`manager of ${MUNICIPALITY.name}`, network.manager],
      [`outway of ${MUNICIPALITY.name}`, network.outway],
      [`all three of ${ADVISER.name}`, network.otherOutway],
    ];
    return {
      told: {
        lines: rows.map(
          ([what, { port, running }]) =>
            `${what.padEnd(41)} 127.0.0.1:${String(port).padEnd(5)}  pid ${String(running.pid)}`,
        ),
        result: `${String(rows.length)} processes run; each inway and outway follows its own manager`,
        detail: {
          processes: rows.map(([name, { port, running }]) => ({ name, port, pid: running.pid })),
        },
      },
      made: network,
    };
  },
};
