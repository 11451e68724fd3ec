import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { componentNew } from '@bytecodealliance/jco-transpile/wasm-tools';
import { findRustToolchain, RUST_TARGET, type RustToolchain } from './rust-toolchain.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '..');
/** One for all guests, since they have their standard library and most of their crates in common. */
const TARGET_FOLDER = join(ROOT, 'node_modules', '.cache', 'rust-guests');
const SOURCES = ['Cargo.toml', 'Cargo.lock', 'src/lib.rs'];

/** The crates whose components are kept. */
export const RUST_GUESTS = ['examples/rust-hello', 'test/fixtures/components/rust-hostile'] as const;

/** A component that was compiled and is kept beside its sources, and what says of which sources it is. */
const KEPT_COMPONENT = 'component.wasm';
const KEPT_ORIGIN = 'component.json';

/** What a component is made of; the same gives the same component. */
export interface RustParts {
  folder: string;
  toolchain: RustToolchain;
  /** By file name. */
  sources: Readonly<Record<string, string>>;
}

/** Of which sources a kept component is, by what it was compiled, and the SHA-256 of its bytes. */
interface Origin {
  sources: string;
  rustc: string;
  component: string;
}

/** Throws where there is no compiler for the target. */
export async function rustParts(folder: string): Promise<RustParts> {
  const toolchain = await findRustToolchain();
  if (!toolchain) throw new Error('no compiler for Rust guests: run "npm run rust-toolchain"');
  return { folder, toolchain, sources: await readSources(folder) };
}

async function readSources(folder: string): Promise<RustParts['sources']> {
  const wit = join(ROOT, 'wit');
  const files = [
    ...SOURCES.map((name) => join(folder, name)),
    ...(await readdir(wit)).sort().map((name) => join(wit, name)),
  ];
  const read = async (file: string): Promise<[string, string]> => [
    relative(ROOT, file),
    await readFile(file, 'utf8'),
  ];
  return Object.fromEntries(await Promise.all(files.map(read)));
}

/** Compiles the crate and keeps the component beside it, for whoever has no compiler. */
export async function keepRust(folder: string): Promise<Origin> {
  const parts = await rustParts(folder);
  const component = await compileRust(parts);
  const origin = {
    sources: sha256(JSON.stringify(parts.sources)),
    rustc: parts.toolchain.version,
    component: sha256(component),
  };
  await writeFile(join(folder, KEPT_COMPONENT), component);
  await writeFile(join(folder, KEPT_ORIGIN), `${JSON.stringify(origin, null, 2)}\n`);
  return origin;
}

/** The component that is kept beside a crate. Throws if it is of other sources than those that are there, or not as it was kept. */
export async function keptRust(folder: string): Promise<{ component: Uint8Array; origin: Origin }> {
  const component = await readFile(join(folder, KEPT_COMPONENT));
  const origin = JSON.parse(await readFile(join(folder, KEPT_ORIGIN), 'utf8')) as Origin;
  const name = join(relative(ROOT, folder), KEPT_COMPONENT);
  if (origin.sources !== sha256(JSON.stringify(await readSources(folder)))) {
    throw new Error(
      `${name} is of other sources than those beside it and wit/: run "npm run keep-rust-guests"`,
    );
  }
  if (origin.component !== sha256(component)) throw new Error(`${name} is not what was kept: restore it`);
  return { component, origin };
}

function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export async function compileRust({
  folder,
  toolchain: { cargo, args, env },
}: RustParts): Promise<Uint8Array> {
  // Places in sources that the component names are to be the same on each machine.
  const cargoHome = process.env['CARGO_HOME'] ?? join(homedir(), '.cargo');
  const remap = [`${cargoHome}=/cargo`, `${ROOT}=/platform`].map((pair) => `--remap-path-prefix=${pair}`);
  const options = ['--release', '--locked', '--target', RUST_TARGET, '--target-dir', TARGET_FOLDER];
  await run(cargo, ['build', ...options, ...args, '--message-format=short'], {
    cwd: folder,
    env: { ...process.env, ...env, RUSTFLAGS: remap.join(' ') },
    maxBuffer: 64 * 1024 * 1024,
  });
  const [, name = ''] = /^name = "(.+)"$/m.exec(await readFile(join(folder, 'Cargo.toml'), 'utf8')) ?? [];
  const module = join(TARGET_FOLDER, RUST_TARGET, 'release', `${name.replaceAll('-', '_')}.wasm`);
  return componentNew(await readFile(module), []);
}
