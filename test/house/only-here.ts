// The "only here" rules: what only one room, or one file, may do. Each looks at the syntax tree, so
// that a comment or a text that mentions the thing is not taken for it.
import ts from "typescript";
import { inspect, parse, type Rule, type Source } from "./sources.js";

const inFolder = ({ path }: Source, ...folders: readonly string[]): boolean =>
  folders.some((folder) => path.startsWith(`${folder}/`));

const isOne = ({ path }: Source, ...paths: readonly string[]): boolean => paths.includes(path);

/** The names that an import declaration brings in as values, each with "module" (whole) or "module:name". */
const importedBy = (declaration: ts.ImportDeclaration): (readonly [string, string])[] => {
  const clause = declaration.importClause;
  if (clause === undefined || clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return [];
  const module = (declaration.moduleSpecifier as ts.StringLiteral).text.replace(/^node:/, "");
  const whole = clause.name === undefined ? [] : [[clause.name.text, module] as const];
  const bindings = clause.namedBindings;
  if (bindings === undefined) return whole;
  if (ts.isNamespaceImport(bindings)) return [...whole, [bindings.name.text, module]];
  const named = bindings.elements
    .filter(({ isTypeOnly }) => !isTypeOnly)
    .map(
      ({ name, propertyName }) => [name.text, `${module}:${(propertyName ?? name).text}`] as const,
    );
  return [...whole, ...named];
};

const importsOf = (file: ts.SourceFile): ReadonlyMap<string, string> =>
  new Map(file.statements.filter(ts.isImportDeclaration).flatMap(importedBy));

/** "module:function" of a call or a construction of something imported; undefined for any other node. */
const calledOf = (node: ts.Node, imports: ReadonlyMap<string, string>): string | undefined => {
  if (!ts.isCallExpression(node) && !ts.isNewExpression(node)) return undefined;
  const called = node.expression;
  if (ts.isIdentifier(called)) return imports.get(called.text);
  if (!ts.isPropertyAccessExpression(called) || !ts.isIdentifier(called.expression))
    return undefined;
  const from = imports.get(called.expression.text);
  return from === undefined ? undefined : `${from}:${called.name.text}`;
};

const inspectCalls = (
  source: Source,
  judge: (called: string, node: ts.CallExpression | ts.NewExpression) => string | undefined,
): readonly string[] => {
  const imports = importsOf(parse(source));
  return inspect(source, (node) => {
    const called = calledOf(node, imports);
    return called === undefined ? undefined : judge(called, node as ts.CallExpression);
  });
};

/** The name that a property, an assignment to one, or a destructuring gives; undefined for any other node. */
const writtenProperty = (node: ts.Node): string | undefined => {
  if (ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node))
    return ts.isIdentifier(node.name) || ts.isStringLiteral(node.name) ? node.name.text : undefined;
  if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== ts.SyntaxKind.EqualsToken)
    return undefined;
  const { left } = node;
  if (ts.isPropertyAccessExpression(left)) return left.name.text;
  return ts.isElementAccessExpression(left) && ts.isStringLiteral(left.argumentExpression)
    ? left.argumentExpression.text
    : undefined;
};

/** The name of a property that is read, by ".", by ["…"] or by destructuring. */
const readProperty = (node: ts.Node): string | undefined => {
  if (ts.isPropertyAccessExpression(node)) return node.name.text;
  if (ts.isElementAccessExpression(node) && ts.isStringLiteral(node.argumentExpression))
    return node.argumentExpression.text;
  if (!ts.isBindingElement(node) || !ts.isObjectBindingPattern(node.parent)) return undefined;
  const name = node.propertyName ?? node.name;
  return ts.isIdentifier(name) ? name.text : undefined;
};

/** Options by which TLS could be weakened. `key`, `cert` and `ca` mean other things as well and are not listed. */
const TLS_OPTIONS = new Set([
  "rejectUnauthorized",
  "requestCert",
  "checkServerIdentity",
  "minVersion",
  "maxVersion",
  "secureProtocol",
  "secureOptions",
  "secureContext",
  "ciphers",
  "sigalgs",
  "ecdhCurve",
  "crl",
  "pfx",
  "SNICallback",
]);
/** Files in which the name of an option is a member of something else, with why. */
const OTHER_MEMBERS = new Map([
  ["component/read-message.ts", "crl is a member of the manager's messages"],
  ["component/write-message.ts", "crl is a member of the manager's messages"],
]);
/** Functions that take TLS options, and the files that may hand them the options of certs/. */
const TLS_FUNCTIONS = new Map<string, readonly string[]>([
  ["tls:createServer", ["core/tls-server.ts"]],
  ["tls:connect", ["core/dial.ts", "inway/source.ts"]],
  ["tls:createSecureContext", []],
  ["tls:TLSSocket", []],
  ["http2:createSecureServer", []],
]);

