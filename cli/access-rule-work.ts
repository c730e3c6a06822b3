// The work of `schakel access rule`.
import { shown } from "../contracts/shown-text.js";
import type { AccessRule } from "../proto/gen/schakel/manager/v1/administration.js";
import { administer, present } from "./administration.js";
import { print } from "./print.js";
import type { CliSettings } from "./settings.js";
import { table } from "./table.js";
import { shownLength } from "./times.js";

/** What `access rule add` is given; the time is in seconds. */
export interface RuleOptions {
  readonly peer?: string;
  readonly service?: string;
  readonly longest: number;
}

const document = (rule: AccessRule): object => ({
  id: rule.id,
  peer_id: rule.peerId,
  service_name: rule.serviceName,
  validity_seconds_max: Number(rule.validitySecondsMax),
});

const HEAD = ["ID", "PEER", "SERVICE", "LONGEST"];

const row = (rule: AccessRule): string[] => [
  rule.id,
  rule.peerId === "" ? "every" : shown(rule.peerId),
  rule.serviceName === "" ? "every" : shown(rule.serviceName),
  shownLength(rule.validitySecondsMax),
];

/** Adds a rule. */
export const add = (settings: CliSettings, options: RuleOptions): Promise<void> =>
  administer(settings, async (ask) => {
    const { created, ...answer } = await ask("addAccessRule", {
      rule: {
        id: "",
        peerId: options.peer ?? "",
        serviceName: options.service ?? "",
        validitySecondsMax: BigInt(options.longest),
      },
    });
    const rule = present(answer.rule);
    print(settings, { created, rule: document(rule) }, () =>
      created ? `Added the rule ${rule.id}.\n` : `There is such a rule already: ${rule.id}.\n`,
    );
  });

/** Lists the rules. */
export const list = (settings: CliSettings): Promise<void> =>
  administer(settings, async (ask) => {
    const { rules } = await ask("listAccessRules", {});
    print(settings, rules.map(document), () => table(HEAD, rules.map(row)));
  });

/** Ends a rule. */
export const remove = (settings: CliSettings, id: string): Promise<void> =>
  administer(settings, async (ask) => {
    await ask("removeAccessRule", { id });
    print(settings, { id, removed: true }, () => `The rule ${shown(id)} is no more.\n`);
  });
