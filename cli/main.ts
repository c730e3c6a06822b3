#!/usr/bin/env node
// The `schakel` command. Only the help texts are loaded here; a command loads its own work when it runs.
import "./node-version.js";
import "./young-generation.js";
import { Command } from "commander";
import { VERSION } from "../core/version.js";
import { register as registerAccess } from "./access.js";
import { register as registerCa } from "./ca.js";
import { register as registerCert } from "./cert.js";
import { register as registerClient } from "./client.js";
import { reportsAsWeDo } from "./command.js";
import { register as registerContract } from "./contract.js";
import { register as registerDirectory } from "./directory.js";
import { register as registerEnrol } from "./enrol.js";
import { register as registerGroup } from "./group.js";
import { register as registerInit } from "./init.js";
import { register as registerInway } from "./inway.js";
import { register as registerLog } from "./log.js";
import { register as registerLook } from "./look.js";
import { register as registerManager } from "./manager.js";
import { register as registerOutway } from "./outway.js";
import { register as registerPeer } from "./peer.js";
import { register as registerService } from "./service.js";

const EXAMPLES = `
Examples:
  What an organisation runs, from the folder that 'schakel init' has made
    $ schakel peer --folder utrecht --address api.utrecht.example:8443
  Ask another organisation for access to a service, and wait for its decision
    $ schakel access request 00000000000000000002 municipalities --wait
  What a command takes, with more examples
    $ schakel access request --help
`;

const program = reportsAsWeDo(new Command("schakel"))
  .description(
    "A secure exchange network between organisations: inway, outway, directory and a provable log.",
  )
  .version(VERSION, "-V, --version", "print the version")
  .helpOption("-h, --help", "show help")
  .helpCommand(false)
  .addHelpText("after", EXAMPLES)
  // A command may have a --version of its own: the program's stands before the command.
  .enablePositionalOptions()
  .exitOverride((error) => {
    process.exit(error.exitCode === 0 ? 0 : 2);
  });

registerAccess(program);
registerCa(program);
registerCert(program);
registerClient(program);
registerContract(program);
registerDirectory(program);
registerEnrol(program);
registerGroup(program);
registerInit(program);
registerInway(program);
registerLog(program);
registerLook(program);
registerManager(program);
registerOutway(program);
registerPeer(program);
registerService(program);

program.parse();
