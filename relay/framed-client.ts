// The client's half of an exchange whose bodies come in frames, and not as HTTP/1.1 delimits them: what that of a link
// and that of HTTP/2 have in common.
import { SchakelError } from "../core/errors.js";
import { ClientSide } from "./client-side.js";
import { LinkBody } from "./link-body.js";
import { MalformedBody } from "./scan-body.js";
import type { Framing } from "./scan-lines.js";
import type { RequestLimits, ScannedRequest } from "./scan-request.js";

/** Whether an answer has no body, whatever its head says. */
export const isBodiless = (method: string, status: number, framing: Framing): boolean =>
  method === "HEAD" ||
  status === 304 ||
  framing.kind === "none" ||
  (framing.kind === "length" && framing.bytes === 0);

/** One request that came in frames. */
export abstract class FramedClient extends ClientSide {
  /** What its body is held to. */
  protected readonly body: LinkBody;
  /** Told when the client has taken what was written. */
  protected drained: (() => void) | undefined;

  protected constructor(request: ScannedRequest, limits: RequestLimits) {
    super(request, limits.bodyBytesMax);
    this.body = new LinkBody(request.framing, limits);
  }

  override flush(): void {
    // What was sent goes before what breaks it off.
  }

  override onDrain(drained: (() => void) | undefined): void {
    this.drained = drained;
  }

  /** Whether a rule of the body holds, and did so far; one that does not fails the client. */
  protected holds(rule: () => void): boolean {
    if (this.problem !== undefined) return false;
    try {
      rule();
      return true;
    } catch (error) {
      if (!(error instanceof MalformedBody)) throw error;
      this.fail(new SchakelError(error.code, { detail: error.rule }));
      return false;
    }
  }
}
