import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a bench reads of `local.json`: where the platform that runs is, and the keys to it. */
export interface LocalPlatform {
  gateway: string;
  runner: string;
  ui: string;
  databaseUrl: string;
  tenantId: string;
  keys: { operator: string; admin: string; user: string };
  /** Ids of its processes by name; 0 for one that is not running. */
  processes: Record<string, number>;
}

export function readLocalPlatform(dataDir: string): LocalPlatform {
  const file = join(dataDir, 'local.json');
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as LocalPlatform;
  } catch (cause) {
    throw new Error(`${file} cannot be read: run \`npm start\` first`, { cause });
  }
}
