// A call to the manager of our own organisation as a promise, and the error that it may end with.
import { Metadata, type ServiceError } from "@grpc/grpc-js";

const TIMEOUT_MS = 10_000;

const textIn = (body: unknown, member: string): string | undefined => {
  const value =
    typeof body === "object" && body !== null
      ? Object.entries(body).find(([k]) => k === member)
      : undefined;
  return typeof value?.[1] === "string" ? value[1] : undefined;
};

const textsIn = (body: unknown, member: string): readonly string[] => {
  const values: unknown =
    typeof body === "object" && body !== null
      ? Object.entries(body).find(([k]) => k === member)?.[1]
      : undefined;
  return Array.isArray(values) ? values.filter((each) => typeof each === "string") : [];
};

const bodyOf = (metadata: Metadata): unknown => {
  try {
    return JSON.parse(String(metadata.get("schakel-error-bin")[0] ?? "{}"));
  } catch {
    return {};
  }
};

/** An error answer of the manager, or the reason why there was none. */
export class ManagerError extends Error {
  /** The code of the error table, when the manager gave one. */
  readonly code: string | undefined;
  /** What to do about it, when the manager said so. */
  readonly hint: string | undefined;
  /** Valid values where a name was wrong, when the manager gave some. */
  readonly choices: readonly string[];
  /** The gRPC status code. */
  readonly status: number;

  constructor(cause: ServiceError) {
    super(cause.details === "" ? cause.message : cause.details, { cause });
    this.name = "ManagerError";
    const code = cause.metadata.get("fsc-error-code")[0];
    this.code = typeof code === "string" ? code : undefined;
    const body = bodyOf(cause.metadata);
    this.hint = textIn(body, "hint");
    this.choices = textsIn(body, "choices");
    this.status = cause.code;
  }
}

type Answered<Res> = (error: ServiceError | null, response: Res) => void;

/** How a call is made. */
export interface CallOptions {
  /** How long the answer may take, in milliseconds; 10 s unless given. */
  readonly timeoutMs?: number;
  /** Cancels the call when it aborts. */
  readonly signal?: AbortSignal | undefined;
  readonly metadata?: Metadata;
}

/**
 * Makes a unary call.
 *
 * @param start calls a method of a client with what it is given
 * @throws ManagerError
 */
export const callManager = <Res>(
  start: (
    metadata: Metadata,
    options: { readonly deadline: number },
    answered: Answered<Res>,
  ) => { cancel(): void },
  { timeoutMs = TIMEOUT_MS, signal, metadata = new Metadata() }: CallOptions = {},
): Promise<Res> =>
  new Promise((resolve, reject) => {
    const cancel = (): void => call.cancel();
    const call = start(metadata, { deadline: Date.now() + timeoutMs }, (error, response) => {
      signal?.removeEventListener("abort", cancel);
      if (error === null) resolve(response);
      else reject(new ManagerError(error));
    });
    if (signal?.aborted === true) cancel();
    signal?.addEventListener("abort", cancel);
  });
