// The last catalogue on disk, so that a consumer goes on when it starts and no directory answers. What
// lies there is the signed announcements, which are verified again when they are read.
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { writeFileDurably } from "../core/durable-file.js";
import { systemCode } from "../core/errors.js";
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
  #next: Catalogue | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly path: string,
    private readonly log: Log,
  ) {}

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
    this.#next = catalogue;
    this.#timer ??= setTimeout(() => this.#flush(), WRITE_DELAY_MS).unref();
  }

  /** Writes what is not in the file yet. */
  async close(): Promise<void> {
    this.#flush();
    await this.#writing;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(async () => {
      const catalogue = this.#next;
      this.#next = undefined;
      if (catalogue === undefined) return;
      try {
        await writeFileDurably(this.path, contentOf(catalogue));
      } catch (error) {
        this.log.warn({ err: error, file: this.path }, "the catalogue is not stored");
      }
    });
  }
}
