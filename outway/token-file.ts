// The access tokens on disk, so that an outway that starts while a provider's manager is away goes on with those it
// has. A token is bound to the outway's certificate: without its key the file gives nobody access.
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { systemCode } from "../core/errors.js";
import { LateFile } from "../core/late-file.js";
import type { Log } from "../core/log.js";

const WRITE_DELAY_MS = 200;
const FORMAT = "schakel/access-tokens/v1";

const FILE = z.strictObject({
  format: z.literal(FORMAT),
  tokens: z.array(
    z.strictObject({
      grant: z.string(),
      /** The thumbprint of the certificate that it is bound to. */
      certificate: z.string(),
      text: z.string(),
      /** When it was given to us, milliseconds since 1970. */
      givenAt: z.int().min(0),
    }),
  ),
});

/** A token as it lies on disk, not checked. */
export type StoredToken = z.infer<typeof FILE>["tokens"][number];

/** The file of one process, with mode 0600. Nobody else writes it. */
export class TokenFile {
  readonly #file: LateFile;

  constructor(
    private readonly path: string,
    private readonly log: Log,
  ) {
    this.#file = new LateFile({ path, delayMs: WRITE_DELAY_MS, what: "the access tokens", log });
  }

  /** What lies in the file; nothing when there is none. One that cannot be used is logged and left out. */
  async read(): Promise<readonly StoredToken[]> {
    try {
      return FILE.parse(JSON.parse(await readFile(this.path, "utf8"))).tokens;
    } catch (error) {
      if (systemCode(error) !== "ENOENT") {
        // The reason may quote the file, and a token is nothing for a log.
        this.log.warn({ file: this.path }, "the stored access tokens are not used");
      }
      return [];
    }
  }

  /** Replaces the content soon; a failure is logged. */
  write(tokens: () => readonly StoredToken[]): void {
    this.#file.write(() => JSON.stringify({ format: FORMAT, tokens: tokens() }));
  }

  /** Writes what is not in the file yet. */
  close(): Promise<void> {
    return this.#file.close();
  }
}
