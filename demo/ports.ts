// Ports that must be known before the process that uses them starts: they stand in certificates'
// group.json and in announcements.
import { once } from "node:events";
import { createServer } from "node:net";
import { CommandError } from "../cli/command.js";
import { listen } from "../core/listen.js";

/** A port of 127.0.0.1 that nobody else can take until it is released. */
export interface ReservedPort {
  readonly port: number;
  /** Gives the port free, for the process that shall have it. May be called more than once. */
  readonly release: () => Promise<void>;
}

/**
 * Takes a port: the one asked for, or a free one.
 *
 * @param flag the flag by which the user asked for it, for the error
 * @throws CommandError when another process has it, with what to do
 */
export const reservePort = async (flag: string, wanted = 0): Promise<ReservedPort> => {
  const server = createServer((socket) => socket.destroy());
  try {
    const { port } = await listen(server, { host: "127.0.0.1", port: wanted });
    // A reservation that nobody gives back keeps nobody running.
    server.unref();
    return {
      port,
      release: async () => {
        if (!server.listening) return;
        const closed = once(server, "close");
        server.close();
        await closed;
      },
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(
      `${flag} ${String(wanted)}: ${reason}`,
      `name another port, or leave ${flag} out: the demo then takes a free one`,
      { cause: error },
    );
  }
};
