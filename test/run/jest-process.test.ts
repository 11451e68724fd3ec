import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { FileOutcome } from './jest-messages.ts';
import { runJestProcess } from './jest-process.ts';

const FOLDER = 'test/run/fixtures';
const fixture = (name: string): string => path.join(FOLDER, `${name}.fixture.js`);

async function runFixtures(names: readonly string[], stop = new AbortController()) {
  const outcomes: FileOutcome[] = [];
  const unreached = await runJestProcess({
    project: 'fixtures',
    config: path.join(FOLDER, 'jest.config.js'),
    files: names.map(fixture),
    environment: process.env,
    signal: stop.signal,
    endsWithinMs: 1_000,
    onFile: (outcome) => outcomes.push(outcome),
    onTest: ({ test }) => {
      if (test === 'never ends') stop.abort();
    },
  });
  return { unreached, byFile: Object.fromEntries(outcomes.map((outcome) => [outcome.file, outcome])) };
}

describe('a Jest process', () => {
  it('tells how each file went', async () => {
    const { byFile, unreached } = await runFixtures(['sound', 'fails', 'does-not-load']);
    expect(unreached).toEqual([]);
    expect(byFile[fixture('sound')]).toMatchObject({ passed: 1, skipped: ['is passed over'], failures: [] });
    expect(byFile[fixture('fails')]).toMatchObject({
      passed: 0,
      failures: [{ test: 'fails', text: expect.stringContaining('Expected: 2') }],
      printed: ['said before'],
    });
    expect(byFile[fixture('does-not-load')]).toMatchObject({
      passed: 0,
      failures: [{ test: '(the file as a whole)', text: expect.stringContaining('thrown while loading') }],
    });
  });

  it('that dies tells in which test, and which files it did not come to', async () => {
    const names = ['dies', 'sound', 'fails'];
    const { byFile, unreached } = await runFixtures(names);
    const reached = Object.keys(byFile);
    expect(byFile[fixture('dies')]).toMatchObject({
      failures: [{ test: 'ends its process', text: expect.stringContaining('SIGKILL') }],
    });
    expect([...reached, ...unreached].sort()).toEqual(names.map(fixture).sort());
  });

  it('that is stopped tells which test hung', async () => {
    const { byFile } = await runFixtures(['hangs']);
    expect(byFile[fixture('hangs')]).toMatchObject({
      failures: [{ test: 'never ends', text: expect.stringContaining('it hung or was still at work') }],
    });
  });

  it('that does not end after its last test fails for what it leaves', async () => {
    const { byFile } = await runFixtures(['leaves-open']);
    expect(byFile[fixture('leaves-open')]).toMatchObject({
      passed: 1,
      failures: [{ test: '(what it leaves)', text: expect.stringContaining('something is left open') }],
    });
  });
});
