import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import path from 'node:path';

// Run as a program by program.ts, in a process of its own: what strips the types is compiled for it, and takes memory that the runner
// would keep. `node strip-types.ts <root> <script> <folder>`: the script and all that it imports, as JavaScript.

/** As prettier leaves them once their types are gone. */
const IMPORT = /^((?:import|export)\b[^'";]*'\.{1,2}\/[^']+)\.ts';$/gm;

const [root, entry, folder] = process.argv.slice(2);
if (root === undefined || entry === undefined || folder === undefined) {
  throw new Error('usage: <root> <script> <folder>');
}
const files = new Set([entry]); // grows while it is walked
for (const file of files) {
  const typed = readFileSync(path.join(root, file), 'utf8');
  const plain = stripTypeScriptTypes(typed).replace(IMPORT, (_import, until: string) => {
    const specifier = until.slice(until.lastIndexOf("'") + 1);
    files.add(path.join(path.dirname(file), `${specifier}.ts`));
    return `${until}.mjs';`;
  });
  const target = path.join(folder, file.replace(/\.ts$/, '.mjs'));
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, plain);
}