/** Whether a property's value is made by a function of certs/, or handed on by the file that may do so. */
const isHandedOn = (
  node: ts.Node,
  source: Source,
  imports: ReadonlyMap<string, string>,
): boolean => {
  if (!ts.isPropertyAssignment(node))
    return ts.isShorthandPropertyAssignment(node) && isOne(source, "core/grpc-client.ts");
  const called = calledOf(node.initializer, imports);
  return called !== undefined && /^(\.\.\/)+certs\//.test(called);
};

/** Only certs/ builds TLS options; whoever needs them hands on what a function of certs/ has made. */
export const tlsOptions: Rule = (source) => {
  if (inFolder(source, "certs")) return [];
  const calls = inspectCalls(source, (called) => {
    if (called.startsWith("https:")) return "uses node:https, which takes TLS options of its own";
    const allowed = TLS_FUNCTIONS.get(called);
    return allowed === undefined || isOne(source, ...allowed)
      ? undefined
      : `calls ${called.replace(":", ".")}, which takes TLS options`;
  });
  const imports = importsOf(parse(source));
  const options = inspect(source, (node) => {
    if (readProperty(node) === "createSsl") return "makes gRPC credentials of its own";
    const name = writtenProperty(node);
    if (name === undefined || !TLS_OPTIONS.has(name)) return undefined;
    if (OTHER_MEMBERS.get(source.path)?.startsWith(`${name} `) === true) return undefined;
    if (isHandedOn(node, source, imports)) return undefined;
    // The dialling function repeats the one option without which all others mean nothing.
    const insists =
      name === "rejectUnauthorized" &&
      ts.isPropertyAssignment(node) &&
      node.initializer.kind === ts.SyntaxKind.TrueKeyword;
    return insists && isOne(source, "core/dial.ts") ? undefined : `sets the TLS option ${name}`;
  });
  return [...calls, ...options];
};

const CERTIFICATE_PROPERTIES = new Set([
  "subject",
  "subjectAltName",
  "getPeerCertificate",
  "getPeerX509Certificate",
  "toLegacyObject",
  "sslPeerCertificate",
]);

/** grpc-js tells calls apart by their connection's certificate; its fingerprint says nothing of who the peer is. */
const isFingerprint = (node: ts.Node, source: Source): boolean => {
  const outer = ts.isCallExpression(node.parent) ? node.parent.parent : node.parent;
  return (
    isOne(source, "core/grpc-server.ts") &&
    ts.isPropertyAccessExpression(outer) &&
    outer.name.text === "fingerprint256"
  );
};

/** Only certs/ reads a certificate: the peer's on a socket, or any by node:crypto or node-forge. */
export const certificates: Rule = (source) => {
  if (inFolder(source, "certs")) return [];
  const calls = inspectCalls(source, (called) =>
    called === "crypto:X509Certificate" || called.startsWith("node-forge")
      ? `uses ${called.replace(":", ".")}`
      : undefined,
  );
  const reads = inspect(source, (node) => {
    const name = readProperty(node);
    return name !== undefined && CERTIFICATE_PROPERTIES.has(name) && !isFingerprint(node, source)
      ? `reads ${name} of a certificate`
      : undefined;
  });
  return [...calls, ...reads];
};

/** Files besides settings.ts that may touch the environment, with why. */
const ENVIRONMENT = new Map([
  ["demo/processes.ts", "hands its own environment on to the processes it starts, without ours"],
]);

/** Only a service's settings.ts reads the environment. */
export const environment: Rule = (source) => {
  if (/^[a-z]+\/settings\.ts$/.test(source.path) || ENVIRONMENT.has(source.path)) return [];
  const imports = importsOf(parse(source));
  return inspect(source, (node) => {
    if (readProperty(node) !== "env") return undefined;
    const owner = ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node);
    const of = owner ? node.expression : (node.parent.parent as ts.VariableDeclaration).initializer;
    return of?.getText() === "process" || imports.get(of?.getText() ?? "") === "process"
      ? "reads process.env"
      : undefined;
  });
};

