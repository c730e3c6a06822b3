// Takes the certificates of a component of ours back: for a key that was lost or stolen.
import type { Ca } from "../certs/ca.js";
import { issuedInternals, type IssuedInternal } from "../certs/internal-ca.js";
import { parseRole, type Role } from "../certs/internal-identity.js";
import type { Clock } from "../core/clock.js";
import type { Log } from "../core/log.js";
import { parseComponentName } from "../core/names.js";
import type {
  RefusedCertificate as WireRefused,
  RevokeComponentRequest,
  RevokeComponentResponse,
} from "../proto/gen/schakel/manager/v1/administration.js";
import type { InternalCaller } from "./caller.js";
import type { EnrolmentStore } from "./enrolment-store.js";
import type { RefusedCertificate, RefusedCertificates } from "./refused-certificates.js";
import { invalidRequest, parsed } from "./request.js";

const SECOND_MS = 1_000;
const LISTED_MAX = 1000;

/** The roles that can be taken back. The manager makes its own certificate; outways ask for clients by their list. */
export const REVOCABLE: readonly Role[] = ["inway", "outway", "cli", "web"];

/** What revocation stands on. */
export interface ComponentRevocationParts {
  readonly refused: RefusedCertificates;
  readonly codes: Pick<EnrolmentStore, "forget">;
  readonly ca: Ca;
  /** Ends the connections of whoever is let in no longer. */
  readonly cut: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

const revocable = (text: string): Role => {
  if (text === "client") {
    throw invalidRequest(
      "role is client, whose access is ended with RemoveClient ('schakel client remove'); list another name for it afterwards",
    );
  }
  const role = parsed("role", text, parseRole, REVOCABLE.join(", "));
  if (REVOCABLE.includes(role)) return role;
  throw invalidRequest(`role is ${role}, allowed are ${REVOCABLE.join(", ")}`);
};

const bare = (serial: string): string => serial.toUpperCase().replace(/^0+/, "");

const matcherOf = ({
  role,
  name,
  serialNumber,
}: RevokeComponentRequest): ((each: IssuedInternal) => boolean) => {
  if (serialNumber === "") {
    const wanted = revocable(role);
    const component = parsed("name", name, parseComponentName, "1 to 100 of a-z A-Z 0-9 . - _");
    return ({ identity }) => identity.role === wanted && identity.name === component;
  }
  if (role !== "" || name !== "") {
    throw invalidRequest("serial_number stands instead of role and name");
  }
  const wanted = bare(serialNumber.replaceAll(":", ""));
  if (!/^[0-9A-F]{1,40}$/.test(wanted)) {
    throw invalidRequest("serial_number is not 1 to 20 bytes in hexadecimal");
  }
  return (each) => bare(each.serialNumber) === wanted;
};

const checkFound = (found: readonly IssuedInternal[], caller: InternalCaller): void => {
  if (found.length === 0) {
    throw invalidRequest("the internal CA has issued no such certificate to a component");
  }
  for (const { identity } of found) revocable(identity.role);
  const own = caller?.certificateThumbprint;
  if (found.some(({ identity }) => identity.certificateThumbprint === own)) {
    throw invalidRequest(
      "that would revoke the certificate you call with: call with another cli identity, made with 'schakel enrol'",
    );
  }
};

const wireRefused = ({ validUntil, refusedAt, ...each }: RefusedCertificate): WireRefused => ({
  ...{ role: each.role, name: each.name, serialNumber: each.serialNumber },
  refusedAtMs: BigInt(refusedAt),
  expiresAt: BigInt(Math.floor(validUntil / SECOND_MS)),
});

/** Revokes internal certificates, and says which are revoked. */
export class ComponentRevocation {
  constructor(private readonly parts: ComponentRevocationParts) {}

  /** The certificates that are refused, the newest refusal first; at most 1000. */
  list(): WireRefused[] {
    return this.parts.refused.list(LISTED_MAX).map(wireRefused);
  }

  /**
   * Refuses every certificate that the CA has issued to a component until now, or a single one, and ends their
   * connections. Enrolment codes that wait for the component are forgotten with it. Whoever calls this has
   * checked that the caller may.
   *
   * @throws SchakelError ERROR_CODE_REQUEST_INVALID for a role or name that is not allowed, when no
   * certificate is found, and when the caller's own is among them; then nothing is refused
   */
  async revoke(
    request: RevokeComponentRequest,
    caller: InternalCaller,
  ): Promise<RevokeComponentResponse> {
    const { refused, codes, ca, cut, clock, log } = this.parts;
    const matches = matcherOf(request);
    const answer = await refused.inTurn(async () => {
      const { issued, unreadable } = await issuedInternals(ca);
      if (unreadable.length > 0)
        log.error({ unreadable }, "records of issued certificates hold none");
      const found = issued.filter(matches);
      checkFound(found, caller);
      const { role, name } = request;
      if (request.serialNumber === "") await codes.forget({ role, name });
      return await refused.add(found, clock.now());
    });
    cut();
    for (const { role, name, serialNumber } of answer.refused) {
      log.warn({ role, component: name, serialNumber }, "internal certificate refused from now on");
    }
    return { certificates: answer.refused.map(wireRefused), added: answer.added };
  }
}
