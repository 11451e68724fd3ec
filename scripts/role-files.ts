import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { isBuiltin, stripTypeScriptTypes } from 'node:module';
import path from 'node:path';
import ts from 'typescript';
import { z } from 'zod';

// `node scripts/role-files.ts ROLE TARGET [INSTALLED]`: copies what one process of the platform consists of, and nothing else, for its container image.
// Packages are taken from below INSTALLED: one that is for development alone is missing there, and that is said.

const ROOT = path.resolve(import.meta.dirname, '..');

interface Role {
  entries: string[];
  /** Imported by an entry in a case that is not this role's. */
  without?: string[];
  /** Read by their path. */
  also?: string[];
}

/** What processes that speak to Temporal give its SDK by its path. */
const CONVERTER = 'platform/temporal/failure-converter.ts';

/** Beside `main.ts`, what is started or loaded by its path. */
const ROLES: Readonly<Record<string, Role>> = {
  gateway: { entries: ['api/main.ts', CONVERTER] },
  'lifecycle-worker': {
    entries: ['workers/main.ts', CONVERTER],
    without: ['workers/precompile-worker.ts'],
    also: ['dist/workflow-bundle.js'],
  },
  'precompile-worker': {
    entries: [
      'workers/main.ts',
      CONVERTER,
      'platform/component/precompile-child.ts',
      'platform/component/tools-thread.ts',
    ],
    without: ['workers/lifecycle-worker.ts'],
    also: ['wit'],
  },
  runner: {
    entries: [
      'runner/container/main.ts',
      'runner/assets/main.ts',
      'runner/errors/map-worker.ts',
      'runner/sandbox/child.ts',
      'runner/sandbox/strip-types.ts',
    ],
  },
  setup: {
    entries: ['secrets', 'prepare', 'example', 'keys'].map((name) => `starter/containers/${name}/main.ts`),
    also: ['examples/hello/manifest.json'],
  },
};

const lockfile = z.object({
  packages: z.record(
    z.string(),
    z.object({
      dependencies: z.record(z.string(), z.string()).default({}),
      optionalDependencies: z.record(z.string(), z.string()).default({}),
      peerDependencies: z.record(z.string(), z.string()).default({}),
    }),
  ),
});

export interface RoleFiles {
  /** Files of ours, below the root. */
  files: string[];
  /** Folders below the root, such as `node_modules/a/node_modules/b`; what is nested in them is listed on its own. */
  packages: string[];
}

/** What a role consists of. Throws for an unknown role, and for a package that is not installed below `installed`. */
export function roleFiles(role: string, installed = ROOT): RoleFiles {
  const said = ROLES[role];
  if (!said) throw new Error(`no role ${role}: ${Object.keys(ROLES).join(', ')}`);
  const files = new Set<string>();
  const names = new Set<string>();
  const open = [...said.entries];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (files.has(file) || said.without?.includes(file)) continue;
    files.add(file);
    for (const specifier of importsOf(file)) {
      if (specifier.startsWith('.')) open.push(path.join(path.dirname(file), specifier));
      else if (!isBuiltin(specifier)) names.add(packageOf(specifier));
    }
  }
  return {
    files: [...files, 'package.json', ...(said.also ?? [])].sort(),
    packages: withDependencies([...names], installed),
  };
}

/** What a file imports at run time, now or later. */
function importsOf(file: string): string[] {
  const source = stripTypeScriptTypes(readFileSync(path.join(ROOT, file), 'utf8'));
  return ts.preProcessFile(source).importedFiles.map(({ fileName }) => fileName);
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** The packages and all that they need, as the lockfile places them; optional ones of other machines are not installed. */
function withDependencies(names: readonly string[], installed: string): string[] {
  const { packages } = lockfile.parse(JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')));
  const found = new Set<string>();
  const open: { name: string; from: string; needed: boolean }[] = names.map((name) => ({
    name,
    from: '',
    needed: true,
  }));
  for (let next = open.pop(); next; next = open.pop()) {
    const { name, from, needed } = next;
    const place = placesFor(name, from).find((one) => packages[one] && existsSync(path.join(installed, one)));
    if (place === undefined && needed) throw new Error(`${name}, which ${from} needs, is not installed`);
    const entry = place === undefined ? undefined : packages[place];
    if (place === undefined || !entry || found.has(place)) continue;
    found.add(place);
    const add = (wanted: Record<string, string>, isNeeded: boolean): void => {
      for (const one of Object.keys(wanted)) open.push({ name: one, from: place, needed: isNeeded });
    };
    add(entry.dependencies, true);
    add(entry.optionalDependencies, false);
    add(entry.peerDependencies, false);
  }
  return [...found].sort();
}

/** Where Node would look for a package that one at `from` imports, the nearest first. */
function placesFor(name: string, from: string): string[] {
  const parts = from === '' ? [] : from.split('/node_modules/');
  const above = parts.map((_, at) => `${parts.slice(0, parts.length - at).join('/node_modules/')}/`);
  return [...above, ''].map((folder) => `${folder}node_modules/${name}`);
}

/** Temporal's core comes for five machines, 25 MB each. */
function isOfAnotherMachine(file: string): boolean {
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const [, release] = /\/core-bridge\/releases\/([^/]+)/.exec(file) ?? [];
  return release !== undefined && release !== `${machine}-unknown-linux-gnu`;
}

function copyRole(role: string, target: string, installed: string): void {
  const { files, packages } = roleFiles(role, installed);
  rmSync(target, { recursive: true, force: true });
  for (const file of files) cpSync(path.join(ROOT, file), path.join(target, file), { recursive: true });
  for (const folder of packages) {
    const nested = path.join(installed, folder, 'node_modules');
    cpSync(path.join(installed, folder), path.join(target, folder), {
      recursive: true,
      filter: (file) => file !== nested && !isOfAnotherMachine(file),
    });
  }
}

if (import.meta.main) {
  const [role, target, installed = ROOT] = process.argv.slice(2);
  if (role === undefined || target === undefined)
    throw new Error('usage: role-files.ts ROLE TARGET [INSTALLED]');
  copyRole(role, path.resolve(target), path.resolve(installed));
}
