// Settings: every kind with what it refuses, and all mistakes at once.
import { expect } from "chai";
import * as setting from "../../core/settings.js";

const about = { text: "A setting." };

interface KindCase {
  readonly name: string;
  readonly kind: setting.Setting<unknown>;
  readonly refused: readonly string[];
  readonly taken: readonly (readonly [text: string, value: unknown])[];
}

const KINDS: readonly KindCase[] = [
  {
    name: "text",
    kind: setting.text("NAME", about),
    refused: ["", "a\nb", "a\u0000", "a\u001b[31m", "a".repeat(1001)],
    taken: [["a b é", "a b é"]],
  },
  {
    name: "componentName",
    kind: setting.componentName(about),
    refused: ["", "a b", "a/b", "..", "a".repeat(101)],
    taken: [["inway-1", "inway-1"]],
  },
  {
    name: "path",
    kind: setting.path("FILE", about),
    refused: ["", "a\0b"],
    taken: [["/a b", "/a b"]],
  },
  {
    name: "address",
    kind: setting.address(about),
    refused: ["", "443", "a", "a:70000", "0x7f.1:80", "010.0.0.1:80", "[::1]"],
    taken: [["A.nl:443", { host: "a.nl", port: 443 }]],
  },
  {
    name: "loopbackAddress",
    kind: setting.loopbackAddress(about),
    refused: ["0.0.0.0:80", "10.0.0.1:80", "[::]:80", "localhost.a.nl:80", "127.a.nl:80"].concat([
      "127.1:80",
      "127.0.0.1.a.nl:80",
      "[::ffff:127.0.0.1]:80",
      "128.0.0.1:80",
      "a:80",
    ]),
    taken: [
      ["localhost:80", { host: "localhost", port: 80 }],
      ["127.0.0.2:80", { host: "127.0.0.2", port: 80 }],
      ["[::1]:0", { host: "::1", port: 0 }],
    ],
  },
  {
    name: "integer",
    kind: setting.integer(1, 1000, about),
    refused: [
      "",
      "0",
      "1001",
      "-1",
      "+1",
      "1.0",
      "1e2",
      "0x10",
      "01",
      " 1",
      "NaN",
      "Infinity",
      "٣",
    ],
    taken: [
      ["1", 1],
      ["1000", 1000],
    ],
  },
  {
    name: "duration",
    kind: setting.duration(about),
    refused: [
      "",
      "0",
      "0s",
      "0ms",
      "10",
      "s",
      "-1s",
      "1.5s",
      "1 s",
      "1d",
      "1S",
      "01s",
      "501h",
      "999999999h",
    ],
    taken: [
      ["1ms", 1],
      ["30s", 30_000],
      ["5m", 300_000],
      ["72h", 259_200_000],
      ["500h", 1.8e9],
    ],
  },
  {
    name: "bytes",
    kind: setting.bytes(about),
    refused: ["", "0", "0KiB", "-1", "1.5MiB", "1KB", "1k", "1 KiB", "1025GiB", "999999999999GiB"],
    taken: [
      ["1", 1],
      ["64KiB", 65_536],
      ["1MiB", 1_048_576],
      ["2GiB", 2_147_483_648],
    ],
  },
  {
    name: "hostName",
    kind: setting.hostName(about),
    refused: ["", "a.", ".a", "a_b", "1.2.3.4", "a:80", "*.a"],
    taken: [["Schakel.Localhost", "schakel.localhost"]],
  },
  {
    name: "choice",
    kind: setting.choice(["info", "debug"], about),
    refused: ["", "INFO", "info ", "trace", "toString"],
    taken: [["debug", "debug"]],
  },
  {
    name: "toggle",
    kind: setting.toggle("A switch."),
    refused: ["", "1", "0", "yes", "on", "TRUE", "True"],
    taken: [
      ["true", true],
      ["false", false],
    ],
  },
  {
    name: "hostTable",
    kind: setting.hostTable(about),
    refused: ["a", "a=", "=1.2.3.4", "a=b", "a=1.2.3", "a=1.2.3.4=5", "a=1.2.3.4,", ",a=1.2.3.4"]
      .concat(["a=1.2.3.4,a=1.2.3.4", "a=1.2.3.4,A=::1", "a=010.0.0.1", "a=[::1]", "a b=1.2.3.4"])
      .concat(["1.2.3.4=1.2.3.4", "a=1.2.3.4, b=1.2.3.4"]),
    taken: [
      ["", new Map()],
      [
        "A.nl=1.2.3.4,b=::1",
        new Map([
          ["a.nl", "1.2.3.4"],
          ["b", "::1"],
        ]),
      ],
    ],
  },
];

