import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { precompileComponent } from '../../platform/component/precompile.ts';
import type { PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { buildExample, type BuildOptions, type BuiltExample } from '../../scripts/build-example.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const CACHE = join(ROOT, 'node_modules', '.cache', 'components');
const FOLDERS = {
  hello: join(ROOT, 'examples', 'hello'),
  hostile: join(ROOT, 'test', 'fixtures', 'components', 'hostile'),
  'host-application': join(ROOT, 'test', 'fixtures', 'components', 'host-application'),
  fetching: join(ROOT, 'test', 'fixtures', 'components', 'fetching'),
  storing: join(ROOT, 'test', 'fixtures', 'components', 'storing'),
  'rust-hello': join(ROOT, 'examples', 'rust-hello'),
  'rust-hostile': join(ROOT, 'test', 'fixtures', 'components', 'rust-hostile'),
  'rust-storing': join(ROOT, 'test', 'fixtures', 'components', 'rust-storing'),
};

export type ExampleName = keyof typeof FOLDERS;

/** An extension of ours as files of a bundle; a build takes seconds, then it comes from the cache. */
export async function buildComponent(
  name: ExampleName,
  options: Partial<BuildOptions> = {},
): Promise<BuiltExample> {
  return buildExample(FOLDERS[name], { cacheDir: CACHE, ...options });
}

/** The same, precompiled as a publish would; the content hash is that of the component alone. */
export async function precompiledComponent(
  name: ExampleName,
  { memoryMb = 64, ...options }: Partial<BuildOptions> & { memoryMb?: number } = {},
): Promise<PrecompiledArtifact> {
  const { component } = await buildComponent(name, options);
  const contentHash = `sha256:${createHash('sha256').update(component).digest('hex')}`;
  return { contentHash, ...(await precompileComponent(component, { memoryMb, timeoutMs: 60_000 })) };
}
