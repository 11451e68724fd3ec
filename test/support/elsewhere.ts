import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { componentize as withStarlingMonkey, version } from '@bytecodealliance/componentize-js';
import { componentize as withQuickJs } from 'componentize-qjs';
import { packTarZst } from '../../platform/bundle/pack.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const FOLDER = join(ROOT, 'test', 'fixtures', 'components', 'elsewhere');
const CACHE = join(ROOT, 'node_modules', '.cache', 'components');
const WIT = join(FOLDER, 'wit');
const SOURCE = join(FOLDER, 'src', 'handler.js');
const QUICKJS = createRequire(import.meta.url).resolve('componentize-qjs/package.json');

const starlingMonkey = async (
  disableFeatures: ('stdio' | 'random' | 'clocks' | 'http' | 'fetch-event')[],
): Promise<Uint8Array> =>
  (await withStarlingMonkey({ sourcePath: SOURCE, witPath: WIT, worldName: 'runner', disableFeatures }))
    .component;

const quickJs = async (options: { sync?: boolean; stubWasi?: boolean }): Promise<Uint8Array> =>
  (await withQuickJs({ witPath: WIT, world: 'runner', jsSource: await readFile(SOURCE, 'utf8'), ...options }))
    .component;

/** What an author has who builds with the toolchains alone: not with our scripts, SDK or `wit/`. */
const BUILDS = {
  'componentize-js as it comes': () => starlingMonkey([]),
  'componentize-js without WASI': () => starlingMonkey(['stdio', 'random', 'clocks', 'http', 'fetch-event']),
  'componentize-qjs as it comes': () => quickJs({}),
  'componentize-qjs, synchronous': () => quickJs({ sync: true }),
  'componentize-qjs without WASI': () => quickJs({ sync: true, stubWasi: true }),
} as const satisfies Record<string, () => Promise<Uint8Array>>;

type BuildElsewhere = keyof typeof BUILDS;
export const BUILDS_ELSEWHERE = Object.keys(BUILDS) as BuildElsewhere[];

/** The fixture `elsewhere` as a component; a build takes seconds, then it comes from the cache. */
async function componentElsewhere(build: BuildElsewhere): Promise<Uint8Array> {
  const { version: quickJsVersion } = JSON.parse(await readFile(QUICKJS, 'utf8')) as { version: string };
  const parts = [
    build,
    version,
    quickJsVersion,
    await readFile(SOURCE, 'utf8'),
    await readFile(join(WIT, 'extension.wit'), 'utf8'),
  ];
  const path = join(CACHE, `${createHash('sha256').update(JSON.stringify(parts)).digest('hex')}.wasm`);
  try {
    return await readFile(path);
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err;
  }
  const component = await BUILDS[build]();
  await mkdir(CACHE, { recursive: true });
  const partial = `${path}.${process.pid}`;
  await writeFile(partial, component);
  await rename(partial, path);
  return component;
}

/** Its bundle, with the manifest as it came. */
export async function bundleElsewhere(build: BuildElsewhere): Promise<Uint8Array> {
  const files = [
    { path: 'manifest.json', bytes: await readFile(join(FOLDER, 'manifest.json')) },
    { path: 'dist/main.wasm', bytes: await componentElsewhere(build) },
  ];
  const ui = join(FOLDER, 'ui');
  for (const entry of await readdir(ui, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files.push({ path: `ui/${relative(ui, path)}`, bytes: await readFile(path) });
  }
  return packTarZst(files);
}