const TABLE = {
  listen: setting.address({ text: "Where.", default: "127.0.0.1:80" }),
  key: setting.path("FILE", { text: "The key." }),
  note: setting.optional(setting.text("TEXT", { text: "A note." })),
  keepHost: setting.toggle("Keeps."),
  headBytesMax: setting.bytes({ text: "How large.", default: "64KiB" }),
};

const read = (
  flags: Readonly<Record<string, string | boolean>>,
  env: NodeJS.ProcessEnv,
): setting.SettingsOf<typeof TABLE> => setting.readSettings("inway", TABLE, flags, env);

const mistakes = (
  flags: Readonly<Record<string, string | boolean>>,
  env: NodeJS.ProcessEnv,
): readonly string[] => {
  try {
    read(flags, env);
  } catch (error) {
    if (error instanceof setting.SettingsError) return error.mistakes;
    throw error;
  }
  return [];
};

describe("core/settings", () => {
  for (const { name, kind, refused, taken } of KINDS) {
    describe(name, () => {
      for (const text of refused) {
        it(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
          expect(kind.parse(text)).to.equal(undefined);
        });
      }
      for (const [text, value] of taken) {
        it(`takes ${JSON.stringify(text)}`, () => {
          expect(kind.parse(text)).to.deep.equal(value);
        });
      }
    });
  }

  it("names a command that exists for the settings of commands that talk to the manager", () => {
    expect(() => setting.readSettings("cli", {}, {}, { SCHAKEL_CLI_USR: "x" })).to.throw(
      "SCHAKEL_CLI_USR: there is no setting with this name; 'schakel service list --help' lists them",
    );
  });

  it("reports every mistake at once, each with what was found and what is allowed", () => {
    const env = {
      SCHAKEL_INWAY_HEAD_BYTES_MAX: "big",
      SCHAKEL_INWAY_KEEP_HOST: "yes",
      SCHAKEL_INWAY_LISTENS: "a:1",
      SCHAKEL_INWAYS_KEY: "x",
      SCHAKEL_: "x",
      SCHAKEL: "not ours",
    };
    expect(mistakes({ listen: "nowhere" }, env)).to.have.members([
      "SCHAKEL_INWAY_LISTENS: there is no setting with this name; 'schakel inway --help' lists them",
      "SCHAKEL_INWAYS_KEY: there is no setting with this name; 'schakel inway --help' lists them",
      "SCHAKEL_: there is no setting with this name; 'schakel inway --help' lists them",
      '--listen: found "nowhere", allowed is HOST:PORT, with a port from 0 to 65535',
      "--key is missing (or SCHAKEL_INWAY_KEY): a path",
      'SCHAKEL_INWAY_KEEP_HOST: found "yes", allowed is true or false',
      'SCHAKEL_INWAY_HEAD_BYTES_MAX: found "big", allowed is a size such as 65536, 64KiB or 1MiB, from 1 to 1024GiB',
    ]);
  });

  for (const name of ["SCHAKEL_TEST", "SCHAKEL_INWAY", "SCHAKEL_INWAY_", "SCHAKEL_MANAGERS_KEY"]) {
    it(`refuses the environment variable ${name}`, () => {
      expect(mistakes({ key: "k" }, { [name]: "x" })).to.have.lengthOf(1);
    });
  }

  it("takes an empty variable for a mistake, not for an absent one", () => {
    expect(mistakes({}, { SCHAKEL_INWAY_KEY: "" })).to.have.lengthOf(1);
  });

  it("does not fall back to the environment or the default when a flag is wrong", () => {
    expect(mistakes({ key: "k", listen: "x" }, { SCHAKEL_INWAY_LISTEN: "a:1" })).to.have.lengthOf(
      1,
    );
  });

  it("lets a flag win over the environment, and that over the default", () => {
    const env = { SCHAKEL_INWAY_LISTEN: "b:2", SCHAKEL_INWAY_KEY: "from-env" };
    expect(read({ listen: "a:1" }, env).listen).to.deep.equal({ host: "a", port: 1 });
    expect(read({}, env).listen).to.deep.equal({ host: "b", port: 2 });
    expect(read({ key: "k" }, {}).listen).to.deep.equal({ host: "127.0.0.1", port: 80 });
  });

  it("takes a switch that was given, and leaves out an optional setting that was not", () => {
    const values = read({ key: "k", keepHost: true }, {});
    expect(values.keepHost).to.equal(true);
    expect(values.note).to.equal(undefined);
    expect(read({ key: "k" }, {}).keepHost).to.equal(false);
  });

  it("leaves the variables of other Schakel processes alone", () => {
    const env = { SCHAKEL_OUTWAY_LISTEN: "x", SCHAKEL_DIRECTORY_WHATEVER: "x", PATH: "x" };
    expect(mistakes({ key: "k" }, env)).to.deep.equal([]);
  });

  it("freezes the values", () => {
    expect(Object.isFrozen(read({ key: "k" }, {}))).to.equal(true);
  });
});
