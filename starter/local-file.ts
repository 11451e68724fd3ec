import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { z } from 'zod';

const schema = z.object({
  gateway: z.url(),
  /** Where runners and workers ask the gateway. */
  gatewayInternal: z.url(),
  runner: z.url(),
  /** Origin of extensions' pages. */
  ui: z.url(),
  temporal: z.object({ address: z.string(), namespace: z.string(), ui: z.string().optional() }),
  databaseUrl: z.string(),
  tenantId: z.uuid(),
  keys: z.object({ operator: z.string(), admin: z.string(), user: z.string() }),
  /** The starter's. */
  pid: z.int(),
  /** Of that process: a pid may be another's by now. */
  identity: z.string(),
  /** Pid of each process it started, by name, as of the start or the last `npm run restart`; 0 of one that did not run. */
  processes: z.record(z.string(), z.int()),
});

/** How the CLI and tests find a running platform; the file exists while one runs. */
export type LocalFile = z.infer<typeof schema>;

/** Readers see all of it or nothing. */
export function writeLocalFile(file: string, local: LocalFile): void {
  rmSync(`${file}.new`, { force: true }); // whoever made it, its mode would stay
  writeFileSync(`${file}.new`, `${JSON.stringify(local, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Undefined if there is none, or none that this version wrote. */
export function readLocalFile(file: string): LocalFile | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined; // nothing runs
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined; // left by another version; the start lock tells whether something runs
  }
}

export function removeLocalFile(file: string): void {
  rmSync(file, { force: true });
}
