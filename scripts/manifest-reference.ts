import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { format, resolveConfig } from 'prettier';
import { manifestJsonSchema } from '../core/manifest/json-schema.ts';
import { manifestReference } from '../core/manifest/reference.ts';

const DOCS = path.join(import.meta.dirname, '..', 'docs');

/** What is made of the one definition of manifests, by file. */
export async function manifestDocuments(): Promise<ReadonlyMap<string, string>> {
  const documents = {
    'manifest.schema.json': JSON.stringify(manifestJsonSchema()),
    'manifest.md': manifestReference(),
  };
  const formatted = Object.entries(documents).map(async ([name, text]) => {
    const file = path.join(DOCS, name);
    return [file, await format(text, { ...(await resolveConfig(file)), filepath: file })] as const;
  });
  return new Map(await Promise.all(formatted));
}

/** Files that differ from what is made of it. */
export async function outdatedDocuments(): Promise<string[]> {
  const outdated: string[] = [];
  for (const [file, text] of await manifestDocuments()) {
    if ((await readFile(file, 'utf8').catch(() => '')) !== text) outdated.push(path.basename(file));
  }
  return outdated;
}

if (import.meta.main) {
  for (const [file, text] of await manifestDocuments()) await writeFile(file, text);
}
