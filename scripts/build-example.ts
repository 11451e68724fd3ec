import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { componentize, version as componentizeVersion } from '@bytecodealliance/componentize-js';

const WIT_FOLDER = join(import.meta.dirname, '..', 'wit');
const SOURCE = 'src/main.ts';
/** What of StarlingMonkey an example goes without: there is no `fetch` but through `alga:extension/http`. */
const DISABLED_FEATURES = ['http', 'fetch-event'] as const;

export interface BuildOptions {
  /** Where built components are kept, by the hash of everything they depend on. */
  cacheDir: string;
  /** Parts of StarlingMonkey to leave out; the default suits extensions that import `alga:extension` alone. */
  disableFeatures?: readonly (typeof DISABLED_FEATURES)[number][];
  log?: (line: string) => void;
}

export interface BuiltExample {
  component: Uint8Array;
  /** Everything the bundle holds: manifest.json, entry.wasm, metadata.json, ui/**. */
  files: { path: string; bytes: Uint8Array }[];
  cached: boolean;
}

/** Builds the extension in a folder: `src/main.ts` to a component, beside its manifest and UI. */
export async function buildExample(folder: string, options: BuildOptions): Promise<BuiltExample> {
  const { cacheDir, disableFeatures = DISABLED_FEATURES, log = () => undefined } = options;
  const source = stripTypeScriptTypes(await readFile(join(folder, SOURCE), 'utf8'));
  const wit = await witOfImports(source);
  const key = hashOf({ source, wit, disableFeatures, componentizeVersion });
  const cachedAt = join(cacheDir, `${key}.wasm`);

  let component = await readIfThere(cachedAt);
  const cached = component !== undefined;
  if (!component) {
    const started = performance.now();
    component = await componentizeSource(source, wit, disableFeatures);
    await writeWhole(cachedAt, component);
    log(`built ${folder} in ${Math.round(performance.now() - started)} ms`);
  }
  return { component, files: await bundleFiles(folder, component), cached };
}

/** The host world with those imports alone that the source names, so that the component asks for what it uses. */
async function witOfImports(source: string): Promise<Record<string, string>> {
  const used = new Set(
    [...source.matchAll(/from\s+['"]alga:extension\/([a-z0-9-]+)['"]/g)].map(([, name]) => name),
  );
  const files: Record<string, string> = {};
  for (const file of (await readdir(WIT_FOLDER)).sort()) {
    const text = await readFile(join(WIT_FOLDER, file), 'utf8');
    files[file] = text.replace(/^ +import ([a-z0-9-]+);\n/gm, (line, name: string) =>
      used.has(name) ? line : '',
    );
  }
  return files;
}

async function componentizeSource(
  source: string,
  wit: Record<string, string>,
  disableFeatures: readonly (typeof DISABLED_FEATURES)[number][],
): Promise<Uint8Array> {
  const work = await mkdtemp(join(tmpdir(), 'build-example-'));
  try {
    await mkdir(join(work, 'wit'));
    for (const [file, text] of Object.entries(wit)) await writeFile(join(work, 'wit', file), text);
    const sourcePath = join(work, 'main.js');
    await writeFile(sourcePath, source);
    const { component } = await componentize({
      sourcePath,
      witPath: join(work, 'wit'),
      worldName: 'runner',
      disableFeatures: [...disableFeatures],
    });
    return component;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function bundleFiles(folder: string, component: Uint8Array): Promise<BuiltExample['files']> {
  const metadata = { toolchain: { '@bytecodealliance/componentize-js': componentizeVersion } };
  const files = [
    { path: 'manifest.json', bytes: await readFile(join(folder, 'manifest.json')) },
    { path: 'entry.wasm', bytes: component },
    { path: 'metadata.json', bytes: Buffer.from(`${JSON.stringify(metadata, null, 2)}\n`) },
  ];
  const ui = join(folder, 'ui');
  for (const entry of await entriesIfThere(ui)) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.push({ path: `ui/${relative(ui, path).replaceAll('\\', '/')}`, bytes: await readFile(path) });
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

async function entriesIfThere(folder: string): Promise<Dirent[]> {
  return readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  return readFile(path).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** Two builds may run at once: the rename lets neither read a half of the other. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  const partial = `${path}.${process.pid}`;
  await writeFile(partial, bytes);
  await rename(partial, path);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: 'string' },
      cache: { type: 'string', default: 'node_modules/.cache/components' },
      help: { type: 'boolean' },
    },
  });
  const [folder] = positionals;
  if (values.help || folder === undefined) {
    console.error('usage: node scripts/build-example.ts <folder> [--out <folder>] [--cache <folder>]');
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const { files } = await buildExample(resolve(folder), {
    cacheDir: resolve(values.cache),
    log: console.error,
  });
  const out = resolve(values.out ?? join(folder, 'dist'));
  await rm(out, { recursive: true, force: true });
  for (const { path, bytes } of files) {
    await mkdir(join(out, path, '..'), { recursive: true });
    await writeFile(join(out, path), bytes);
  }
  console.log(out);
}

if (import.meta.main) await main();
