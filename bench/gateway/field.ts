import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstallAnswer } from '../../core/api/installs.ts';
import { buildExample } from '../../scripts/build-example.ts';
import type { GuestEngine } from '../../scripts/componentize.ts';
import type { LocalPlatform } from '../local-platform.ts';
import { publish } from '../publish-files.ts';
import { install } from '../tenants.ts';

const GUEST = join(import.meta.dirname, '..', 'guests', 'small');
const CACHE = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'components');

export const BODY = Buffer.from('{"greeting":"hello"}');

/** An extension that answers what it is sent. */
export interface Installed {
  key: string;
  install: InstallAnswer;
}

export async function prepare(
  local: LocalPlatform,
  key: string,
  engine: GuestEngine,
  log: (line: string) => void,
): Promise<Installed> {
  const { files } = await buildExample(GUEST, { cacheDir: CACHE, engine, log });
  const manifest = JSON.parse(await readFile(join(GUEST, 'manifest.json'), 'utf8')) as object;
  const name = `bench-${engine}`;
  const bytes = Buffer.from(JSON.stringify({ ...manifest, name }));
  await publish(
    local,
    files.map((file) => (file.path === 'manifest.json' ? { path: file.path, bytes } : file)),
  );
  return { key, install: await install(local, key, `alga.${name}`) };
}
