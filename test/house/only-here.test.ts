// Keeps the "only here" rules over every file of the rooms, and tries each on code that breaks it.
import { expect } from "chai";
import {
  certificates,
  dialling,
  environment,
  errorAnswers,
  retries,
  tlsOptions,
} from "./only-here.js";
import { LEVELS } from "./rooms.js";
import { allFiles, isCode, type Rule } from "./sources.js";

interface RuleCase {
  readonly name: string;
  readonly rule: Rule;
  /** Code that breaks the rule anywhere but at home. */
  readonly broken: readonly string[];
  /** Code that keeps it although it looks alike. */
  readonly kept: readonly string[];
  /** Files where the broken code is allowed. */
  readonly home: readonly string[];
}

const CASES: readonly RuleCase[] = [
  {
    name: "only certs/ builds TLS options",
    rule: tlsOptions,
    broken: [
      'import { connect } from "node:tls"; connect({});',
      'import { connect as c } from "tls"; c({});',
      'import * as tls from "node:tls"; tls.createServer({});',
      'import tls from "node:tls"; tls.createSecureContext({});',
      'import { TLSSocket } from "node:tls"; new TLSSocket(socket, {});',
      'import { createSecureServer } from "node:http2"; createSecureServer({});',
      'import https from "node:https"; https.request({});',
      'import { Agent } from "node:https"; new Agent({});',
      "const options = { rejectUnauthorized: false };",
      "const options = { rejectUnauthorized: true };",
      'options.minVersion = "TLSv1";',
      'options["rejectUnauthorized"] = false;',
      "const options = { 'requestCert': false };",
      "const options = { checkServerIdentity };",
      "const options = { checkServerIdentity: () => undefined };",
      'import { f } from "../core/f.js"; const options = { secureContext: f() };',
      "ServerCredentials.createSsl(ca, pairs);",
    ],
    kept: [
      'import type { ConnectionOptions } from "node:tls"; // rejectUnauthorized: false',
      'import { connect } from "./connect.js"; connect({});',
      'const text = "rejectUnauthorized: false";',
      'import { checkPeer } from "../certs/tls.js"; f({ checkServerIdentity: checkPeer(group) });',
    ],
    home: ["certs/tls-options.ts"],
  },
  {
    name: "only certs/ reads a certificate",
    rule: certificates,
    broken: [
      "socket.getPeerCertificate(true);",
      "socket.getPeerX509Certificate();",
      'import { X509Certificate } from "node:crypto"; new X509Certificate(pem);',
      'import * as crypto from "node:crypto"; new crypto.X509Certificate(pem);',
      "const name = certificate.subject;",
      'const name = certificate["subject"];',
      "const { subject } = certificate;",
      "const { subject: name } = certificate;",
      "x509.toLegacyObject();",
      "const print = socket.getPeerCertificate().fingerprint256;",
      "call.getAuthContext().sslPeerCertificate;",
      'import forge from "node-forge"; forge.pki();',
    ],
    kept: [
      'import type { X509Certificate } from "node:crypto";',
      "const record = { dataSubject }; // subject",
      'log.info("subject");',
    ],
    home: ["certs/identity.ts"],
  },
  {
    name: "only a service's settings.ts reads the environment",
    rule: environment,
    broken: [
      "const x = process.env.HOME;",
      'const x = process.env["HOME"];',
      'const x = process["env"];',
      "const { env } = process;",
      "const { env: e } = process;",
      "const x = { ...process.env };",
      'import process from "node:process"; process.env.X;',
      'import p from "node:process"; p.env.X;',
    ],
    kept: ["const x = options.env;", "const { env } = options;", "process.exit(0); // process.env"],
    home: ["inway/settings.ts", "directory/settings.ts"],
  },
  {
    name: "only core/error-answer.ts turns an error into a response",
    rule: errorAnswers,
    broken: [
      'response.setHeader("Fsc-Error-Code", code);',
      'headers.push(["fsc-error-code", code]);',
      'headers["Fsc_Error_Code"] = code;',
      "const domain = `ERROR_DOMAIN_${name}`;",
      'const domain = "ERROR_DOMAIN_INWAY";',
    ],
    kept: [
      'const code = metadata.get("fsc-error-code")[0];',

      "// Fsc-Error-Code",
      'const code = "ERROR_CODE_INTERNAL";',
      "const n = HEADER.errorCode;",
    ],
    home: ["core/error-answer.ts"],
  },
  {
    name: "only core/retry.ts retries in a loop",
    rule: retries,
    broken: [
      'import { pause } from "../core/retry.js"; while (on) { await pause(10, signal); }',
      'import { pause as p } from "../core/retry.js"; for (;;) await p(10, signal);',
      "while (on) { await new Promise((resolve) => setTimeout(resolve, 10)); }",
      "for (const x of xs) { try { f(x); } catch { setTimeout(f, 10); } }",
      'import { setTimeout as wait } from "node:timers/promises"; do { await wait(1); } while (on);',
      'import * as t from "node:timers/promises"; for (let i = 0; i < 3; i++) await t.setTimeout(1);',
    ],
    kept: [
      "setTimeout(giveUp, 10);",
      "for (const x of xs) await f(x);",
      "for (const x of xs) { class A { later() { setTimeout(f, 1); } } }",
    ],
    home: ["core/retry.ts"],
  },
  {
    name: "only core/dial.ts dials another organisation",
    rule: dialling,
    broken: [
      'import { connect } from "node:net"; connect(443, host);',
      'import { createConnection as open } from "net"; open(443, host);',
      'import { Socket } from "node:net"; new Socket().connect(443);',
      'import * as net from "node:net"; net.connect(443);',
      'import { connect } from "node:tls"; connect({});',
      'import { request } from "node:http"; request(url);',
      'import http from "node:http"; http.get(url);',
      'import { connect } from "node:http2"; connect(url);',
      'import { lookup } from "node:dns/promises"; lookup(host);',
      'import dns from "node:dns"; dns.resolve(host);',
      "await fetch(url);",
      "await globalThis.fetch(url);",
      'import { credentials } from "@grpc/grpc-js"; new XClient(at, credentials.createInsecure());',
    ],
    kept: [
      'import type { Socket } from "node:net"; const f = (s: Socket) => s;',
      'import { createServer } from "node:http"; createServer();',
      'import { isIP } from "node:net"; isIP(host);',
      'import { ServerCredentials } from "@grpc/grpc-js"; ServerCredentials.createInsecure();',
    ],
    home: ["core/dial.ts"],
  },
];

