import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';

// Everything that must hold, cheap things first. All of it runs, so that one round shows every fault.

interface Outcome {
  passed: number;
  failed: number;
}

const results = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numRuntimeErrorTestSuites: z.int(),
});

function runScript(name: string, args: readonly string[] = []): boolean {
  console.log(`\n> ${name}`);
  const startedAt = performance.now();
  const { status } = spawnSync(
    'npm',
    ['run', '--silent', name, ...(args.length > 0 ? ['--', ...args] : [])],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${name}: ${status === 0 ? 'passed' : 'FAILED'} in ${seconds} s`);
  return status === 0;
}

function check(name: string): Outcome {
  return runScript(name) ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

function tests(): Outcome {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'alga-check-'));
  const file = path.join(folder, 'results.json');
  try {
    const succeeded = runScript('test', ['--json', `--outputFile=${file}`]);
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = results.parse(
      JSON.parse(readFileSync(file, 'utf8')),
    );
    const failed = numFailedTests + numRuntimeErrorTestSuites;
    // A run may fail without a failing test, in its set-up for one.
    return { passed: numPassedTests, failed: succeeded ? failed : Math.max(failed, 1) };
  } catch (cause) {
    console.error('the tests left no results', cause);
    return { passed: 0, failed: 1 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const startedAt = performance.now();
const outcomes = [
  check('lint:commit'),
  check('format:check'),
  check('lint'),
  check('lint:unused'),
  check('types'),
  tests(),
];
const total = (key: keyof Outcome): number => outcomes.reduce((sum, outcome) => sum + outcome[key], 0);
console.log(
  `\neverything in ${Math.round((performance.now() - startedAt) / 1000)} s; a check counts as one test`,
);
console.log(`${total('passed')} passed, ${total('failed')} failed`);
process.exitCode = total('failed') === 0 ? 0 : 1;
