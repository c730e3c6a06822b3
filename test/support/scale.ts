// How large the numbers of a test run are: a seeded sample in `npm test`, the whole in `npm run test:long`.
const seedOf = (text: string | undefined): number => {
  const seed = Number(text ?? "1");
  if (!Number.isInteger(seed) || seed < 0)
    throw new Error(`TEST_SEED is "${String(text)}", allowed is a whole number`);
  return seed;
};

/** Whether this is the long run (TEST_LONG=1). */
export const long = process.env["TEST_LONG"] === "1";

/** Where random choices begin (TEST_SEED, 1 unless given); shown in the titles of the tests that use it. */
export const seed = seedOf(process.env["TEST_SEED"]);
