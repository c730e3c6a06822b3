// Waiting until the other parties of a contract have acted, with progress on standard error.
import { shown } from "../contracts/shown-text.js";
import { repeat } from "../core/retry.js";
import type { Contract } from "../proto/gen/schakel/manager/v1/administration.js";
import { administer, ManagerAway, present } from "./administration.js";
import { CommandError } from "./command.js";
import { stateOf } from "./contract-document.js";
import { pasteable } from "./contract-text.js";
import { note } from "./print.js";
import type { CliSettings } from "./settings.js";
import { WAIT_SECONDS, type WaitOptions } from "./wait-options.js";

const POLL_MS = 500;
const BACKOFF = { firstMs: 500, maxMs: 5_000 };
/** Timers take no more. */
const TIMER_MS_MAX = 2 ** 31 - 1;

const standing = (contract: Contract): string => {
  const errors = contract.deliveries
    .filter(({ lastError }) => lastError !== "")
    .map(
      ({ peerId, lastError }) => `; not delivered to ${shown(peerId)}: ${shown(lastError, 500)}`,
    );
  const missing = contract.missingPeerIds.map((id) => shown(id)).join(", ");
  return `waiting for the signature of ${missing}${errors.join("")}`;
};

/** Says each thing once, not at every turn. */
class Progress {
  #said = "";

  say(text: string): void {
    if (text !== this.#said) note(text);
    this.#said = text;
  }
}

const isDecided = (contract: Contract): boolean => stateOf(contract) !== "proposed";

const read = async (settings: CliSettings, { hash }: Contract): Promise<Contract> =>
  present((await administer(settings, (ask) => ask("getContract", { hash }))).contract);

/**
 * Asks the manager until a contract is no longer proposed. A manager that is away for a while is no reason to end.
 *
 * @param first the contract as it was last seen
 * @returns the contract, decided; as it was last when the time was over first
 * @throws what `administer` throws when the manager refuses
 */
const untilDecided = async (
  settings: CliSettings,
  first: Contract,
  timeoutSeconds: number,
): Promise<Contract> => {
  const progress = new Progress();
  const ending = new AbortController();
  let current = first;
  let refusal: unknown;
  const timeout = AbortSignal.timeout(Math.min(timeoutSeconds * 1000, TIMER_MS_MAX));
  progress.say(standing(current));
  await repeat(AbortSignal.any([ending.signal, timeout]), {
    turn: async () => {
      current = await read(settings, current);
      if (isDecided(current)) ending.abort();
      else progress.say(standing(current));
      return POLL_MS;
    },
    failed: (error) => {
      if (error instanceof ManagerAway) progress.say(`${error.message}; trying again`);
      else {
        refusal = error;
        ending.abort();
      }
    },
    backoff: BACKOFF,
  });
  if (refusal !== undefined) throw refusal as Error;
  return current;
};

/**
 * Waits until a contract is valid.
 *
 * @throws CommandError when it is rejected, revoked or expired instead, or when the time is over
 */
const waitForValid = async (
  settings: CliSettings,
  first: Contract,
  timeoutSeconds: number,
): Promise<Contract> => {
  const contract = isDecided(first) ? first : await untilDecided(settings, first, timeoutSeconds);
  const state = stateOf(contract);
  if (state === "valid") return contract;
  const name = pasteable(contract.hash);
  if (state === "proposed") {
    throw new CommandError(
      `after ${String(timeoutSeconds)} s the contract ${name} is still ${standing(contract)}`,
      "it stays proposed: the same command goes on waiting, --timeout says how long",
    );
  }
  throw new CommandError(
    `the contract ${name} is ${state}`,
    `see who decided so with 'schakel contract show ${name}'`,
  );
};

/** The contract as it is, or valid when the command was told to wait. Throws as `waitForValid` does. */
export const waitWhenAsked = (
  settings: CliSettings,
  contract: Contract,
  { wait, timeout }: WaitOptions,
): Promise<Contract> =>
  wait === true
    ? waitForValid(settings, contract, timeout ?? WAIT_SECONDS)
    : Promise.resolve(contract);
