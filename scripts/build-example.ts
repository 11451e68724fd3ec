import { createHash } from 'node:crypto';
import { existsSync, type Dirent } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  componentize,
  componentParts,
  GUEST_ENGINES,
  type GuestEngine,
  type StarlingMonkeyFeature,
} from './componentize.ts';
import { compileRust, keptRust, rustParts } from './rust-component.ts';

const SOURCE = 'src/main.ts';
/** What of StarlingMonkey an example goes without: there is no `fetch` but through `alga:extension/http`. */
const DISABLED_FEATURES: readonly StarlingMonkeyFeature[] = ['http', 'fetch-event'];

export interface BuildOptions {
  /** Where built components are kept, by the hash of everything they depend on. */
  cacheDir: string;
  /** What runs the extension; StarlingMonkey if it says nothing. */
  engine?: GuestEngine;
  /** Parts of StarlingMonkey to leave out; the default suits extensions that import `alga:extension` alone. */
  disableFeatures?: readonly StarlingMonkeyFeature[];
  /** Take the component that is kept beside a crate, which needs no compiler. */
  kept?: boolean;
  log?: (line: string) => void;
}

export interface BuiltExample {
  component: Uint8Array;
  /** Everything the bundle holds: manifest.json, entry.wasm, metadata.json, ui/**. */
  files: { path: string; bytes: Uint8Array }[];
  cached: boolean;
}

/** Builds the extension in a folder, which holds a crate or `src/main.ts`, to a component, beside its manifest and UI. */
export async function buildExample(folder: string, options: BuildOptions): Promise<BuiltExample> {
  const { cacheDir, kept = false, log } = options;
  if (kept && isCrate(folder)) {
    const { component, origin } = await keptRust(folder);
    return { component, files: await bundleFiles(folder, component, { rustc: origin.rustc }), cached: true };
  }
  const { toolchain, madeOf, make } = await recipeOf(folder, options);
  const cachedAt = join(cacheDir, `${hashOf(madeOf)}.wasm`);

  let component = await readIfThere(cachedAt);
  const cached = component !== undefined;
  if (!component) {
    const started = performance.now();
    component = await make();
    await writeWhole(cachedAt, component);
    log?.(`built ${folder} in ${Math.round(performance.now() - started)} ms`);
  }
  return { component, files: await bundleFiles(folder, component, toolchain), cached };
}

interface Recipe {
  /** What the bundle says it was built with. */
  toolchain: Record<string, string>;
  /** The same gives the same component. */
  madeOf: unknown;
  make: () => Promise<Uint8Array>;
}

async function recipeOf(
  folder: string,
  { engine = 'starlingmonkey', disableFeatures = DISABLED_FEATURES }: BuildOptions,
): Promise<Recipe> {
  if (isCrate(folder)) {
    const parts = await rustParts(folder);
    return {
      toolchain: { rustc: parts.toolchain.version },
      madeOf: parts,
      make: () => compileRust(parts),
    };
  }
  const source = stripTypeScriptTypes(await readFile(join(folder, SOURCE), 'utf8'));
  const parts = await componentParts(source, engine, disableFeatures);
  return { toolchain: parts.toolchain, madeOf: parts, make: () => componentize(parts) };
}

function isCrate(folder: string): boolean {
  return existsSync(join(folder, 'Cargo.toml'));
}

async function bundleFiles(
  folder: string,
  component: Uint8Array,
  toolchain: Record<string, string>,
): Promise<BuiltExample['files']> {
  const metadata = { toolchain };
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
      engine: { type: 'string', default: 'starlingmonkey' },
      help: { type: 'boolean' },
    },
  });
  const [folder] = positionals;
  const engine = GUEST_ENGINES.find((name) => name === values.engine);
  if (values.help || folder === undefined || engine === undefined) {
    const engines = GUEST_ENGINES.join('|');
    console.error(
      `usage: node scripts/build-example.ts <folder> [--engine ${engines}] [--out <folder>] [--cache <folder>]`,
    );
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const { files } = await buildExample(resolve(folder), {
    cacheDir: resolve(values.cache),
    engine,
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
