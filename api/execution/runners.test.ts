import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { createLogger } from '../../platform/logger.ts';
import { eventually } from '../../test/support/eventually.ts';
import { startFakeRunner, type FakeRunner } from '../../test/support/fake-runner.ts';
import { createRunners, type Runner, type Runners } from './runners.ts';

const logger = createLogger({ level: 'silent', process: 'gateway' });
const serviceToken = new SecretValue('service');

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

async function startTwo(): Promise<{ fakes: [FakeRunner, FakeRunner]; runners: Runners }> {
  const fakes = [await startFakeRunner(), await startFakeRunner()] as [FakeRunner, FakeRunner];
  const runners = createRunners(
    fakes.map(({ url }) => ({ baseUrl: url, isName: false, serviceToken })),
    logger,
  );
  cleanups.push(() => runners.close(), ...fakes.map((fake) => () => fake.close()));
  return { fakes, runners };
}

/** A tenant whose calls go to that runner. */
function tenantOf(runners: Runners, baseUrl: string): string {
  for (;;) {
    const tenantId = randomUUID();
    if (runners.pick(tenantId, 'hash')?.audience === baseUrl) return tenantId;
  }
}

const picked = (runners: Runners, tenantId: string): string | undefined =>
  runners.pick(tenantId, 'hash')?.audience;

describe('of several runners', () => {
  it('one that says it drains gets nothing new, until it is ready again', async () => {
    const { fakes, runners } = await startTwo();
    const [first, second] = fakes;
    const tenantId = tenantOf(runners, first.url);
    first.unready = 'draining';
    await eventually(() => expect(picked(runners, tenantId)).toBe(second.url));
    first.unready = undefined;
    await eventually(() => expect(picked(runners, tenantId)).toBe(first.url));
  });

  it('one that cannot be reached, and one that refused because it drains, are passed over from then on', async () => {
    const { fakes, runners } = await startTwo();
    const [first, second] = fakes;
    const tenantId = tenantOf(runners, first.url);
    const away = new PlatformError('RUNNER_UNAVAILABLE', 'away');
    const drains = new PlatformError('RUNNER_BUSY', 'x', { details: { runnerCode: 'RUNNER_DRAINING' } });
    for (const err of [away, drains]) {
      await eventually(() => expect(picked(runners, tenantId)).toBe(first.url));
      runners.pick(tenantId, 'hash')?.failedWith(err);
      expect(picked(runners, tenantId)).toBe(second.url);
    }
  });

  it('one that only was busy stays where its tenants go', async () => {
    const { fakes, runners } = await startTwo();
    const tenantId = tenantOf(runners, fakes[0].url);
    const busy = new PlatformError('RUNNER_BUSY', 'x', { details: { runnerCode: 'RUNNER_BUSY' } });
    const runner = runners.pick(tenantId, 'hash') as Runner;
    runner.failedWith(busy);
    expect(picked(runners, tenantId)).toBe(fakes[0].url);
    expect(runners.pick(tenantId, 'hash', new Set([runner]))?.audience).toBe(fakes[1].url);
  });
});

describe('a name', () => {
  const ANSWERS: Record<string, string[] | undefined> = {};
  let asked = 0;
  const resolve = (name: string): Promise<string[]> => {
    const found = ANSWERS[name];
    asked += 1;
    return found ? Promise.resolve(found) : Promise.reject(new Error('no answer'));
  };

  it('stands for all that it resolves to, each with an address of its own, and is asked again', async () => {
    ANSWERS['runners.test'] = ['127.0.0.2', '127.0.0.1', 'fd00::1'];
    const address = { baseUrl: 'http://runners.test:1/private/', isName: true, serviceToken };
    const runners = createRunners([address], logger, resolve);
    cleanups.push(() => runners.close());
    const all = (): Set<string | undefined> =>
      new Set(Array.from({ length: 200 }, () => picked(runners, randomUUID())));
    expect(all()).toEqual(new Set([undefined])); // it is not known yet
    const [one, two] = ['http://127.0.0.1:1/private', 'http://127.0.0.2:1/private'];
    await eventually(() => expect(all()).toEqual(new Set([one, two, 'http://[fd00::1]:1/private'])));
    ANSWERS['runners.test'] = ['127.0.0.1'];
    await eventually(() => expect(all()).toEqual(new Set([one])));
    ANSWERS['runners.test'] = undefined;
    const before = asked;
    await eventually(() => expect(asked).toBe(before + 2)); // the first was in vain
    expect(all()).toEqual(new Set([one])); // what was known stays
  });
});
