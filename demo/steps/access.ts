// Step 5: the municipality asks for access, and the register approves: a contract that both have signed.
import { agree, shortHash, type Agreed } from "../contracts.js";
import { MUNICIPALITY, REGISTER, SERVICE } from "../organisations.js";
import type { Network } from "../services.js";
import type { Step } from "../step.js";

/** The command by which the municipality asks. */
export const ACCESS: readonly string[] = ["access", "request", REGISTER.id, SERVICE];

/** Makes the contract. */
export const access: Step<Network, Agreed> = {
  name: "access",
  title: "Access is asked for, and given",
  why:
    "Permission is a contract: what may be used, by whom, until when. Both organisations sign it " +
    "with the key of their certificate, neither can change it, and either can end it.",
  run: async (scene, { registerManager }) => {
    scene.waiting("both signatures");
    const agreed = await agree(scene, {
      asker: MUNICIPALITY,
      command: ACCESS,
      others: [{ organisation: REGISTER, running: registerManager.running }],
    });
    const { contract, grantHash, lines } = agreed;
    return {
      told: {
        lines,
        result: `the contract ${shortHash(contract)}… is in force: both have signed`,
        detail: { contract, grant_hash: grantHash },
      },
      made: agreed,
    };
  },
};
