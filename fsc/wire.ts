// What both sides of the FSC interface say in the same words.
import type { Group } from "../certs/group.js";
import type { ContractGroup } from "../contracts/content.js";

/** What every path begins with: the base path of FSC's server. */
export const BASE_PATH = "/v1";

/** The one grant type of OAuth that FSC has. */
export const OAUTH_GRANT_TYPE = "client_credentials";

/** The media type of a token request. */
export const FORM_TYPE = "application/x-www-form-urlencoded";

/** The group whose contracts are read. */
export const contractGroup = (group: Group): ContractGroup => ({
  groupId: group.id,
  peerIdRule: group.peerIdRule,
});
