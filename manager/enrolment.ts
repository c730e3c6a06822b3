// How components get their internal certificates: the first one for a code, the next ones for the one before.
import type { X509Certificate } from "node:crypto";
import type { Ca } from "../certs/ca.js";
import { CertificateError } from "../certs/certificate-error.js";
import { formatEnrolmentCode, newEnrolmentCode } from "../certs/enrolment-code.js";
import { checkHostNames, issueInternal } from "../certs/internal-ca.js";
import { parseRole, type Role } from "../certs/internal-identity.js";
import { readKeyRequest } from "../certs/key-request.js";
import type { Clock } from "../core/clock.js";
import { SchakelError } from "../core/errors.js";
import type { GrpcServer } from "../core/grpc-server.js";
import type { Log } from "../core/log.js";
import { parseComponentName } from "../core/names.js";
import type {
  CreateEnrolmentCodeRequest,
  CreateEnrolmentCodeResponse,
} from "../proto/gen/schakel/manager/v1/administration.js";
import type * as wire from "../proto/gen/schakel/manager/v1/enrolment.js";
import { withRole, type InternalCaller } from "./caller.js";
import type { Enrollee, EnrolmentStore } from "./enrolment-store.js";
import type { RefusedCertificates } from "./refused-certificates.js";

const CODE_LIFE_MS = 60 * 60_000;
const CODES_OPEN_MAX = 100;
const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
/** From one address, and from all of them together. */
const ATTEMPTS_PER_MINUTE = { each: 60, all: 600 } as const;

/** The roles that a code can be made for. The manager makes its own certificate. */
export const ENROLLABLE: readonly Role[] = ["inway", "outway", "cli", "web", "client"];
const RENEWING: readonly Role[] = ["inway", "outway", "cli"];

/** What enrolment stands on. */
export interface EnrolmentParts {
  readonly store: EnrolmentStore;
  readonly refused: RefusedCertificates;
  readonly ca: Ca;
  readonly clock: Clock;
  readonly log: Log;
}

const invalid = (detail: string, cause?: unknown): SchakelError =>
  new SchakelError("ERROR_CODE_REQUEST_INVALID", { detail, cause });

const keyIn = (request: Uint8Array) => {
  try {
    return readKeyRequest(request);
  } catch (cause) {
    if (!(cause instanceof CertificateError)) throw cause;
    throw invalid(`certificate_request is refused: ${cause.message}`, cause);
  }
};

const hostNamesIn = (role: Role, hostNames: readonly string[]): readonly string[] => {
  try {
    checkHostNames(role, hostNames);
  } catch (cause) {
    if (!(cause instanceof CertificateError)) throw cause;
    throw invalid(`host_names is refused: ${cause.message}`, cause);
  }
  return hostNames;
};

/** Codes, and the certificates that they and earlier certificates are exchanged for. */
export class Enrolment {
  readonly #parts: EnrolmentParts;
  /** The attempts of the last minute, with their moments on the monotonic clock. */
  #attempts: readonly { readonly at: number; readonly ip: string }[] = [];

  constructor(parts: EnrolmentParts) {
    this.#parts = parts;
  }

