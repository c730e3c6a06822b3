// POST /token (FSC Core 2.0.0; RFC 6749, 4.4): the form, and errors as OAuth has them.
import { oauthErrorAnswer } from "../core/error-answer.js";
import { SchakelError } from "../core/errors.js";
import { jsonReply, type Call, type Endpoint } from "./endpoint.js";
import { FORM_BYTES_MAX } from "./fsc-limits.js";
import { OAuthError, type TokenForm } from "./manager-interface.js";
import { Parameters } from "./queries.js";
import { FORM_TYPE, OAUTH_GRANT_TYPE } from "./wire.js";

const SCOPE_LENGTH_MAX = 1024;
const CLIENT_ID_LENGTH_MAX = 255;

const required = (parameters: Parameters, name: string, lengthMax: number): string => {
  const value = parameters.one(name, lengthMax);
  if (value !== undefined) return value;
  throw new OAuthError("invalid_request", `the parameter ${name} is missing`);
};

const formOf = async (call: Call): Promise<TokenForm> => {
  const bytes = await call.body({ type: FORM_TYPE, bytesMax: FORM_BYTES_MAX });
  const parameters = new Parameters(bytes.toString("latin1"));
  const grantType = required(parameters, "grant_type", CLIENT_ID_LENGTH_MAX);
  if (grantType !== OAUTH_GRANT_TYPE) {
    throw new OAuthError("unsupported_grant_type", `grant_type must be ${OAUTH_GRANT_TYPE}`);
  }
  return {
    grantHash: required(parameters, "scope", SCOPE_LENGTH_MAX),
    clientId: required(parameters, "client_id", CLIENT_ID_LENGTH_MAX),
  };
};

const toOAuthError = (thrown: unknown): unknown =>
  thrown instanceof SchakelError && thrown.code === "ERROR_CODE_REQUEST_INVALID"
    ? new OAuthError("invalid_request", thrown.detail ?? thrown.message)
    : thrown;

/** Answers with a token, or with 400 and OAuth's code. */
export const giveToken: Endpoint = async (call, { handlers }) => {
  try {
    const token = await handlers.issueToken(await formOf(call), call.caller);
    const reply = jsonReply({ access_token: token, token_type: "bearer" });
    return { ...reply, headers: [...reply.headers, ["Pragma", "no-cache"]] };
  } catch (thrown) {
    const error = toOAuthError(thrown);
    if (!(error instanceof OAuthError)) throw error;
    return oauthErrorAnswer(error.code, error.description);
  }
};
