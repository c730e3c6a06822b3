// Asking the manager of our organisation, and telling the user why it did not answer.
import { status } from "@grpc/grpc-js";
import { BundleError } from "../certs/bundle.js";
import { callManager, ManagerError } from "../component/manager-call.js";
import { shown } from "../contracts/shown-text.js";
import {
  AdministrationServiceClient,
  type AdministrationServiceService,
} from "../proto/gen/schakel/manager/v1/administration.js";
import { CommandError } from "./command.js";
import { withManager } from "./manager-session.js";
import type { CliSettings } from "./settings.js";

/** Finding a peer may mean asking every directory of the group. */
const TIMEOUT_MS = 60_000;
const TEXT_MAX = 2000;

type Definitions = typeof AdministrationServiceService;

/** A method of the interface for people. */
export type Method = keyof Definitions;
/** What it is called with. */
export type RequestOf<K extends Method> = ReturnType<Definitions[K]["requestDeserialize"]>;
/** What it answers. */
export type ResponseOf<K extends Method> = ReturnType<Definitions[K]["responseDeserialize"]>;

/** Calls a method. Rejects with a ManagerError, of which `administer` makes a CommandError. */
export type Ask = <K extends Method>(method: K, request: RequestOf<K>) => Promise<ResponseOf<K>>;

/** The manager did not answer at all; the same call may succeed later. */
export class ManagerAway extends CommandError {}

const awayReasons: readonly number[] = [status.UNAVAILABLE, status.DEADLINE_EXCEEDED];

const hintOf = (error: ManagerError): string | undefined => {
  const lines = [
    error.code === "ERROR_CODE_ROLE_NOT_ALLOWED"
      ? "--identity names a folder with the role cli: 'schakel init' makes identities/cli"
      : error.hint,
    error.choices.length === 0 ? undefined : `known: ${error.choices.join(", ")}`,
  ].filter((line) => line !== undefined);
  return lines.length === 0 ? undefined : lines.map((line) => shown(line, TEXT_MAX)).join("\n");
};

/** An error of the manager, of the way to it, or of the identity folder as the user is told it. */
export const explained = (error: unknown, { identity }: CliSettings): unknown => {
  if (error instanceof BundleError) {
    return new CommandError(
      error.message,
      "--identity names an identity folder with the role cli; 'schakel init' makes identities/cli in the organisation's folder",
      { cause: error },
    );
  }
  if (!(error instanceof ManagerError)) return error;
  const text = shown(error.message, TEXT_MAX);
  if (error.code !== undefined) return new CommandError(text, hintOf(error), { cause: error });
  if (awayReasons.includes(error.status)) {
    return new ManagerAway(
      `the manager cannot be reached: ${text}`,
      `is it running ('schakel manager' or 'schakel peer')? The file ${identity}/manager says where it is expected`,
      { cause: error },
    );
  }
  return new CommandError(`the manager answered: ${text}`, undefined, { cause: error });
};

/**
 * Opens a session with the manager for some calls.
 *
 * @throws CommandError with what to do; what the work throws
 */
export const administer = async <T>(
  settings: CliSettings,
  work: (ask: Ask) => Promise<T>,
): Promise<T> => {
  try {
    return await withManager(AdministrationServiceClient, settings, ({ client, metadata }) => {
      const ask: Ask = (method, request) => {
        const start = client[method].bind(client) as (...args: unknown[]) => { cancel(): void };
        return callManager((...rest) => start(request, ...rest), {
          metadata,
          timeoutMs: TIMEOUT_MS,
        });
      };
      return work(ask);
    });
  } catch (error) {
    throw explained(error, settings);
  }
};

/** The member of an answer that the manager always gives. */
export const present = <T>(member: T | undefined): T => {
  if (member === undefined) throw new CommandError("the manager's answer is not complete");
  return member;
};
