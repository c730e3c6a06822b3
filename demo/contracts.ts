// Contracts as the organisations of the demo make them: each with the command line, in its own folder, at its own
// manager.
import { filesOf } from "./files.js";
import { ORGANISATIONS, type Organisation } from "./organisations.js";
import { schakel } from "./schakel.js";
import { wrap } from "./screen.js";
import { check, type Scene } from "./step.js";
import { until } from "./until.js";
import type { Manager } from "./services.js";

const ARRIVE_TIMEOUT_MS = 30_000;
const SHORT_HASH = 15;
const COLUMNS = 70;
const CONTINUED = " \\";

/** What the commands print of a contract with --json. */
export interface Contract {
  readonly hash: string;
  readonly state: string;
  readonly summary: readonly string[];
  readonly grant_hashes: readonly string[];
  readonly signatures: readonly Signature[];
  readonly missing_peer_ids: readonly string[];
}

/** One signature of a contract. */
export interface Signature {
  readonly peer_id: string;
  readonly kind: string;
  readonly signed_at: string;
}

/** The begin of a hash, which every command takes for the whole. */
export const shortHash = ({ hash }: Pick<Contract, "hash">): string => hash.slice(0, SHORT_HASH);

/** A command as it is typed, in as many lines as it needs: only what holds a `$` is quoted. */
export const typed = (args: readonly string[]): string[] => {
  const words = args.map((each) => (each.includes("$") ? `'${each}'` : each));
  const lines = wrap(`$ schakel ${words.join(" ")}`, COLUMNS - CONTINUED.length);
  return lines.map((line, at) => {
    const indented = at === 0 ? line : `    ${line}`;
    return at === lines.length - 1 ? indented : `${indented}${CONTINUED}`;
  });
};

/**
 * Gives one command to an organisation's manager, as its administrator does in its folder. Returns what it prints
 * with --json.
 *
 * @throws CommandError when it fails, with what it wrote to standard error
 */
export const administer = async (
  scene: Scene,
  organisation: Organisation,
  args: readonly string[],
): Promise<unknown> => {
  const { folder } = filesOf(scene, organisation);
  return JSON.parse(await schakel(scene.processes, folder, [...args, "--json"]));
};

const nameOf = (id: string): string => ORGANISATIONS.find((each) => each.id === id)?.name ?? id;

/** The signatures of a contract, a line each. */
export const signatureLines = ({ signatures }: Contract): string[] =>
  signatures.map(
    ({ kind, peer_id, signed_at }) =>
      `${kind.padEnd(8)} ${signed_at.slice(11, 19)}  ${nameOf(peer_id)}`,
  );

/** What a contract says, as its reader meets it. */
export const contractLines = ({ summary }: Contract): string[] =>
  wrap(summary[0] ?? "", COLUMNS).map((line) => `  ${line}`);

/** A request for access: who asks, with which command, and who has to agree. */
export interface Asking {
  readonly asker: Organisation;
  readonly command: readonly string[];
  readonly others: readonly Approver[];
}

/** Who has to agree, and the manager by which they are asked. */
export interface Approver {
  readonly organisation: Organisation;
  readonly running: Manager["running"];
}

/** A contract that all have signed, and how it came to be. */
export interface Agreed {
  readonly contract: Contract;
  /** The one grant of the contract. */
  readonly grantHash: string;
  /** The commands and what came of them. */
  readonly lines: readonly string[];
}

const LIST_WAITING = ["access", "list", "--waiting"];
const approval = (contract: Contract): string[] => ["access", "approve", shortHash(contract)];

/** Waits until a contract lies before an administrator, who approves it. */
const approve = async (
  scene: Scene,
  { organisation, running }: Approver,
): Promise<{ readonly seen: Contract }> => {
  let waiting: readonly Contract[] = [];
  await until({ running, state: "asked to sign" }, ARRIVE_TIMEOUT_MS, async () => {
    waiting = (await administer(scene, organisation, LIST_WAITING)) as readonly Contract[];
    return waiting.length > 0;
  });
  const [seen] = waiting;
  check(seen !== undefined && waiting.length === 1, "more than one contract waits", running);
  await administer(scene, organisation, approval(seen));
  return { seen };
};

/**
 * Makes a contract: one organisation asks, the others approve, and the asking command ends when all have signed.
 *
 * @throws StepError when it did not come to be with the signatures of them all
 */
export const agree = async (scene: Scene, { asker, command, others }: Asking): Promise<Agreed> => {
  const [asked, ...approved] = await Promise.all([
    administer(scene, asker, [...command, "--wait"]),
    ...others.map((other) => approve(scene, other)),
  ]);
  const { contract } = asked as { readonly contract: Contract };
  const accepted = contract.signatures.filter(({ kind }) => kind === "accept");
  const signers = new Set(accepted.map(({ peer_id }) => peer_id));
  const [grantHash, ...more] = contract.grant_hashes;
  check(
    contract.state === "valid" && signers.size === others.length + 1,
    `the contract is ${contract.state} with the signatures of ${[...signers].join(", ")}`,
    ...others.map(({ running }) => running),
  );
  check(grantHash !== undefined && more.length === 0, "the contract does not have one grant");
  check(
    approved.every(({ seen }) => seen.hash === contract.hash),
    "another contract was approved than was asked for",
  );
  const approvals = others.flatMap(({ organisation }) => [
    `${organisation.name}:`,
    ...typed(approval(contract)),
  ]);
  const lines = [
    `${asker.name}:`,
    ...typed([...command, "--wait"]),
    ...contractLines(contract),
    ...approvals,
    "",
    ...signatureLines(contract),
  ];
  return { contract, grantHash, lines };
};
