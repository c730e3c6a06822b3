// The one place where an error becomes an answer: an HTTP response here, a gRPC status below.
import { Metadata, status as grpcStatus, type ServiceError } from "@grpc/grpc-js";
import { errorRow, type Domain, type SchakelError } from "./errors.js";

const CHOICES_MAX = 10;

// What the header Allow says unless the error's choices are methods.
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

/** An answer of our own, ready to be sent. Header lines keep this order and spelling. */
export interface ErrorAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

/** The JSON body of an error (FSC's message, domain and code, with what we add). */
interface ErrorBody {
  readonly message: string;
  readonly domain: string;
  readonly code: string;
  readonly location: string;
  readonly transaction_id?: string;
  readonly hint: string;
  readonly choices?: readonly string[];
}

/** An answer with the status 401 must say how a credential is shown (RFC 9110, 11.6.1). */
const CHALLENGE = ["WWW-Authenticate", "Bearer"] as const;

const bodyOf = (error: SchakelError, domain: Domain, transactionId?: string): ErrorBody => {
  const row = errorRow(error.code);
  return {
    message: error.message,
    domain: `ERROR_DOMAIN_${domain.toUpperCase()}`,
    code: error.code,
    location: row.at[domain] ?? "",
    ...(transactionId === undefined ? {} : { transaction_id: transactionId }),
    hint: row.hint,
    ...(error.choices.length === 0 ? {} : { choices: error.choices.slice(0, CHOICES_MAX) }),
  };
};

/**
 * The HTTP response for an error: its status, `Fsc-Error-Code`, the transaction id where there is one,
 * and a JSON body. Nothing of the error's cause is in it. With ERROR_CODE_METHOD_UNSUPPORTED the error's
 * choices, if any, are the methods that `Allow` lists.
 */
export const errorAnswer = (
  error: SchakelError,
  domain: Domain,
  transactionId?: string,
): ErrorAnswer => {
  const body = Buffer.from(`${JSON.stringify(bodyOf(error, domain, transactionId))}\n`);
  const headers: [string, string][] = [
    ["Content-Type", "application/json"],
    ["Content-Length", String(body.length)],
    ["X-Content-Type-Options", "nosniff"],
    ["Cache-Control", "no-store"],
    ["Fsc-Error-Code", error.code],
  ];
  if (transactionId !== undefined) headers.push(["Fsc-Transaction-Id", transactionId]);
  if (errorRow(error.code).status === 401) headers.push([...CHALLENGE]);
  if (error.code === "ERROR_CODE_METHOD_UNSUPPORTED") {
    const methods = error.choices.length === 0 ? METHODS : error.choices;
    headers.push(["Allow", methods.join(", ")]);
  }
  return { status: errorRow(error.code).status, headers, body };
};

// RFC 6749, 5.2: what error_description may hold. The rest becomes "?", but for the two that have a likeness.
const describable = (text: string): string =>
  text
    .replaceAll('"', "'")
    .replaceAll("\\", "/")
    .replace(/[^\x20-\x7e]/gu, "?");

/**
 * The HTTP response of a token endpoint for an error (RFC 6749, 5.2; FSC Core 2.0.0, Token). Its status is
 * always 400, as FSC has it.
 *
 * @param code one of RFC 6749's
 * @param description for whoever asked; characters that RFC 6749 does not allow are replaced
 */
export const oauthErrorAnswer = (code: string, description: string): ErrorAnswer => {
  const text = JSON.stringify({ error: code, error_description: describable(description) });
  const body = Buffer.from(`${text}\n`);
  const headers = [
    ["Content-Type", "application/json"],
    ["Content-Length", String(body.length)],
    ["X-Content-Type-Options", "nosniff"],
    ["Cache-Control", "no-store"],
    ["Pragma", "no-cache"],
  ] as const;
  return { status: 400, headers, body };
};

const GRPC_STATUS: Readonly<Record<number, grpcStatus>> = {
  400: grpcStatus.INVALID_ARGUMENT,
  401: grpcStatus.UNAUTHENTICATED,
  403: grpcStatus.PERMISSION_DENIED,
  404: grpcStatus.NOT_FOUND,
  409: grpcStatus.FAILED_PRECONDITION,
  413: grpcStatus.INVALID_ARGUMENT,
  422: grpcStatus.INVALID_ARGUMENT,
  429: grpcStatus.RESOURCE_EXHAUSTED,
  500: grpcStatus.INTERNAL,
  503: grpcStatus.UNAVAILABLE,
  504: grpcStatus.DEADLINE_EXCEEDED,
};

/** The gRPC error for an error: the status code that corresponds to its HTTP status, the code and the body as metadata. */
export const grpcError = (error: SchakelError, domain: Domain): Partial<ServiceError> => {
  const metadata = new Metadata();
  metadata.set("fsc-error-code", error.code);
  metadata.set("schakel-error-bin", Buffer.from(JSON.stringify(bodyOf(error, domain))));
  return {
    code: GRPC_STATUS[errorRow(error.code).status] ?? grpcStatus.INTERNAL,
    details: error.message,
    metadata,
  };
};