describe("house/only-here", () => {
  const rooms = LEVELS.flat();
  const files = allFiles().filter(
    (file) => isCode(file) && rooms.includes(file.path.split("/")[0] ?? ""),
  );

  for (const { name, rule, broken, kept, home } of CASES) {
    describe(name, () => {
      for (const text of broken) {
        it(`notices ${text}`, () => {
          expect(rule({ path: "outway/some.ts", text })).to.not.deep.equal([]);
          for (const path of home) expect(rule({ path, text }), path).to.deep.equal([]);
        });
      }
      for (const text of kept) {
        it(`allows ${text}`, () => {
          expect(rule({ path: "outway/some.ts", text })).to.deep.equal([]);
        });
      }
      it("holds in every room", () => {
        expect(files.flatMap(rule)).to.deep.equal([]);
      });
    });
  }

  it("lets the dialling function insist on checking, and nothing more", () => {
    const insist = { path: "core/dial.ts", text: "x = { rejectUnauthorized: true };" };
    expect(tlsOptions(insist)).to.deep.equal([]);
    for (const text of ["x = { rejectUnauthorized: false };", "x = { minVersion };"])
      expect(tlsOptions({ path: "core/dial.ts", text })).to.have.lengthOf(1);
  });

  it("lets relay/ speak HTTP over what it is handed, and nothing more", () => {
    const over = 'import { request } from "node:http"; request({ createConnection });';
    expect(dialling({ path: "relay/a.ts", text: over })).to.deep.equal([]);
    for (const text of ['import { connect } from "node:net"; connect(1);', "fetch(url);"])
      expect(dialling({ path: "relay/a.ts", text })).to.have.lengthOf(1);
  });
});
