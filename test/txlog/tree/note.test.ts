// Signed notes and checkpoints: the published examples of C2SP and Go, a checkpoint of a public log with the
// co-signatures of public witnesses, and everything that must be refused.
import { expect } from "chai";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import {
  addSignatures,
  cosign,
  formatCheckpoint,
  isOriginOf,
  logOrigin,
  openCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  witnessName,
} from "../../../txlog/tree/checkpoint.js";
import { EMPTY_ROOT } from "../../../txlog/tree/merkle.js";
import {
  noteKey,
  NoteError,
  noteVerifier,
  openNote,
  parseVerifier,
  signNote,
} from "../../../txlog/tree/note.js";

const PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TEXT =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const PETER_LINE =
  "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const ENOCH_LINE =
  "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

const PUBLIC_LOG =
  "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f";
const PUBLIC_WITNESSES = [
  "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
  "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
  "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
];
const PUBLIC_CHECKPOINT = `arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
`;

/** An Ed25519 key from its 32 bytes. */
const keyFrom = (seed: Buffer) =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]),
    format: "der",
    type: "pkcs8",
  });

const newKey = (name: string, type: 1 | 4 = 1) =>
  noteKey(name, generateKeyPairSync("ed25519").privateKey, type);

const kindOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof NoteError) return error.kind;
    throw error;
  }
  return "accepted";
};

describe("Signed notes", () => {
  const peter = parseVerifier(PETER);
  const enoch = parseVerifier(ENOCH);

  it("are read and written as Go's, to the byte", () => {
    const note = `${TEXT}\n${PETER_LINE}${ENOCH_LINE}`;
    const opened = openNote(note, [peter, enoch]);
    expect(opened.text).to.equal(TEXT);
    expect(opened.signatures.map(({ verifier }) => verifier.name)).to.deep.equal([
      "PeterNeumann",
      "EnochRoot",
    ]);
    expect(opened.unknown).to.deep.equal([]);
    // EnochRoot's key is the one of 32 zero bytes.
    const key = noteKey("EnochRoot", keyFrom(Buffer.alloc(32)));
    expect(key.vkey).to.equal(ENOCH);
    expect(signNote(TEXT, [key])).to.equal(`${TEXT}\n${ENOCH_LINE}`);
  });

  it("give lines by other keys apart, and count each key once", () => {
    const opened = openNote(`${TEXT}\n${PETER_LINE}${ENOCH_LINE}${PETER_LINE}`, [peter]);
    expect(opened.signatures).to.have.length(1);
    expect(opened.unknown.map(({ name, id }) => [name, id])).to.deep.equal([
      ["EnochRoot", 0xaf0cfe78],
    ]);
  });

  it("of C2SP's example verify", () => {
    const key = parseVerifier(
      "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    );
    const note =
      "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    expect(openNote(note, [key]).text).to.equal("This is an example message.\n");
  });

  for (const [what, note, kind] of [
    ["no known signature", `${TEXT}\n${ENOCH_LINE}`, "unsigned"],
    ["another text", `${TEXT.replace("you", "You")}\n${PETER_LINE}`, "signature-wrong"],
    ["another signature", `${TEXT}\n${PETER_LINE.replace("ZJk", "ZJl")}`, "signature-wrong"],
    [
      "one right and one wrong signature",
      `${TEXT}\n${PETER_LINE}${PETER_LINE.replace("ZJk", "ZJl")}`,
      "signature-wrong",
    ],
    ["no signatures", TEXT, "malformed"],
    ["no empty line", `${TEXT}${PETER_LINE}`, "malformed"],
    ["no newline at the end", `${TEXT}\n${PETER_LINE.trimEnd()}`, "malformed"],
    ["a tab in its text", `a\tb\n\n${PETER_LINE}`, "malformed"],
    ["a carriage return", `${TEXT}\r\n\n${PETER_LINE}`, "malformed"],
    ["a hyphen for the dash", `${TEXT}\n${PETER_LINE.replace("—", "-")}`, "malformed"],
    ["two spaces", `${TEXT}\n${PETER_LINE.replace("— ", "—  ")}`, "malformed"],
    ["base64 without padding", `${TEXT}\n${PETER_LINE.replace("=", "")}`, "malformed"],
    ["base64 in another form", `${TEXT}\n${PETER_LINE.replace("nAM=", "nAN=")}`, "malformed"],
    ["a plus in a name", `${TEXT}\n${PETER_LINE.replace("PeterN", "Peter+N")}`, "malformed"],
    ["a signature without bytes", `${TEXT}\n${PETER_LINE}— PeterNeumann x08gow==\n`, "malformed"],
    ["a lone surrogate", `\ud800\n\n${PETER_LINE}`, "malformed"],
    ["over a hundred signatures", `${TEXT}\n${PETER_LINE.repeat(101)}`, "malformed"],
    ["a million bytes", `${"a".repeat(1_000_000)}\n\n${PETER_LINE}`, "malformed"],
    ["nothing at all", "", "malformed"],
  ] as const) {
    it(`are refused with ${what}`, () => {
      expect(kindOf(() => openNote(note, [peter]))).to.equal(kind);
    });
  }

  it("have keys that are refused in any other form", () => {
    const whole = Buffer.from(PETER);
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) + 1;
      expect(kindOf(() => parseVerifier(changed.toString()))).to.equal("malformed");
      expect(kindOf(() => parseVerifier(PETER.slice(0, at)))).to.equal("malformed");
    }
    expect(kindOf(() => parseVerifier(`${PETER} `))).to.equal("malformed");
    const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey;
    expect(() => noteVerifier("name", rsa)).to.throw(TypeError);
    for (const name of ["", "a b", "a+b", "a\u2003b", "a\nb"]) {
      expect(() => newKey(name)).to.throw(TypeError);
    }
  });
});

