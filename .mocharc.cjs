// How mocha runs the tests: all of them in the order of their paths, or the files named on the command
// line. (In a .json file "spec" would be added to the named ones.)
const named = process.argv.slice(2).some((argument) => /\.test\.ts$/.test(argument));

module.exports = {
  ...(named ? {} : { spec: ["test/**/*.test.ts"] }),
  sort: true,
  extension: ["ts"],
  "node-option": ["import=tsx"],
  "forbid-only": true,
  timeout: 20_000,
  slow: 2_000,
  reporter: "./test/support/reporter.cjs",
};
