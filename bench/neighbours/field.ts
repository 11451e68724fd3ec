import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InstallAnswer } from '../../core/api/installs.ts';
import { initiateUpload } from '../../core/api/uploads.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { packTarZst } from '../../platform/bundle/pack.ts';
import { openDatabase } from '../../platform/db/database.ts';
import { buildExample } from '../../scripts/build-example.ts';
import type { LocalPlatform } from '../local-platform.ts';
import { publish } from '../publish-files.ts';
import { clientOf, install, newTenant } from '../tenants.ts';

const GUEST = join(import.meta.dirname, '..', 'guests', 'heavy');
const CACHE = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'components');
const MIB = 1024 * 1024;

export const HELLO = 'alga.hello';
export const HEAVY = 'alga.heavy';

/** What attackers need, as it crosses to their process. */
export interface Field {
  gateway: string;
  ui: string;
  /** A key of tenant A, whose user attacks. */
  key: string;
  /** An extension with a UI. */
  extensionId: string;
  /** Its page. */
  uiUrl: string;
  /** Of tenant A: its row is waited for. */
  uploadId: string;
  /** A bundle of 1.5 MiB that holds two components of 128 MiB of zeros. */
  hostileBundle: string;
}

export interface Neighbour {
  key: string;
  install: InstallAnswer;
}

export async function prepareNeighbour(local: LocalPlatform): Promise<Neighbour> {
  const key = await newTenant(local, 'Bench neighbour');
  return { key, install: await install(local, key, HELLO) };
}

/** Tenant A, with an extension that works hard and as many records as it may have. */
export async function prepareField(
  local: LocalPlatform,
  { extensionId, contentHash }: InstallAnswer,
  log: (line: string) => void,
): Promise<Field> {
  const { files } = await buildExample(GUEST, { cacheDir: CACHE, log });
  await publish(local, files);
  const key = await newTenant(local, 'Bench attacker');
  const heavy = await install(local, key, HEAVY);
  log('filling the storage of the attacker');
  await fillStorage(local, heavy.installId);
  const size = 1_000;
  const { uploadId } = (
    await clientOf(local, key)(initiateUpload, { body: { filename: 'small', size, method: 'proxy' } })
  ).body;
  log('packing a hostile bundle');
  const hostileBundle = await packHostile();
  const uiUrl = `${local.ui}/ext-ui/${extensionId}/${contentHash}/`;
  return { gateway: local.gateway, ui: local.ui, key, extensionId, uiUrl, uploadId, hostileBundle };
}

/** 100 records of 64 KiB, and 29 namespaces that are full: 148,580 records. */
async function fillStorage({ databaseUrl }: LocalPlatform, installId: string): Promise<void> {
  const db = openDatabase({ url: new SecretValue(databaseUrl), poolMax: 1 });
  const insert = (namespace: string, key: string, value: string, rows: string) =>
    db.raw(
      `insert into extension_storage_record (tenant_id, install_id, namespace, key, value, revision)
       select tenant_id, install_id, ${namespace}, ${key}, ${value}, nextval('extension_storage_revision')
         from tenant_extension_install, ${rows} where install_id = ?`,
      [installId],
    );
  try {
    const random = `decode(repeat(md5(r::text), 4096), 'hex')`;
    await insert(`'large'`, `'key-' || r`, random, 'generate_series(1, 100) r');
    const full = 'generate_series(0, 28) n, generate_series(0, 5119) r';
    await insert(`'full-' || n`, `'key-' || r`, `decode(repeat('00', 100), 'hex')`, full);
  } finally {
    await db.destroy();
  }
}

async function packHostile(): Promise<string> {
  const bytes = await packTarZst([
    { path: 'entry.wasm', bytes: new Uint8Array(128 * MIB) },
    { path: 'dist/main.wasm', bytes: new Uint8Array(128 * MIB) },
    // What does not compress keeps the ratio below the limit.
    { path: 'ui/noise', bytes: randomBytes(1.5 * MIB) },
  ]);
  const file = join(await mkdtemp(join(tmpdir(), 'bench-')), 'hostile.tar.zst');
  await writeFile(file, bytes);
  return file;
}
