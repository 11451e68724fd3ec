import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { COMPILE_CACHE } from './compile-cache.ts';

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

function tests(name: string): Outcome {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'alga-check-'));
  const file = path.join(folder, 'results.json');
  try {
    const succeeded = runScript(name, ['--json', `--outputFile=${file}`]);
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
process.env['NODE_COMPILE_CACHE'] = COMPILE_CACHE; // of hundreds of processes that load the same
// What tests need of others and may have to be compiled: beside checks, most of which use one core.
const programs = spawn('npm', ['run', '--silent', 'obtain-programs'], {
  stdio: ['ignore', 'inherit', 'inherit'],
});
const obtained = once(programs, 'exit');
const outcomes = [
  check('lint:commit'),
  check('format:check'),
  check('lint'),
  check('lint:unused'),
  check('types'),
];
await obtained; // tests that miss one say so themselves
outcomes.push(tests('test'));
outcomes.push(tests('test:containers')); // apart: they have platforms of their own
const total = (key: keyof Outcome): number => outcomes.reduce((sum, outcome) => sum + outcome[key], 0);
console.log(
  `\neverything in ${Math.round((performance.now() - startedAt) / 1000)} s; a check counts as one test`,
);
console.log(`${total('passed')} passed, ${total('failed')} failed`);
process.exitCode = total('failed') === 0 ? 0 : 1;
