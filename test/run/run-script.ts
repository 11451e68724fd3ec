import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';

const ROOT = path.resolve(import.meta.dirname, '../..');

export interface ScriptOutcome {
  name: string;
  succeeded: boolean;
  seconds: number;
  output: string;
}

/** Runs a script of package.json to its end. */
export async function runScript(name: string, environment: NodeJS.ProcessEnv): Promise<ScriptOutcome> {
  const startedAt = performance.now();
  const child = spawn('npm', ['run', '--silent', name], {
    cwd: ROOT,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<unknown[]>,
  ]);
  const seconds = (performance.now() - startedAt) / 1000;
  return { name, succeeded: code === 0, seconds, output: stdout + stderr };
}