  /**
   * Makes a code that works once, within an hour, for one role, name and list of host names. Its text is stored nowhere. Whoever
   * calls this has checked that the caller may.
   *
   * @throws SchakelError ERROR_CODE_REQUEST_INVALID for a role, name or host name that is not allowed,
   * ERROR_CODE_LIMIT_EXCEEDED when too many codes can still be used
   */
  async createCode(asked: CreateEnrolmentCodeRequest): Promise<CreateEnrolmentCodeResponse> {
    const role = parseRole(asked.role);
    if (role === undefined || !ENROLLABLE.includes(role)) {
      throw invalid(`role is not one of ${ENROLLABLE.join(", ")}`);
    }
    const name = parseComponentName(asked.name);
    if (name === undefined) throw invalid("name is not 1 to 100 of a-z A-Z 0-9 . - _");
    const hostNames = hostNamesIn(role, asked.hostNames);
    const { ca, clock, log, store } = this.#parts;
    const code = newEnrolmentCode(ca.root);
    const now = clock.now();
    const expiresAt = now + CODE_LIFE_MS;
    const limits = { now, expiresAt, openMax: CODES_OPEN_MAX };
    if (!(await store.add(code.secret, { role, name, hostNames }, limits))) {
      throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", {
        detail: `${String(CODES_OPEN_MAX)} enrolment codes are waiting to be used`,
      });
    }
    log.info({ role, component: name }, "enrolment code made");
    return {
      code: formatEnrolmentCode(code),
      expiresAt: BigInt(Math.floor(expiresAt / SECOND_MS)),
    };
  }

  /**
   * Exchanges a code for a certificate. The code is used up before the certificate is made, so that it never
   * gives two.
   *
   * @param ip who asks: the attempts of one address leave room for those of others
   * @throws SchakelError ERROR_CODE_REQUEST_INVALID, ERROR_CODE_ENROLMENT_REFUSED, ERROR_CODE_LIMIT_EXCEEDED
   */
  async enrol(
    { secret, certificateRequest }: wire.EnrolRequest,
    ip: string,
  ): Promise<wire.EnrolResponse> {
    this.#countAttempt(ip);
    // Before the code is looked at: a faulty request uses none up, and its answer says nothing of a code.
    const publicKey = keyIn(certificateRequest);
    return await this.#parts.refused.inTurn(async () => {
      const enrollee = await this.#parts.store.take(secret, this.#parts.clock.now());
      if (enrollee === undefined) {
        this.#parts.log.warn({}, "an enrolment was refused");
        throw new SchakelError("ERROR_CODE_ENROLMENT_REFUSED");
      }
      return this.#answer(enrollee, await this.#issue(enrollee, publicKey));
    });
  }

  /**
   * Gives a component a new certificate with the role, name and host names of the one it shows.
   *
   * @throws SchakelError ERROR_CODE_ROLE_NOT_ALLOWED, ERROR_CODE_REQUEST_INVALID also before two thirds of
   * the life of the caller's certificate, and when that was revoked
   */
  async renew(
    { certificateRequest }: wire.RenewRequest,
    caller: InternalCaller,
  ): Promise<wire.RenewResponse> {
    const component = withRole(caller, RENEWING);
    const publicKey = keyIn(certificateRequest);
    if (this.#parts.clock.now() < component.renewableFrom) {
      const from = new Date(component.renewableFrom).toISOString();
      throw invalid(`the certificate is renewed from two thirds of its life on, which is ${from}`);
    }
    return await this.#parts.refused.inTurn(async () => {
      // Asked in turn: a connection that is being cut may still have a call under way.
      if (this.#parts.refused.has(component.certificateThumbprint)) {
        throw invalid("the certificate was revoked: enrol again with a new code");
      }
      return this.#answer(component, await this.#issue(component, publicKey));
    });
  }

  #issue(
    { role, name, hostNames }: Enrollee,
    publicKey: ReturnType<typeof keyIn>,
  ): Promise<X509Certificate> {
    const { ca, clock } = this.#parts;
    return issueInternal(ca, { role, name, hostNames, publicKey, now: clock.now() });
  }

  #answer({ role, name }: Enrollee, certificate: X509Certificate): wire.EnrolResponse {
    const { ca, log } = this.#parts;
    const { serialNumber, validToDate } = certificate;
    const until = validToDate.toISOString();
    log.info({ role, component: name, serialNumber, until }, "internal certificate issued");
    return {
      certificate: certificate.raw,
      issuerChain: [ca.issuing.raw],
      caCertificate: ca.root.raw,
    };
  }

  #countAttempt(ip: string): void {
    const now = this.#parts.clock.monotonic();
    const recent = this.#attempts.filter(({ at }) => at > now - MINUTE_MS);
    this.#attempts = recent;
    const { each, all } = ATTEMPTS_PER_MINUTE;
    const own = recent.filter((attempt) => attempt.ip === ip).length;
    if (own >= each || recent.length >= all) {
      throw new SchakelError("ERROR_CODE_LIMIT_EXCEEDED", {
        detail: `${String(each)} enrolments a minute are taken from one address, ${String(all)} from all`,
      });
    }
    this.#attempts = [...recent, { at: now, ip }];
  }
}

/** Makes the handlers of EnrolmentService for a server that lets in callers without a certificate. */
export const enrolmentService = (
  server: GrpcServer<InternalCaller>,
  enrolment: Enrolment,
): wire.EnrolmentServiceServer => ({
  enrol: server.unary((request, _caller, _metadata, ip) => enrolment.enrol(request, ip)),
  renew: server.unary((request, caller) => enrolment.renew(request, caller)),
});
