const DEADLINE_MS = 60_000;
const PAUSE_MS = 20;

/** Repeats an assertion until it holds; past the deadline it fails as the assertion did. */
export async function eventually<Result>(
  assertion: () => Result | Promise<Result>,
  withinMs = DEADLINE_MS,
): Promise<Result> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    try {
      return await assertion();
    } catch (err) {
      if (Date.now() > deadline) throw err;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
