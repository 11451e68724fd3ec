import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  componentize as withStarlingMonkey,
  version as starlingMonkeyVersion,
} from '@bytecodealliance/componentize-js';
import { componentize as withQuickJs } from 'componentize-qjs';
import { warmUpModule } from './warm-up.ts';

const ROOT = join(import.meta.dirname, '..');
const WORLD = 'runner';
const ENTRY = 'entry.js';
const WARM_UP = 'warm-up.js';
const QUICKJS_PACKAGE = createRequire(import.meta.url).resolve('componentize-qjs/package.json');

/** Engines of JavaScript that a component can bring along. */
export const GUEST_ENGINES = ['starlingmonkey', 'quickjs'] as const;
export type GuestEngine = (typeof GUEST_ENGINES)[number];

const SDK_MODULES: Record<GuestEngine, readonly string[]> = {
  starlingmonkey: ['starlingmonkey-storage-v2.ts'],
  quickjs: [
    'quickjs.ts',
    'random.ts',
    'text-encoding.ts',
    'quickjs-random.ts',
    'quickjs-storage.ts',
    'quickjs-storage-v2.ts',
  ],
};

/** What a component is made of; the same gives the same component. */
export interface ComponentParts {
  engine: GuestEngine;
  /** The package and its version. */
  toolchain: Record<string, string>;
  /** ES modules by file name. */
  modules: Readonly<Record<string, string>>;
  /** The host world with those imports alone that the modules name, so that the component asks for what it uses. */
  wit: Readonly<Record<string, string>>;
  /** Parts of StarlingMonkey to leave out. */
  disableFeatures: readonly StarlingMonkeyFeature[];
}

export type StarlingMonkeyFeature = 'http' | 'fetch-event';

/** The author's module `main.js` between what the SDK runs before and after it. */
export async function componentParts(
  source: string,
  engine: GuestEngine,
  disableFeatures: readonly StarlingMonkeyFeature[],
): Promise<ComponentParts> {
  const sdk = await readSdk(engine);
  const entry = [
    engine === 'quickjs' ? `import './quickjs.ts';` : `import './${WARM_UP}';`,
    `import { endBuild } from './build-guard.ts';`,
    `export { handler } from './main.js';`,
    'endBuild();\n',
  ];
  const main = withSdkInterfaces(source, engine);
  const warmUp = engine === 'quickjs' ? {} : { [WARM_UP]: warmUpModule(importsOf(source)) };
  const modules = { ...sdk, ...warmUp, 'main.js': main, [ENTRY]: entry.join('\n') };
  const toolchain =
    engine === 'quickjs'
      ? { 'componentize-qjs': await quickJsVersion() }
      : { '@bytecodealliance/componentize-js': starlingMonkeyVersion };
  const named = [source, ...(engine === 'quickjs' ? [sdk['quickjs.ts'] ?? ''] : [])];
  const wit = await witOfImports(named.join('\n'));
  return { engine, toolchain, modules, wit, disableFeatures };
}

export async function componentize({
  engine,
  modules,
  wit,
  disableFeatures,
}: ComponentParts): Promise<Uint8Array> {
  const work = await mkdtemp(join(tmpdir(), 'componentize-'));
  try {
    const witPath = join(work, 'wit');
    await mkdir(witPath);
    for (const [file, text] of Object.entries(wit)) await writeFile(join(witPath, file), text);
    for (const [file, text] of Object.entries(modules)) await writeFile(join(work, file), text);
    if (engine === 'starlingmonkey') {
      const sourcePath = join(work, ENTRY);
      const disabled = [...disableFeatures];
      return (await withStarlingMonkey({ sourcePath, witPath, worldName: WORLD, disableFeatures: disabled }))
        .component;
    }
    const { component } = await withQuickJs({
      witPath,
      jsSource: modules[ENTRY] ?? '',
      jsPath: join(work, ENTRY),
      moduleRoot: work,
      world: WORLD,
      // The asynchronous ABI of components is not in our world.
      sync: true,
    });
    return component;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Interfaces that hold a u64 or an s64, where the engine's toolchain errs with it, come by way of the SDK. */
function withSdkInterfaces(source: string, engine: GuestEngine): string {
  return source.replace(
    /(from\s+['"])alga:extension\/([a-z0-9-]+)(?=['"])/g,
    (as, from: string, name: string) => {
      const module = `${engine}-${name}.ts`;
      return SDK_MODULES[engine].includes(module) ? `${from}./${module}` : as;
    },
  );
}

async function readSdk(engine: GuestEngine): Promise<Record<string, string>> {
  const names = ['build-guard.ts', ...SDK_MODULES[engine]];
  const read = async (name: string): Promise<[string, string]> => {
    const text = await readFile(join(ROOT, 'sdk', 'guest', name), 'utf8');
    return [name, stripTypeScriptTypes(text)];
  };
  return Object.fromEntries(await Promise.all(names.map(read)));
}

/** The interfaces of `alga:extension` that modules name. */
function importsOf(source: string): ReadonlySet<string> {
  return new Set(
    [...source.matchAll(/from\s+['"]alga:extension\/([a-z0-9-]+)['"]/g)].map(([, name = '']) => name),
  );
}

async function witOfImports(source: string): Promise<Record<string, string>> {
  const used = importsOf(source);
  const folder = join(ROOT, 'wit');
  const files: Record<string, string> = {};
  for (const file of (await readdir(folder)).sort()) {
    const text = await readFile(join(folder, file), 'utf8');
    files[file] = text.replace(/^ +import ([a-z0-9-]+);\n/gm, (line, name: string) =>
      used.has(name) ? line : '',
    );
  }
  return files;
}

async function quickJsVersion(): Promise<string> {
  return (JSON.parse(await readFile(QUICKJS_PACKAGE, 'utf8')) as { version: string }).version;
}
