import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { packTarZst } from './pack.ts';

/**
 * A bundle of the files below a folder, links left out. The same files give the same bytes, whatever else the machine says of them: order,
 * permissions, times, locale.
 */
export async function packFolder(folder: string): Promise<Uint8Array> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));
  return packTarZst(
    await Promise.all(
      files.map(async (file) => ({
        path: file.replaceAll(path.sep, '/'),
        bytes: await readFile(path.join(folder, file)),
      })),
    ),
  );
}
