import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { componentEmbed, componentNew } from '@bytecodealliance/jco-transpile/wasm-tools';
import { PlatformError } from '../../core/errors.ts';
import { extensionInterface } from '../../core/world.ts';
import { generateGlue, type Generated } from './generate-glue.ts';

const WIT_FOLDER = join(import.meta.dirname, '..', '..', 'wit');

type Files = Generated['files'];

/**
 * An interface's name says nothing about its inside: throws WORLD_MISMATCH unless every function and type that the component knows
 * of `alga:extension` is declared in the same words as jco declares those of `wit/`. `files` is what jco made of the component,
 * declarations included.
 */
export async function checkWorldTypes(files: Files): Promise<void> {
  const host = new Map(declarationsByInterface(await declareHostWorld()));
  for (const [interfaceName, declared] of declarationsByInterface(files)) {
    const known = host.get(interfaceName) ?? [];
    const foreign = declared.find((declaration) => !known.includes(declaration));
    if (foreign === undefined) continue;
    throw new PlatformError(
      'WORLD_MISMATCH',
      `the component's alga:extension/${interfaceName} is not the platform's: build it against the platform's wit/`,
      { details: { interface: interfaceName, declaration: foreign.slice(0, 500) } },
    );
  }
}

async function declareHostWorld(): Promise<Files> {
  const witSource = await readWit();
  const empty = await componentEmbed({ dummy: true, witSource, world: 'runner' });
  return (await generateGlue(await componentNew(empty, []))).files;
}

/** The whole package as one text, as tools take it that read no folder. */
export async function readWit(): Promise<string> {
  const names = (await readdir(WIT_FOLDER)).filter((name) => name.endsWith('.wit')).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(WIT_FOLDER, name), 'utf8')));
  return `package alga:extension;\n${texts.join('\n').replaceAll('package alga:extension;', '')}`;
}

function declarationsByInterface(files: Files): [interfaceName: string, declarations: string[]][] {
  const found: [string, string[]][] = [];
  for (const [name, bytes] of files) {
    if (!name.endsWith('.d.ts')) continue;
    const text = new TextDecoder().decode(bytes);
    const [, importName = ''] = /^\/\*\* @module Interface (\S+) \*\*\/$/m.exec(text) ?? [];
    const interfaceName = extensionInterface(importName);
    if (interfaceName === undefined) continue;
    // jco declares imports that suspend as promises, though not for interfaces with a version.
    const uncommented = text.replace(/\/\*\*.*?\*\//gs, '').replace(/\bPromise<(.+)>;$/gm, '$1;');
    found.push([
      interfaceName,
      uncommented
        .split(/^(?=\S)(?!\})/m)
        .map((part) => part.trim())
        .filter(Boolean),
    ]);
  }
  return found;
}
