import { PlatformError } from '../../core/errors.ts';

/** Tokens remembered at most; more executions within one token's life than a runner can do. */
const MAX_TOKENS = 200_000;

/** Refuses a token that was used before: one attempt, one token. Throws TOKEN_INVALID, or RUNNER_BUSY when it can remember no more. */
export function createSeenTokens(
  now: () => number,
  max = MAX_TOKENS,
): (token: { jti: string; exp: number }) => void {
  const seen = new Map<string, number>();
  let sweepAt = 0;

  const sweep = (seconds: number): void => {
    for (const [jti, exp] of seen) if (exp < seconds) seen.delete(jti);
    sweepAt = seconds + 10;
  };

  return ({ jti, exp }) => {
    const seconds = now() / 1000;
    if (seconds >= sweepAt) sweep(seconds);
    if (seen.has(jti)) throw new PlatformError('TOKEN_INVALID', 'the execution token was used before');
    if (seen.size >= max)
      throw new PlatformError('RUNNER_BUSY', 'too many executions within the life of a token');
    seen.set(jti, exp);
  };
}
