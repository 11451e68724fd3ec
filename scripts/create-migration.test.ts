import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { migrations } from '../migrations/index.ts';
import { createMigration } from './create-migration.ts';

const LATER = new Date('2030-01-02T03:04:05.678Z');
const NEWEST = Object.keys(migrations).at(-1) ?? '';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'alga-migrations-'));
  await copyFile(path.resolve('migrations/index.ts'), path.join(folder, 'index.ts'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const readIndex = (): Promise<string> => readFile(path.join(folder, 'index.ts'), 'utf8');

describe('create-migration', () => {
  it('writes a migration to fill in and lists it last', async () => {
    const before = await readIndex();
    const file = await createMigration('add-install-note', folder, LATER);
    expect(path.basename(file)).toBe('20300102T030405-add-install-note.ts');
    expect(await readFile(file, 'utf8')).toContain('export async function down(db: Knex)');
    const [importLine, entry] = [
      "import * as addInstallNote from './20300102T030405-add-install-note.ts';\n",
      "  '20300102T030405-add-install-note': addInstallNote,\n",
    ];
    const index = await readIndex();
    expect(index.replace(importLine, '').replace(entry, '')).toBe(before);
    expect(index.endsWith(`${entry}};\n`)).toBe(true);
    expect(index).toContain(`-${NEWEST.slice(NEWEST.indexOf('-') + 1)}.ts';\n${importLine}\n`);
  });

  it('names it after the newest one if that one is from a clock that ran ahead', async () => {
    await createMigration('add-install-note', folder, LATER);
    const file = await createMigration('add-tenant-note', folder, new Date('2029-12-31T23:59:59Z'));
    expect(path.basename(file)).toBe('20300102T030406-add-tenant-note.ts');
  });

  it.each([
    'note',
    'Add-note',
    'add_note',
    'add note',
    '../add-note',
    'add-',
    '2-notes',
    `add-${'n'.repeat(37)}`,
  ])('refuses the name %j and writes nothing', async (name) => {
    await expect(createMigration(name, folder, LATER)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    expect(await readdir(folder)).toEqual(['index.ts']);
  });

  it('refuses a name that is in use and changes nothing', async () => {
    const file = await createMigration('add-install-note', folder, LATER);
    const index = await readIndex();
    await expect(createMigration('add-install-note', folder, new Date('2031-01-01'))).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining('20300102T030405-add-install-note has this name') as unknown,
    });
    expect((await readdir(folder)).sort()).toEqual([path.basename(file), 'index.ts'].sort());
    expect(await readIndex()).toBe(index);
  });
});
