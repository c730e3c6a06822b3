// The manager's interface of people to the transaction log. Each method lists the roles that may call it, and each
// call is in the audit log before anything is given.
import type { EventEmitter } from "node:events";
import type { Role } from "../certs/internal-identity.js";
import type { GrpcServer } from "../core/grpc-server.js";
import type * as wire from "../proto/gen/schakel/manager/v1/log.js";
import { actorOf } from "./administration.js";
import { subjectOf, type Act, type AuditLog } from "./audit.js";
import type { InternalCaller } from "./caller.js";
import { auditedLook, type SubjectMark } from "./log-audited.js";
import { LogChange, type LogChangeParts } from "./log-change.js";
import { compareFor, type LogCompareParts } from "./log-compare.js";
import { LogEvidence, type LogEvidenceParts } from "./log-evidence.js";
import { LogLook, type LogLookParts } from "./log-look.js";
import { LogRead, type LogReadParts } from "./log-read.js";
import type { OtherLogs } from "./other-logs.js";
import { sendAll, sendTo, type Send } from "./log-stream.js";

const PEOPLE: readonly Role[] = ["cli", "web"];
const COMMAND_LINE: readonly Role[] = ["cli"];

/** What the interface stands on. */
export interface LogServiceParts
  extends LogLookParts, LogReadParts, LogChangeParts, LogCompareParts, LogEvidenceParts {
  readonly audit: AuditLog;
  readonly others: OtherLogs;
  readonly subjectMark: SubjectMark;
}

/** Makes the handlers of the interface for a server. */
export const logService = (
  server: GrpcServer<InternalCaller>,
  parts: LogServiceParts,
): wire.LogServiceServer => {
  const [looks, reads, changes] = [new LogLook(parts), new LogRead(parts), new LogChange(parts)];
  const evidence = new LogEvidence(parts);

  const actOf = (action: string, request: object, actor: Pick<Act, "user" | "component">): Act => ({
    ...actor,
    action,
    request: subjectOf(auditedLook(request, parts.subjectMark)),
  });

  const method = <Req extends object, Res>(
    action: string,
    roles: readonly Role[],
    work: (request: Req) => Promise<Res> | Res,
  ) =>
    server.unary((request: Req, caller, metadata) => {
      const act = actOf(action, request, actorOf(caller, metadata, roles));
      return parts.audit.record(act, () => work(request));
    });

  const stream = <Req extends object, Res>(
    action: string,
    roles: readonly Role[],
    work: (request: Req, send: Send<Res>, call: EventEmitter) => Promise<void>,
  ) =>
    server.serverStream<Req, Res>((call, caller) => {
      const { request, metadata } = call;
      const act = actOf(action, request, actorOf(caller, metadata, roles));
      parts.audit
        .record(act, () => work(request, sendTo(call), call))
        .then(
          () => call.end(),
          (error: unknown) => call.emit("error", server.fail(error, call.getPath())),
        );
    });

  return {
    searchExchanges: method("SearchExchanges", PEOPLE, (request) => looks.search(request)),
    getExchange: method("GetExchange", PEOPLE, (request) => looks.exchange(request)),
    readLog: stream("ReadLog", PEOPLE, (request, send, call) => reads.give(request, send, call)),
    getLogHead: method("GetLogHead", PEOPLE, (request) => looks.head(request)),
    getProof: method("GetProof", PEOPLE, (request) => looks.proof(request)),
    getEvidence: stream("GetEvidence", PEOPLE, (request, send) =>
      sendAll(evidence.gather(request), send),
    ),
    signBundle: method("SignBundle", PEOPLE, (request) => changes.signBundle(request)),
    reconcile: stream("Reconcile", PEOPLE, (request, send) => compareFor(request, parts, send)),
    listReconciliations: method("ListReconciliations", PEOPLE, (request) =>
      looks.reconciliations(request),
    ),
    countExchanges: method("CountExchanges", PEOPLE, (request) => looks.counts(request)),
    erasePersonalData: method("ErasePersonalData", PEOPLE, (request) => changes.erase(request)),
    setRetention: method("SetRetention", PEOPLE, (request) => changes.retention(request)),
    pruneLog: method("PruneLog", COMMAND_LINE, (request) => changes.prune(request)),
    beginEpoch: method("BeginEpoch", COMMAND_LINE, (request) => changes.beginEpoch(request)),
  };
};
