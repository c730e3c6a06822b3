// Keeps a component's internal certificate fresh: asks the manager for the next one at two thirds of its life.
import { replaceCertificate } from "../certs/identity-folder.js";
import type { InternalBundle, InternalSource } from "../certs/internal-bundle.js";
import { CertificateError } from "../certs/certificate-error.js";
import { checkReceived } from "../certs/received-certificate.js";
import type { Clock } from "../core/clock.js";
import type { Lifecycle } from "../core/lifecycle.js";
import type { Log } from "../core/log.js";
import { repeat } from "../core/retry.js";
import {
  EnrolmentServiceClient,
  type RenewResponse,
} from "../proto/gen/schakel/manager/v1/enrolment.js";
import { callManager } from "./manager-call.js";
import { openManager } from "./manager-channel.js";

// A clock may be set meanwhile, so the time is looked at again now and then.
const LOOK_MS = 10 * 60_000;
const BACKOFF = { firstMs: 5_000, maxMs: 10 * 60_000 };

/** What renewal stands on. */
export interface RenewalParts {
  readonly source: InternalSource;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Gets a new certificate for the key of a bundle and takes it into the identity folder. The key stays: so
 * the change is that of one file. A new key comes with a new enrolment.
 *
 * @throws ManagerError when the manager refuses or is away; CertificateError when what it gave does not fit
 */
export const renewCertificate = async (
  dir: string,
  bundle: InternalBundle,
  signal?: AbortSignal,
): Promise<void> => {
  // What makes requests is large and needed a few times a year: it is loaded then.
  const { createKeyRequest } = await import("../certs/key-request.js");
  const client = await openManager(EnrolmentServiceClient, { bundle });
  try {
    const request = { certificateRequest: createKeyRequest(bundle.key) };
    const answer = await callManager<RenewResponse>((...rest) => client.renew(request, ...rest), {
      signal,
    });
    const { chain, identity } = checkReceived(answer, bundle);
    const { role, name } = bundle.identity;
    if (identity.role !== role || identity.name !== name) {
      throw new CertificateError("the manager gave a certificate for another component");
    }
    await replaceCertificate(dir, chain);
  } finally {
    client.close();
  }
};

/** Renews the certificate of a source whenever its time has come, until the life cycle stops. */
export const keepRenewed = (
  { source, clock, log }: RenewalParts,
  lifecycle: Pick<Lifecycle, "signal" | "onStop">,
): void => {
  const running = repeat(lifecycle.signal, {
    turn: async (signal) => {
      const wait = source.current.identity.renewableFrom - clock.now();
      if (wait > 0) return Math.min(wait, LOOK_MS);
      await renewCertificate(source.dir, source.current, signal);
      log.info({ dir: source.dir }, "internal certificate renewed");
      source.reload();
      return LOOK_MS;
    },
    failed: (error, failures, waitMs) =>
      log.warn({ err: error, failures, waitMs }, "the internal certificate could not be renewed"),
    backoff: BACKOFF,
  });
  lifecycle.onStop("certificate renewal", () => running);
};
