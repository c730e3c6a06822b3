// How much a test run does: `npm test` a sample, `npm run test:long` the larger numbers. Both are seeded.

/** Whether this is the long run. */
export const long = process.env["TEST_LONG"] === "1";

/** Where all that is random in a run begins; TEST_SEED sets it. A test that uses it says so in its title. */
export const seed = Number(process.env["TEST_SEED"] ?? "1");
