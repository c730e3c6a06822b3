// What the parser of node:http says of a request that it does not take, as an error of ours.
import { SchakelError } from "./errors.js";

const PARSER_CODES: Readonly<Record<string, SchakelError["code"]>> = {
  HPE_HEADER_OVERFLOW: "ERROR_CODE_REQUEST_HEAD_TOO_LARGE",
  // The preface of HTTP/2.
  HPE_PAUSED_H2_UPGRADE: "ERROR_CODE_HTTP_VERSION_UNSUPPORTED",
};

// HPE_INVALID_VERSION stands for this and for a version that is followed by something else.
const OTHER_VERSION = "Invalid HTTP version";

/** The SchakelError for an error of node:http's parser; undefined when it is about the connection and not about what was sent. */
export const parserProblem = (error: Error): SchakelError | undefined => {
  const code = "code" in error ? String(error.code) : "";
  if (!code.startsWith("HPE_") || code === "HPE_INVALID_EOF_STATE") return undefined;
  // The parser's reason is one of its own fixed sentences and quotes nothing that was sent.
  const detail = "reason" in error ? String(error.reason) : code;
  if (detail === OTHER_VERSION) return new SchakelError("ERROR_CODE_HTTP_VERSION_UNSUPPORTED");
  const known = PARSER_CODES[code];
  return known === undefined
    ? new SchakelError("ERROR_CODE_REQUEST_MALFORMED", { detail })
    : new SchakelError(known);
};
