// What the other side of a comparison can get wrong.

/**
 * `form`: an answer that is not what was asked for. `outside`: a part or exchange that does not belong where it stands.
 * `order`: parts or exchanges out of order, or twice. `count`, `digest`: they do not fit what was said of them before.
 * `endless`: pages that bring nothing. `limit`: more than is compared at once.
 */
export type CompareProblem =
  "form" | "outside" | "order" | "count" | "digest" | "endless" | "limit";

/** The other side's answers cannot be used. Says why in a sentence. */
export class CompareError extends Error {
  constructor(
    readonly kind: CompareProblem,
    message: string,
  ) {
    super(message);
    this.name = "CompareError";
  }
}
