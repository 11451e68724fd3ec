import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pool } from 'undici';
import { buildExample } from '../../scripts/build-example.ts';
import type { LocalPlatform } from '../local-platform.ts';
import { publish } from '../publish-files.ts';

const EXAMPLE = join(import.meta.dirname, '..', '..', 'examples', 'hello');
const CACHE = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'components');

/** The example under a name of its own, since the platform's users may have another version of that. */
export const EXTENSION = 'alga.bench-install';
export const [OLD, NEW] = ['1.0.0', '1.1.0'] as const;

/** Publishes both versions, which precompiles them. They have the same component, and differ in their content hash. */
export async function publishVersions(local: LocalPlatform, log: (line: string) => void): Promise<void> {
  const { files } = await buildExample(EXAMPLE, { cacheDir: CACHE, log });
  const manifest = JSON.parse(await readFile(join(EXAMPLE, 'manifest.json'), 'utf8')) as object;
  const [, name] = EXTENSION.split('.');
  for (const version of [OLD, NEW]) {
    const bytes = Buffer.from(JSON.stringify({ ...manifest, name, version }));
    await publish(
      local,
      files.map((file) => (file.path === 'manifest.json' ? { path: file.path, bytes } : file)),
    );
  }
}

/** Calls the extension once; answers the status. */
export async function callOnce(gateway: Pool, key: string, who: number): Promise<number> {
  const { statusCode, body } = await gateway.request({
    method: 'GET',
    path: `/api/ext/${EXTENSION}/hello/Ada-${who % 64}`,
    headers: { authorization: `Bearer ${key}` },
  });
  await body.dump();
  return statusCode;
}
