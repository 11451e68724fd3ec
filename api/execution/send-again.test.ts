import { describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import { executorWith, fine } from '../../test/support/executor-with.ts';
import { executionInput, hydratedInstall } from '../../test/support/hydrated-install.ts';
import type { RunnerAnswer } from './runner-client.ts';

describe('an execution', () => {
  describe('with another runner beside its own', () => {
    const away = new PlatformError('RUNNER_UNAVAILABLE', 'away');
    const said = (runnerCode: string) =>
      new PlatformError('RUNNER_BUSY', 'refused', { details: { runnerCode, runnerStatus: 503 } });
    const lost = new PlatformError('OUTCOME_UNKNOWN', 'lost');
    const install = hydratedInstall();
    /** The first runner fails with this, the second does what it is told. */
    const withTwo = (first: Error, second: () => Promise<RunnerAnswer> = () => Promise.resolve(fine)) =>
      executorWith((runner) => (runner === 'other' ? second() : Promise.reject(first)), undefined, 32, 32, [
        'other',
      ]);
    const retryable = { ...executionInput(), retryable: true };

    it.each([
      ['could not be reached', away],
      ['was busy', said('RUNNER_BUSY')],
      ['drains', said('RUNNER_DRAINING')],
    ])('goes there when its own %s, with a token of its own, and has one row', async (_how, err) => {
      const { executor, sent, rows } = withTwo(err);
      expect(await executor.run(install, executionInput())).toMatchObject({ ok: true });
      expect(sent.map(({ runner }) => runner)).toEqual([install.tenantId, 'other']);
      expect(new Set(sent.map(({ token }) => token)).size).toBe(2);
      await executor.drain();
      expect([...rows.values()]).toEqual(['succeeded']);
    });

    it.each([
      ['a 503 that is not the word of a runner', said('SOMETHING')],
      ['what is said of its tenant', new PlatformError('CONCURRENCY_LIMITED', 'too many')],
      ['a loss, after which the guest may have begun', lost],
    ])('does not go there after %s', async (_what, err) => {
      const { executor, sent } = withTwo(err);
      await expect(executor.run(install, executionInput())).rejects.toBe(err);
      expect(sent).toHaveLength(1);
    });

    it('is sent there after a loss where its endpoint says that this does no harm', async () => {
      const { executor, sent, rows } = withTwo(lost);
      expect(await executor.run(install, retryable)).toMatchObject({ ok: true });
      expect(sent).toHaveLength(2);
      await executor.drain();
      expect([...rows.values()]).toEqual(['succeeded']);
    });

    it('is not sent there again when its guest failed, whatever the endpoint says', async () => {
      const error = { code: 'GUEST_TRAPPED', message: 'trapped' };
      const { executor, sent } = executorWith(
        () => Promise.resolve({ ...fine, answer: { ...fine.answer, status: 502, error } }),
        ...([undefined, 32, 32, ['other']] as const),
      );
      expect(await executor.run(install, retryable)).toMatchObject({ ok: false, code: 'GUEST_TRAPPED' });
      expect(sent).toHaveLength(1);
    });

    it.each<[string, () => Promise<RunnerAnswer>]>([
      ['cannot be reached', () => Promise.reject(away)],
      [
        'cannot load it',
        () =>
          Promise.resolve({
            ...fine,
            answer: { ...fine.answer, status: 503, error: { code: 'BUNDLE_UNAVAILABLE', message: '' } },
          }),
      ],
    ])('is not said to have not run after a loss when the other %s', async (_how, second) => {
      const { executor, sent } = withTwo(lost, second);
      await expect(executor.run(install, retryable)).rejects.toBe(lost);
      expect(sent).toHaveLength(2);
    });

    it('is not sent again once so many were that an outage would double the load', async () => {
      const { executor, sent } = withTwo(away, () => Promise.reject(away));
      const calls = 800;
      for (let call = 0; call < calls; call += 1) {
        await expect(executor.run(hydratedInstall(), executionInput())).rejects.toBe(away);
      }
      const again = sent.length - calls;
      expect(again).toBeLessThan(512 + calls / 5 + 1);
      expect(again).toBeGreaterThan(512);
    });
  });

  it('goes to the successor of the only runner, which drains, at the same address', async () => {
    const drains = new PlatformError('RUNNER_BUSY', 'x', { details: { runnerCode: 'RUNNER_DRAINING' } });
    const { executor, sent } = executorWith(() =>
      sent.length === 1 ? Promise.reject(drains) : Promise.resolve(fine),
    );
    expect(await executor.run(hydratedInstall(), executionInput())).toMatchObject({ ok: true });
    expect(new Set(sent.map(({ runner }) => runner)).size).toBe(1);
    expect(sent).toHaveLength(2);
  });
});
