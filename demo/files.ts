// Where everything of the demo lies in its folder.
import { join } from "node:path";
import type { Organisation } from "./organisations.js";
import type { Scene } from "./step.js";

type Folder = Pick<Scene, "folder">;

/** Where the files of an organisation lie. */
export const filesOf = (scene: Folder, organisation: Organisation) => {
  const folder = join(scene.folder, organisation.folder);
  return {
    folder,
    cert: join(folder, "certificate.pem"),
    key: join(folder, "private.key"),
    request: join(folder, "request.csr"),
    /** The data folder of a process. */
    data: (kind: string): string => join(folder, kind),
    /** The transaction log of an inway or outway. */
    log: (kind: string): string => join(folder, kind, "log"),
    /** The certificate by which a part of the organisation shows its manager who it is. */
    identity: (kind: string): string => join(folder, "identities", kind),
  };
};

/** The group's signed description, which every process gets. */
export const groupFileOf = (scene: Folder): string => join(scene.folder, "group.json");
