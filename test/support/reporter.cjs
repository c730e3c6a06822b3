// mocha's "spec" output, and beside it, where TEST_REPORT names a file, one JSON line an event. The
// lines are written as things happen, so that they tell also of a run that never ends.
const { appendFileSync } = require("node:fs");
const { reporters, Runner } = require("mocha");

const { EVENT_RUN_END, EVENT_TEST_FAIL, EVENT_TEST_PASS, EVENT_TEST_PENDING } = Runner.constants;

/** The reason that test/support/skip.ts left on the test or on a suite around it. */
const reasonOf = (test) => {
  for (let at = test; at !== undefined; at = at.parent)
    if (at.skipReason !== undefined) return at.skipReason;
  return "no reason given";
};

module.exports = class Reporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const path = process.env.TEST_REPORT;
    if (path === undefined) return;
    const tell = (event, test, more) => {
      const line = { event, title: test?.titlePath().join(" › "), ...more };
      appendFileSync(path, `${JSON.stringify(line)}\n`);
    };
    runner.on(EVENT_TEST_PASS, (test) => tell("passed", test));
    runner.on(EVENT_TEST_FAIL, (test, error) => tell("failed", test, { reason: error.message }));
    runner.on(EVENT_TEST_PENDING, (test) => tell("skipped", test, { reason: reasonOf(test) }));
    runner.on(EVENT_RUN_END, () => tell("ended"));
  }
};
