// Enrolment with a database of its own, as a manager has it.
import { join } from "node:path";
import type { Kysely } from "kysely";
import type { Ca } from "../../certs/ca.js";
import type { Clock } from "../../core/clock.js";
import { openDatabase } from "../../core/database.js";
import type { Log } from "../../core/log.js";
import { Enrolment } from "../../manager/enrolment.js";
import { EnrolmentStore, type EnrolmentSchema } from "../../manager/enrolment-store.js";
import {
  RefusedCertificates,
  type RefusedCertificateSchema,
} from "../../manager/refused-certificates.js";

/** Enrolment and what it stands on. Whoever opens it ends the database. */
export interface OpenedEnrolment {
  readonly enrolment: Enrolment;
  readonly refused: RefusedCertificates;
  readonly db: Kysely<EnrolmentSchema & RefusedCertificateSchema>;
}

/** Opens enrolment with the file manager.db of a folder. */
export const openEnrolment = async (
  folder: string,
  around: { readonly ca: Ca; readonly clock: Clock; readonly log: Log },
): Promise<OpenedEnrolment> => {
  const db = openDatabase<EnrolmentSchema & RefusedCertificateSchema>(join(folder, "manager.db"));
  const refused = await RefusedCertificates.open(db);
  const store = await EnrolmentStore.open(db);
  return { db, refused, enrolment: new Enrolment({ store, refused, ...around }) };
};
