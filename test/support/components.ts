import { createHash } from 'node:crypto';
import { globSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import type { PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { precompileComponent } from '../../platform/component/precompile.ts';
import { buildExample, type BuildOptions, type BuiltExample } from '../../scripts/build-example.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const CACHE = join(ROOT, 'node_modules', '.cache', 'components');
const ARTIFACTS = join(ROOT, 'node_modules', '.cache', 'artifacts');
/** What makes artifacts, so that none is taken that another state of it made. */
const MAKERS = [
  'platform/component/*.ts',
  'core/wasm/*.ts',
  'core/component/*.ts',
  'core/*.ts',
  'package-lock.json',
];
const FOLDERS = {
  hello: join(ROOT, 'examples', 'hello'),
  hostile: join(ROOT, 'test', 'fixtures', 'components', 'hostile'),
  'rust-hello': join(ROOT, 'examples', 'rust-hello'),
  'rust-hostile': join(ROOT, 'test', 'fixtures', 'components', 'rust-hostile'),
};

export type ExampleName = keyof typeof FOLDERS;

/** An extension of ours as files of a bundle; a build takes seconds, then it comes from the cache. What is in Rust is kept beside its source. */
export async function buildComponent(
  name: ExampleName,
  options: Partial<BuildOptions> = {},
): Promise<BuiltExample> {
  return buildExample(FOLDERS[name], { cacheDir: CACHE, kept: true, ...options });
}

/** The same, precompiled as a publish would, or as it was before; the content hash is that of the component alone. */
export async function precompiledComponent(
  name: ExampleName,
  { memoryMb = 64, ...options }: Partial<BuildOptions> & { memoryMb?: number } = {},
): Promise<PrecompiledArtifact> {
  const { component } = await buildComponent(name, options);
  const contentHash = `sha256:${createHash('sha256').update(component).digest('hex')}`;
  const file = join(ARTIFACTS, `${hashOf(contentHash, String(memoryMb), await hashOfMakers())}.v8`);
  try {
    return deserialize(await readFile(file)) as PrecompiledArtifact;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
  }
  const artifact = {
    contentHash,
    ...(await precompileComponent(component, { memoryMb, timeoutMs: 60_000 })),
  };
  await mkdir(ARTIFACTS, { recursive: true });
  // Two may make it at once: the rename lets nobody read a half.
  const partial = `${file}.${process.pid}`;
  await writeFile(partial, serialize(artifact));
  await rename(partial, file);
  return artifact;
}

async function hashOfMakers(): Promise<string> {
  const files = MAKERS.flatMap((pattern) => globSync(pattern, { cwd: ROOT })).sort();
  const texts = await Promise.all(files.map((file) => readFile(join(ROOT, file), 'utf8')));
  return hashOf(...files, ...texts);
}

function hashOf(...parts: string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
}
