import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { FAILURE_CONVERTER_PATH } from '../platform/temporal/data-converter.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const TARGET = path.join(ROOT, 'dist', 'workflow-bundle.js');
/** Everything that can end up in the bundle, and what decides how it is made. */
const SOURCES = ['workflows', 'core', 'platform/temporal', 'scripts/build-workflows.ts', 'package-lock.json'];

export interface BuiltWorkflows {
  /** The file that workers take as WORKFLOW_BUNDLE. */
  file: string;
  rebuilt: boolean;
}

/** Bundles the workflows, unless the bundle there is was made of the same sources. */
export async function buildWorkflows(log: (line: string) => void): Promise<BuiltWorkflows> {
  const hashFile = `${TARGET}.sources`;
  const hash = hashOfSources();
  if (readIfThere(TARGET) !== undefined && readIfThere(hashFile) === hash) {
    return { file: TARGET, rebuilt: false };
  }
  log('bundling the workflows');
  // Loaded only when needed: it brings the SDK's native part and a bundler.
  const { bundleWorkflowCode } = await import('@temporalio/worker');
  const { code } = await bundleWorkflowCode({
    workflowsPath: path.join(ROOT, 'workflows', 'index.ts'),
    failureConverterPath: FAILURE_CONVERTER_PATH,
    logger: { log() {}, trace() {}, debug() {}, info() {}, warn: report, error: report },
  });
  mkdirSync(path.dirname(TARGET), { recursive: true });
  writeWhole(TARGET, code);
  writeWhole(hashFile, hash);
  return { file: TARGET, rebuilt: true };

  function report(message: string): void {
    log(message);
  }
}

function hashOfSources(): string {
  const hash = createHash('sha256');
  for (const file of SOURCES.flatMap((source) => filesBelow(path.join(ROOT, source)))) {
    hash
      .update(`${path.relative(ROOT, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  }
  return hash.digest('hex');
}

function filesBelow(target: string): string[] {
  if (path.extname(target) !== '') return [target];
  return readdirSync(target, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .sort()
    .map((name) => path.join(target, name));
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // not built yet
  }
}

/** A worker that starts meanwhile reads the old one or the new one, never half of it. */
function writeWhole(file: string, text: string): void {
  const partial = `${file}.${process.pid}`;
  writeFileSync(partial, text);
  renameSync(partial, file);
}

if (import.meta.main) {
  const { file, rebuilt } = await buildWorkflows(console.log);
  console.log(`${file} ${rebuilt ? 'is new' : 'is up to date'}`);
}
