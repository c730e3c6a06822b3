// The last catalogue on disk, so that a consumer goes on when it starts and no directory answers. What
// lies there is the signed announcements, which are verified again when they are read.
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { systemCode } from "../core/errors.js";
import { LateFile } from "../core/late-file.js";
import type { Log } from "../core/log.js";
import type { SignedAnnouncement } from "./announcement.js";
import type { Catalogue } from "./catalogue.js";

const WRITE_DELAY_MS = 500;

const base64 = z.base64().transform((text) => Buffer.from(text, "base64"));

const FILE = z.strictObject({
  format: z.literal("schakel/catalogue/v2"),
  groupId: z.string(),
  components: z.array(
    z.strictObject({
      live: z.boolean(),
      shown: z.array(z.string()),
      announcement: base64,
      signature: base64,
      certificateChain: z.array(base64),
    }),
  ),
});

/** What lay on disk, not verified. */
export interface StoredCatalogue {
  readonly groupId: string;
  readonly components: readonly {
    readonly live: boolean;
    readonly shown: ReadonlySet<string>;
    readonly signed: SignedAnnouncement;
  }[];
}

const contentOf = (catalogue: Catalogue): string => {
  const components = [...catalogue.remembered()].map(
    ({ live, shown, announcement: { signed } }) => ({
      live,
      shown: [...shown],
      announcement: signed.announcement.toString("base64"),
      signature: signed.signature.toString("base64"),
      certificateChain: signed.certificateChain.map((bytes) => bytes.toString("base64")),
    }),
  );
  const format = "schakel/catalogue/v2";
  return JSON.stringify({ format, groupId: catalogue.groupId, components });
};

/** The file of one process. Nobody else writes it. */
export class CatalogueFile {
  readonly #file: LateFile;

  constructor(
    private readonly path: string,
    log: Log,
  ) {
    this.#file = new LateFile({ path, delayMs: WRITE_DELAY_MS, what: "the catalogue", log });
  }

  /**
   * What lies in the file; undefined when there is none.
   *
   * @throws Error when it cannot be read or is no catalogue
   */
  async read(): Promise<StoredCatalogue | undefined> {
    let text: string;
    try {
      text = await readFile(this.path, "utf8");
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw error;
    }
    const { groupId, components } = FILE.parse(JSON.parse(text));
    return {
      groupId,
      components: components.map(({ live, shown, ...signed }) => ({
        ...{ live, signed, shown: new Set(shown) },
      })),
    };
  }

  /** Replaces the content some moments later, so that a burst of changes is one write. A failure is logged; the next change tries again. */
  write(catalogue: Catalogue): void {
    this.#file.write(() => contentOf(catalogue));
  }

  /** Writes what is not in the file yet. */
  close(): Promise<void> {
    return this.#file.close();
  }
}
