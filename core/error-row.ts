// A row of the table of errors, and who can answer with one.

/** A process that can answer with an error (FSC calls it the domain). */
export type Domain = "outway" | "inway" | "manager" | "directory";

/**
 * The stretch of the way where it went wrong: C1 between client and outway, O1 between outway and inway,
 * A1 between inway and source, M1 between a manager and whoever calls it, D1 between a component and the
 * directory.
 */
export type Location = "C1" | "O1" | "A1" | "M1" | "D1";

/** What is fixed about an error. */
export interface ErrorRow {
  /** The HTTP status; gRPC answers carry the status code that corresponds to it. */
  readonly status: number;
  /** Which domains use the code, and at which location each. */
  readonly at: Partial<Readonly<Record<Domain, Location>>>;
  /** Whether the same request may succeed later without anybody changing anything. */
  readonly retry: boolean;
  /** What happened, in one sentence. */
  readonly text: string;
  /** What to do about it, in one sentence. */
  readonly hint: string;
}
