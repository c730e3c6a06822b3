// Step 2: the processes start, and the inway tells the directory what it offers.
import { call } from "../call.js";
import { ADVISER, MUNICIPALITY, REGISTER, SERVICE } from "../organisations.js";
import type { Running } from "../processes.js";
import { START_TIMEOUT_MS, type Service } from "../schakel.js";
import { startDirectory, startInway, startOutway, startSource, type Network } from "../services.js";
import type { Scene, Step } from "../step.js";
import { until } from "../until.js";
import type { Prepared } from "./certificates.js";

/** Waits until a process says on its health page that it can do its work. */
export const untilReady = ({ running, healthPort }: Service): Promise<void> =>
  until({ running, state: "ready" }, START_TIMEOUT_MS, async () => {
    const { status } = await call(healthPort, "/health/ready");
    return status === 200;
  });

const announced = (running: Running): Promise<unknown> =>
  running.waitForLine((line) => line.fields["msg"] === "announced", START_TIMEOUT_MS);

const startAll = async (scene: Scene, { ports, thumbprint }: Prepared): Promise<Network> => {
  scene.waiting("the directory and the source start");
  await ports.directory.release();
  const [directory, source] = await Promise.all([
    startDirectory(scene, ports.directory.port),
    startSource(scene),
  ]);
  scene.waiting("the inway starts and announces itself");
  await ports.inway.release();
  const inway = await startInway(
    scene,
    { inway: ports.inway.port, source: source.port },
    thumbprint(MUNICIPALITY),
  );
  await announced(inway.running);
  scene.waiting("the outways start and fetch the catalogue");
  await ports.outway.release();
  const [outway, otherOutway] = await Promise.all([
    startOutway(scene, MUNICIPALITY, ports.outway.port),
    startOutway(scene, ADVISER, 0),
  ]);
  await Promise.all([untilReady(outway), untilReady(otherOutway)]);
  return { directory, source, inway, outway, otherOutway };
};

/** Starts every process. */
export const announcement: Step<Prepared, Network> = {
  name: "announcement",
  title: "Announcement",
  why:
    "An inway tells the directory which services it offers and where it is, signed with its own " +
    "key. So everybody finds it, and not even the directory can change a word of it.",
  run: async (scene, prepared) => {
    const network = await startAll(scene, prepared);
    const { directory, source, inway, outway, otherOutway } = network;
    const rows: readonly (readonly [string, Network["source"]])[] = [
      ["directory", directory],
      [`source of ${REGISTER.name}`, source],
      [`inway of ${REGISTER.name}`, inway],
      [`outway of ${MUNICIPALITY.name}`, outway],
      [`outway of ${ADVISER.name}`, otherOutway],
    ];
    return {
      told: {
        lines: rows.map(
          ([what, { port, running }]) =>
            `${what.padEnd(39)} 127.0.0.1:${String(port).padEnd(5)}  pid ${String(running.pid)}`,
        ),
        result: `the inway of ${REGISTER.name} announced 1 service: ${SERVICE}`,
        detail: {
          peer: REGISTER.id,
          services: [SERVICE],
          processes: rows.map(([name, { port, running }]) => ({ name, port, pid: running.pid })),
        },
      },
      made: network,
    };
  },
};
