import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { isPlatformError, PlatformError } from '../core/errors.ts';

const FOLDER = path.join(import.meta.dirname, '..', 'migrations');
const NAME = /^[a-z]+(-[a-z0-9]+)+$/;
/** Longer ones do not fit on a line of the index. */
const MAX_NAME_LENGTH = 40;
const IMPORT = /^import \* as \w+ from '\.\/(\d{8}T\d{6})-([a-z0-9-]+)\.ts';\n/gm;
const END_OF_LIST = '\n};\n';

const SKELETON = `import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw('to be written: what the release needs');
}

export async function down(db: Knex): Promise<void> {
  await db.raw('to be written: the schema as it was before');
}
`;

/**
 * Writes a migration to fill in, which fails until it is, and lists it last in the folder's index. Answers its file. Throws INPUT_INVALID
 * for a name that says too little or is in use, and then writes nothing.
 */
export async function createMigration(name: string, folder: string, now: Date): Promise<string> {
  if (!NAME.test(name) || name.length > MAX_NAME_LENGTH) {
    throw new PlatformError(
      'INPUT_INVALID',
      `"${name}" is no name for a migration: say what it does to what, such as add-install-note, in lower case words joined by "-", at most ${MAX_NAME_LENGTH} characters`,
    );
  }
  const indexFile = path.join(folder, 'index.ts');
  const index = await readFile(indexFile, 'utf8');
  const listed = [...index.matchAll(IMPORT)];
  const last = listed.at(-1);
  const endOfList = index.lastIndexOf(END_OF_LIST);
  if (!last || endOfList < 0) throw new Error(`${indexFile} is not the list of migrations it should be`);
  const taken = listed.find(([, , other]) => other === name);
  if (taken) {
    throw new PlatformError(
      'INPUT_INVALID',
      `${String(taken[1])}-${name} has this name already, and a migration that landed is never edited: choose another name`,
    );
  }

  const recorded = `${timestampAfter(String(last[1]), now)}-${name}`;
  const variable = name.replace(/-([a-z0-9])/g, (_dash, letter: string) => letter.toUpperCase());
  const endOfImports = last.index + last[0].length;
  const file = path.join(folder, `${recorded}.ts`);
  await writeFile(file, SKELETON, { flag: 'wx' });
  await writeFile(
    indexFile,
    `${index.slice(0, endOfImports)}import * as ${variable} from './${recorded}.ts';\n` +
      `${index.slice(endOfImports, endOfList)}\n  '${recorded}': ${variable},${index.slice(endOfList)}`,
  );
  return file;
}

/** Now in UTC, such as 20261121T093000; a second past the newest if a clock ran ahead, so that names sort as the list does. */
function timestampAfter(newest: string, now: Date): string {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)$/.exec(newest) ?? [];
  const next = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) + 1000;
  const at = new Date(Math.max(now.getTime(), next));
  return at.toISOString().slice(0, '2026-11-21T09:30:00'.length).replace(/[-:]/g, '');
}

async function main(): Promise<void> {
  const { positionals } = parseArgs({ allowPositionals: true });
  const [name] = positionals;
  if (name === undefined || positionals.length > 1) {
    console.error('usage: npm run create-migration -- <name>, such as add-install-note');
    process.exitCode = 2;
    return;
  }
  try {
    console.log(path.relative('.', await createMigration(name, FOLDER, new Date())));
  } catch (err) {
    if (!isPlatformError(err)) throw err;
    console.error(err.message);
    process.exitCode = 2;
  }
}

if (import.meta.main) await main();
