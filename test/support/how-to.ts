import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { cp, mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { COMPILE_CACHE } from '../../scripts/compile-cache.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** What a compiler or a test run of an earlier round leaves, and spares the next. */
const BUILT = ['dist/types.tsbuildinfo', 'dist/workflow-bundle.js', 'dist/workflow-bundle.js.sources'];
const FENCE = /^```(\S*)(?: title="([^"]+)")?\n([\s\S]*?)^```$/gm;

/** What a reader of a guide does at a block of code; `line` is where its fence opens. */
type GuideStep = { line: number } & (
  | { kind: 'run'; command: string }
  /** `file` may be a pattern for the one file that an earlier step made. */
  | { kind: 'write'; file: string; content: string }
  | { kind: 'apply'; patch: string }
);

/** `sh` blocks are run, `diff` blocks applied, blocks with a title written to the file it names; `text` blocks are only looked at. */
export function readGuide(markdown: string): GuideStep[] {
  return [...markdown.matchAll(FENCE)].flatMap((block): GuideStep[] => {
    const [, language, file, content = ''] = block;
    const line = markdown.slice(0, block.index).split('\n').length;
    if (file !== undefined) return [{ line, kind: 'write', file, content }];
    if (language === 'sh') return [{ line, kind: 'run', command: content }];
    if (language === 'diff') return [{ line, kind: 'apply', patch: content }];
    if (language === 'text') return [];
    throw new Error(`line ${line}: a block of "${language ?? ''}" needs a title, or nobody runs it`);
  });
}

/** A checkout in a temporary folder, as somebody would begin a change in; it shares the packages of this one. */
export async function copyRepository(): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'alga-how-to-'));
  const { stdout } = await promisify(execFile)(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    { cwd: ROOT },
  );
  const files = stdout.split('\0').filter((file) => file !== '' && existsSync(path.join(ROOT, file)));
  const built = BUILT.filter((file) => existsSync(path.join(ROOT, file)));
  for (const file of [...files, ...built]) await cp(path.join(ROOT, file), path.join(folder, file));
  await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  return folder;
}

/** Does every step in order. Throws at the first that fails, with its line and what it said. */
export async function followGuide(
  steps: readonly GuideStep[],
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  for (const step of steps) {
    if (step.kind === 'write') await write(step, folder);
    else {
      const [command, input] = step.kind === 'run' ? [step.command, ''] : ['git apply', step.patch];
      const { code, output } = await run(command, input, folder, environment);
      if (code !== 0)
        throw new Error(`line ${step.line}: ${command.trim()} ended with ${String(code)}\n${output}`);
    }
  }
}

async function write(
  { line, file, content }: Extract<GuideStep, { kind: 'write' }>,
  folder: string,
): Promise<void> {
  const isPattern = file.includes('*');
  const [target, ...others] = isPattern ? globSync(file, { cwd: folder }) : [file];
  if (target === undefined || others.length > 0) {
    throw new Error(
      `line ${line}: ${file} must be one file, and there are ${others.length + (target ? 1 : 0)}`,
    );
  }
  await mkdir(path.dirname(path.join(folder, target)), { recursive: true });
  await writeFile(path.join(folder, target), content);
}

async function run(
  command: string,
  input: string,
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<{ code: unknown; output: string }> {
  const { PATH, HOME } = process.env;
  const child = spawn('bash', ['--norc', '-euo', 'pipefail', '-c', command], {
    cwd: folder,
    env: { PATH, HOME, NODE_COMPILE_CACHE: COMPILE_CACHE, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined); // a command that fails at once reads nothing; how it ended says why
  child.stdin.end(input);
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<unknown[]>,
  ]);
  return { code: code ?? signal, output: stdout + stderr };
}
