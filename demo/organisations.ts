// Who takes part in the demo. The organisations do not exist, and their ids are no real OINs.

/** An organisation of the demo's group. */
export interface Organisation {
  /** Its peer id. */
  readonly id: string;
  readonly name: string;
  /** The folder with its keys, its certificates and the state of its processes. */
  readonly folder: string;
  /** The host name in its certificate. */
  readonly host: string;
}

/** The consumer: it has a manager and an outway. */
export const MUNICIPALITY: Organisation = {
  id: "00000000000000000001",
  name: "Gemeente Voorbeeldstad",
  folder: "gemeente-voorbeeldstad",
  host: "api.voorbeeldstad.example",
};

/** The provider: it has a manager, and an inway before its source. */
export const REGISTER: Organisation = {
  id: "00000000000000000002",
  name: "Register van Gemeenten (demo)",
  folder: "register-van-gemeenten",
  host: "api.register.example",
};

/** A third peer, without a contract of its own: a small one, manager, inway and outway in one process. */
export const ADVISER: Organisation = {
  id: "00000000000000000003",
  name: "Adviesbureau Zonder Recht",
  folder: "adviesbureau-zonder-recht",
  host: "api.zonder-recht.example",
};

/** Who runs the group's directory. */
export const OPERATOR: Organisation = {
  id: "00000000000000000009",
  name: "Beheerder van de Demogroep",
  folder: "beheerder-van-de-demogroep",
  host: "directory.demogroep.example",
};

/** Those that exchange data. */
export const MEMBERS: readonly Organisation[] = [MUNICIPALITY, REGISTER, ADVISER];

/** Everybody, in the order in which they are introduced. */
export const ORGANISATIONS: readonly Organisation[] = [...MEMBERS, OPERATOR];

/** The group they form. */
export const GROUP_ID = "demogroep.example";

/** The service that the register offers. */
export const SERVICE = "municipalities";