/** Whether the literal is what a `.get("…")` or `.has("…")` looks up: reading another's answer. */
const isLookedUp = ({ parent }: ts.Node): boolean =>
  ts.isCallExpression(parent) &&
  ts.isPropertyAccessExpression(parent.expression) &&
  ["get", "has"].includes(parent.expression.name.text);

/**
 * Only core/error-answer.ts turns an error into a response. The header's name stands in one more file,
 * the table of headers; what another process answered may be looked up under it.
 */
export const errorAnswers: Rule = (source) => {
  if (isOne(source, "core/error-answer.ts", "core/exchange-headers.ts")) return [];
  return inspect(source, (node) => {
    const literal =
      ts.isStringLiteralLike(node) ||
      ts.isTemplateHead(node) ||
      ts.isTemplateMiddleOrTemplateTail(node);
    if (!literal || isLookedUp(node)) return undefined;
    return /^fsc[-_]error[-_]code$|^ERROR_DOMAIN_/i.test(node.text)
      ? "names the header or the domain of an error's answer"
      : undefined;
  });
};

/** A timer, or the wait of core/retry.ts, however it was imported. */
/** A timer, or the wait of core/retry.ts, however it was imported. */
const WAITS = /^(set(Timeout|Interval|Immediate)|timers(\/promises)?:.*|.*\/retry\.js:pause)$/;

const isLoop = (node: ts.Node): boolean =>
  ts.isWhileStatement(node) ||
  ts.isDoStatement(node) ||
  ts.isForStatement(node) ||
  ts.isForOfStatement(node) ||
  ts.isForInStatement(node);

const inLoop = (node: ts.Node): boolean => {
  for (let at = node.parent as ts.Node | undefined; at !== undefined; at = at.parent) {
    if (isLoop(at)) return true;
    if (ts.isFunctionDeclaration(at) || ts.isMethodDeclaration(at) || ts.isClassDeclaration(at))
      return false;
  }
  return false;
};

/** Only core/retry.ts tries again in a loop: nothing else waits for a time inside one. */
export const retries: Rule = (source) => {
  if (isOne(source, "core/retry.ts")) return [];
  const imports = importsOf(parse(source));
  return inspect(source, (node) => {
    if (!ts.isCallExpression(node)) return undefined;
    const called = calledOf(node, imports) ?? node.expression.getText();
    return WAITS.test(called) && inLoop(node) ? `waits (${called}) inside a loop` : undefined;
  });
};

const DIALS = new Set([
  "net:connect",
  "net:createConnection",
  "net:Socket",
  "tls:connect",
  "http:request",
  "http:get",
  "http2:connect",
  "dgram:createSocket",
]);

/** Files outside relay/ (which is handed its connections) that may open one, with why. */
const DIALLERS = new Map([
  ["core/dial.ts", "the one way to another organisation"],
  ["inway/source.ts", "the inway's way to the sources of its own organisation"],
  ["inway/fetch-description.ts", "speaks HTTP over the socket that inway/source.ts has opened"],
  ["fsc/client-exchange.ts", "speaks HTTP over the socket that core/dial.ts has opened"],
  ["fsc/fetch-list.ts", "speaks HTTP over the socket that core/dial.ts has opened"],
  ["demo/call.ts", "a client's way to the outway on its own machine"],
]);

/** Only core/dial.ts connects to another organisation, and only it asks DNS. */
export const dialling: Rule = (source) => {
  if (DIALLERS.has(source.path)) return [];
  const imports = [...importsOf(parse(source)).values()];
  const dns = imports.some((from) => /^dns(\/promises)?(:|$)/.test(from));
  const calls = inspectCalls(source, (called) =>
    DIALS.has(called) && !(inFolder(source, "relay") && called.startsWith("http:"))
      ? `opens a connection with ${called.replace(":", ".")}`
      : undefined,
  );
  const fetches = inspect(source, (node) => {
    if (!ts.isCallExpression(node)) return undefined;
    const called = node.expression.getText();
    if (/^(globalThis\.)?fetch$/.test(called)) return "opens a connection with fetch";
    return /(^|\.)credentials\.create/.test(called) && !isOne(source, "core/grpc-client.ts")
      ? `opens a gRPC channel with ${called}`
      : undefined;
  });
  return [...calls, ...fetches, ...(dns ? [`${source.path}:1 asks DNS itself`] : [])];
};