describe("Checkpoints", () => {
  const log = newKey(logOrigin("group", "00000000000000000001"));
  const witness = newKey(witnessName("group", "00000000000000000002"), 4);
  const checkpoint = { origin: log.name, size: 5, root: EMPTY_ROOT };
  const note = signCheckpoint(checkpoint, log);
  const keys = { log, witnesses: [witness] };

  it("of a public log verify, with the time at which public witnesses saw it", () => {
    const {
      checkpoint: found,
      cosignatures,
      unknown,
    } = openCheckpoint(PUBLIC_CHECKPOINT, {
      log: parseVerifier(PUBLIC_LOG),
      witnesses: PUBLIC_WITNESSES.map(parseVerifier),
    });
    expect([found.origin, found.size]).to.deep.equal([
      "arche2025h1.staging.ct.transparency.dev",
      1_432_088_532,
    ]);
    expect(cosignatures.map(({ name }) => name).sort()).to.deep.equal([
      "remora.n621.de",
      "witness.stagemole.eu",
      "witness1.smartit.nu/witness1",
    ]);
    expect(new Set(cosignatures.map(({ time }) => time))).to.deep.equal(new Set([0x6a122120]));
    expect(unknown).to.have.length(2);
    const other = PUBLIC_CHECKPOINT.replace("1432088532", "1432088533");
    expect(
      kindOf(() => openCheckpoint(other, { log: parseVerifier(PUBLIC_LOG), witnesses: [] })),
    ).to.equal("signature-wrong");
  });

  it("are signed, co-signed and opened again", () => {
    expect(formatCheckpoint(checkpoint)).to.equal(
      `${log.name}\n5\n${EMPTY_ROOT.toString("base64")}\n`,
    );
    const line = cosign(note, witness, 1_700_000_000);
    const both = addSignatures(addSignatures(note, [line]), [line]);
    expect(both).to.equal(note + line);
    expect(openCheckpoint(both, keys)).to.deep.equal({
      checkpoint,
      cosignatures: [{ name: witness.name, time: 1_700_000_000 }],
      unknown: [],
    });
  });

  it("are opened by the key before, when the log's key was replaced", () => {
    const newer = newKey(log.name);
    expect(openCheckpoint(note, { log: [newer, log], witnesses: [] }).checkpoint.size).to.equal(5);
    expect(kindOf(() => openCheckpoint(note, { log: newer, witnesses: [] }))).to.equal("unsigned");
  });

  it("name an origin for each epoch, which the log's key may sign, and no other", () => {
    expect(logOrigin("g", "p")).to.equal("schakel/g/p");
    expect(logOrigin("g", "p", 3)).to.equal("schakel/g/p/3");
    expect(logOrigin("g", "a+b%")).to.equal("schakel/g/a%2Bb%25");
    for (const [origin, right] of [
      ["schakel/g/p", true],
      ["schakel/g/p/2", true],
      ["schakel/g/p/10", true],
      ["schakel/g/p/1", false],
      ["schakel/g/p/02", false],
      ["schakel/g/p/x", false],
      ["schakel/g/p2", false],
      ["schakel/g", false],
    ] as const) {
      expect(isOriginOf(origin, "schakel/g/p")).to.equal(right);
    }
    const foreign = signCheckpoint({ ...checkpoint, origin: "schakel/group/other" }, log);
    expect(kindOf(() => openCheckpoint(foreign, keys))).to.equal("malformed");
  });

  it("with a witness's signature alone, a wrong co-signature, or a text that is none are refused", () => {
    const text = formatCheckpoint(checkpoint);
    const line = cosign(note, witness, 1_700_000_000);
    expect(kindOf(() => openCheckpoint(`${text}\n${line}`, keys))).to.equal("unsigned");
    const [, , signature = ""] = line.split(" ");
    const late = Buffer.from(signature, "base64");
    late[11] = (late[11] ?? 0) ^ 1;
    const moved = `— ${witness.name} ${late.toString("base64")}\n`;
    expect(kindOf(() => openCheckpoint(note + moved, keys))).to.equal("signature-wrong");
    for (const wrong of [
      `${log.name}\n05\n${EMPTY_ROOT.toString("base64")}\n`,
      `${log.name}\n-1\n${EMPTY_ROOT.toString("base64")}\n`,
      `${log.name}\n9007199254740993\n${EMPTY_ROOT.toString("base64")}\n`,
      `${log.name}\n5\n${EMPTY_ROOT.toString("hex")}\n`,
      `${log.name}\n5\n${EMPTY_ROOT.subarray(1).toString("base64")}\n`,
      `\n5\n${EMPTY_ROOT.toString("base64")}\n`,
      `${log.name}\n5\n`,
      `${log.name}\n5\n${EMPTY_ROOT.toString("base64")}`,
    ]) {
      expect(
        kindOf(() => parseCheckpoint(wrong)),
        JSON.stringify(wrong),
      ).to.equal("malformed");
    }
    expect(parseCheckpoint(`${text}extension\n`).size).to.equal(5);
    expect(kindOf(() => parseCheckpoint(`${text}\nextension\n`))).to.equal("malformed");
    expect(() => cosign(note, log, 1)).to.throw(TypeError);
    expect(() => formatCheckpoint({ ...checkpoint, size: -1 })).to.throw(RangeError);
    expect(() => formatCheckpoint({ ...checkpoint, origin: "a\nb" })).to.throw(RangeError);
  });
});
