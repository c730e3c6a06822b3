// The headers that Schakel gives a meaning, and what each stretch of the way may carry. The full table
// stands in docs/headers.md. Names are compared without case and with "_" read as "-", since some
// sources treat the two alike.

/** A header name in the form in which names are compared: lower case, "_" as "-". */
export const comparableName = (name: string): string => name.toLowerCase().replaceAll("_", "-");

/** Names that are written as they stand here. */
export const HEADER = {
  transactionId: "Fsc-Transaction-Id",
  errorCode: "Fsc-Error-Code",
  authorization: "Fsc-Authorization",
  grantHash: "Fsc-Grant-Hash",
  /** The hash of our intent record, base64url; towards the other side and back. */
  receipt: "Schakel-Receipt",
  requestOrganization: "X-NLX-Request-Organization",
  dataSubject: "X-NLX-Request-Data-Subject",
  processId: "X-NLX-Request-Process-Id",
  dataElements: "X-NLX-Request-Data-Elements",
  user: "X-NLX-Requester-User",
  claims: "X-NLX-Requester-Claims",
  userId: "X-NLX-Request-User-Id",
  applicationId: "X-NLX-Request-Application-Id",
  subjectIdentifier: "X-NLX-Request-Subject-Identifier",
  traceparent: "traceparent",
} as const;

const comparable = (...names: readonly string[]): ReadonlySet<string> =>
  new Set(names.map(comparableName));

/** Set by Schakel alone: whatever a client or a source sends under these names is removed. */
const OURS = comparable(
  HEADER.transactionId,
  HEADER.errorCode,
  HEADER.authorization,
  HEADER.grantHash,
  HEADER.receipt,
  HEADER.requestOrganization,
);

/** For the outway alone: credentials of its client. */
const FOR_OUTWAY = comparable("Proxy-Authorization", "X-NLX-Authorization");

/** What a client says of its own user: never leaves its organisation. */
const OF_USER = comparable(
  HEADER.user,
  HEADER.claims,
  HEADER.userId,
  HEADER.applicationId,
  HEADER.subjectIdentifier,
);

/** What a record takes from a head: a trailer comes too late for it. */
const RECORDED = comparable(HEADER.dataSubject, HEADER.processId, HEADER.dataElements);

const FORWARDED = comparable("Forwarded", "Via");

/** Whether Schakel alone may set this header (name in any spelling). */
export const isOurs = (name: string): boolean => OURS.has(comparableName(name));

/** Whether the header is meant for the outway alone. */
export const isForOutway = (name: string): boolean => FOR_OUTWAY.has(comparableName(name));

/** Whether the header tells something of the client's user. */
export const isOfUser = (name: string): boolean => OF_USER.has(comparableName(name));

/** Whether the header tells which proxies a request came through: Forwarded, Via, X-Forwarded-*. */
export const isForwarded = (name: string): boolean => {
  const compared = comparableName(name);
  return FORWARDED.has(compared) || compared.startsWith("x-forwarded-");
};

const ROUTING = comparable("Host", "Origin", "Sec-Fetch-Site", HEADER.traceparent);

/** Whether inways or outways read the header (name in any spelling); all others pass unread. */
export const isRead = (name: string): boolean => {
  const compared = comparableName(name);
  return [ROUTING, OURS, FOR_OUTWAY, OF_USER, RECORDED].some((names) => names.has(compared));
};

/** Whether a trailer field may pass, in either direction: none that routes or has a meaning to us. */
export const mayBeTrailer = (name: string): boolean =>
  comparableName(name) !== "host" &&
  !RECORDED.has(comparableName(name)) &&
  ![isOurs, isForOutway, isForwarded, isOfUser].some((hasMeaning) => hasMeaning(name));
