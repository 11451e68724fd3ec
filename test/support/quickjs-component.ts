import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { componentize } from 'componentize-qjs';

const WIT_FOLDER = join(import.meta.dirname, '..', '..', 'wit');

/** A component of QuickJS that runs `source`, with those imports of the host world that it names. */
export async function quickJsComponent(source: string): Promise<Uint8Array> {
  const used = new Set([...source.matchAll(/from 'alga:extension\/([a-z0-9-]+)'/g)].map(([, name]) => name));
  const wit = await mkdtemp(join(tmpdir(), 'quickjs-'));
  try {
    for (const file of await readdir(WIT_FOLDER)) {
      const text = await readFile(join(WIT_FOLDER, file), 'utf8');
      await writeFile(
        join(wit, file),
        text.replace(/^ +import ([a-z0-9-]+);\n/gm, (line, name: string) => (used.has(name) ? line : '')),
      );
    }
    const { component } = await componentize({ witPath: wit, jsSource: source, world: 'runner', sync: true });
    return component;
  } finally {
    await rm(wit, { recursive: true, force: true });
  }
}
