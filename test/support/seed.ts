/** What is drawn at random in a run is drawn from it: TEST_SEED, or one that nobody has seen. */
export const SEED = Number(process.env.TEST_SEED ?? Date.now() % 1_000_000_000)
