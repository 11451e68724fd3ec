import { describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import { CAPABILITY_NAMES, capabilityEntry } from '../../core/capabilities.ts';
import { runnerAnnouncement, type RunnerAnnouncement } from '../../core/execute.ts';
import { createLogger } from '../../platform/logger.ts';
import { createAnnouncements } from './announcements.ts';

const FIRST = runnerAnnouncement.parse({ status: 'ready' });
const MORE: RunnerAnnouncement = {
  limits: [...FIRST.limits, 'fuel'],
  capabilities: [...FIRST.capabilities, 'http.fetch'],
};

/** A runner that says what it is told to; an answer of undefined is none. */
function setup(first: RunnerAnnouncement | undefined = FIRST) {
  const runner = { says: first as RunnerAnnouncement | undefined, asked: 0 };
  const clock = { ms: 0 };
  const log: Record<string, unknown>[] = [];
  const logger = createLogger(
    { level: 'debug', process: 'gateway' },
    { write: (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const announcements = createAnnouncements({
    ask: () => {
      runner.asked += 1;
      return runner.says === undefined
        ? Promise.reject(new PlatformError('RUNNER_UNAVAILABLE', 'away'))
        : Promise.resolve(runner.says);
    },
    logger,
    now: () => clock.ms,
  });
  return { announcements, runner, clock, log };
}

/** What has been answered and asked by now has had its turn. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('what a runner announced', () => {
  it('is asked once for calls that come together, and is then at hand', async () => {
    const { announcements, runner } = setup();
    const both = [announcements.current(), announcements.current()];
    expect(await Promise.all(both.map((one) => Promise.resolve(one)))).toEqual([FIRST, FIRST]);
    expect(announcements.current()).toBe(FIRST);
    expect(runner.asked).toBe(1);
  });

  it('is asked again beside the calls while they keep coming, so that none waits and an upgrade is seen', async () => {
    const { announcements, runner, clock } = setup();
    await announcements.current();
    runner.says = MORE;
    clock.ms = 5_000;
    expect(announcements.current()).toBe(FIRST);
    await settled();
    expect(announcements.current()).toBe(MORE);
    expect(runner.asked).toBe(2);
  });

  it('is asked before the first call after a pause', async () => {
    const { announcements, runner, clock } = setup();
    await announcements.current();
    runner.says = MORE;
    clock.ms = 10_000;
    expect(await announcements.current()).toBe(MORE);
  });

  it('stays as it was while the runner is away, and is not asked at every call', async () => {
    const { announcements, runner, clock } = setup();
    await announcements.current();
    runner.says = undefined;
    clock.ms = 60_000;
    expect(await announcements.current()).toBe(FIRST);
    expect(announcements.current()).toBe(FIRST);
    expect(runner.asked).toBe(2);
  });

  it('of a runner that was never heard is that it cannot be reached, each time anew', async () => {
    const { announcements, runner } = setup();
    runner.says = undefined;
    await expect(announcements.current()).rejects.toMatchObject({ code: 'RUNNER_UNAVAILABLE' });
    runner.says = FIRST;
    expect(await announcements.current()).toBe(FIRST);
  });

  it('is asked at once when it refused what it had announced', async () => {
    const { announcements, runner } = setup(MORE);
    await announcements.current();
    runner.says = FIRST;
    expect(await announcements.renewed()).toBe(FIRST);
    expect(announcements.current()).toBe(FIRST);
  });

  it('that was asked for before it refused is not what it says now', async () => {
    const answers = [
      Promise.withResolvers<RunnerAnnouncement>(),
      Promise.withResolvers<RunnerAnnouncement>(),
    ];
    let asked = 0;
    const announcements = createAnnouncements({
      ask: () => (answers[asked++] as (typeof answers)[0]).promise,
      logger: createLogger({ level: 'silent', process: 'gateway' }),
      now: () => 0,
    });
    const before = announcements.current();
    const after = [announcements.renewed(), announcements.renewed()];
    answers[0]?.resolve(FIRST);
    expect(await before).toBe(FIRST);
    answers[1]?.resolve(MORE);
    expect(await Promise.all(after)).toEqual([MORE, MORE]);
    expect(asked).toBe(2);
  });

  it('is told to operators when it changes, with what installs may be granted in vain', async () => {
    const all: RunnerAnnouncement = {
      ...FIRST,
      capabilities: CAPABILITY_NAMES.filter((name) => capabilityEntry(name).provided),
    };
    const { announcements, runner, log } = setup(all);
    await announcements.renewed();
    await announcements.renewed();
    expect(log).toHaveLength(1);
    runner.says = { ...all, capabilities: all.capabilities.filter((name) => name !== 'storage.kv') };
    await announcements.renewed();
    expect(log.at(-1)).toMatchObject({ level: 'warn', missing: ['storage.kv'] });
  });
});
