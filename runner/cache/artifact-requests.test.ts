import { describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import { createLogger } from '../../platform/logger.ts';
import { eventually } from '../../test/support/eventually.ts';
import { createArtifactRequests } from './artifact-requests.ts';

const hash = (digit: string) => `sha256:${digit.repeat(64)}`;

function setup({ fails = false } = {}) {
  const asked: string[] = [];
  const log: string[] = [];
  let time = 0;
  const ask = createArtifactRequests({
    requestPrecompile: (contentHash) => {
      asked.push(contentHash);
      return fails ? Promise.reject(new PlatformError('GATEWAY_UNAVAILABLE', 'away')) : Promise.resolve();
    },
    logger: createLogger(
      { level: 'info', process: 'runner' },
      { write: (line: string) => void log.push(line) },
    ),
    now: () => time,
  });
  return { ask, asked, log, pass: (ms: number) => (time += ms) };
}

describe('asking for artifacts', () => {
  it('asks for an outdated one once, and for one of them at a time', () => {
    const { ask, asked, pass } = setup();
    ask(hash('a'), 'outdated');
    ask(hash('b'), 'outdated');
    expect(asked).toEqual([hash('a')]);
    pass(10_000);
    ask(hash('a'), 'outdated');
    ask(hash('b'), 'outdated');
    expect(asked).toEqual([hash('a'), hash('b')]);
  });

  it('asks for a missing one at once, and again every half minute while it is missing', () => {
    const { ask, asked, pass } = setup();
    ask(hash('a'), 'outdated');
    ask(hash('b'), 'missing');
    ask(hash('b'), 'missing');
    expect(asked).toEqual([hash('a'), hash('b')]);
    pass(30_000);
    ask(hash('b'), 'missing');
    expect(asked).toEqual([hash('a'), hash('b'), hash('b')]);
  });

  it('forgets the oldest of very many', () => {
    const { ask, asked } = setup();
    for (let n = 0; n <= 10_000; n += 1) ask(`sha256:${String(n).padStart(64, '0')}`, 'missing');
    const first = `sha256:${'0'.repeat(64)}`;
    ask(first, 'missing');
    expect(asked.filter((one) => one === first)).toHaveLength(2);
  });

  it('says that the gateway did not take it', async () => {
    const { ask, log } = setup({ fails: true });
    ask(hash('a'), 'missing');
    await eventually(() => expect(log.join()).toContain('precompile could not be requested'));
  });
});
