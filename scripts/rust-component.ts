import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { componentNew } from '@bytecodealliance/jco-transpile/wasm-tools';
import { findRustToolchain, RUST_TARGET, type RustToolchain } from './rust-toolchain.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '..');
/** One for all guests, since they have their standard library and most of their crates in common. */
const TARGET_FOLDER = join(ROOT, 'node_modules', '.cache', 'rust-guests');
const SOURCES = ['Cargo.toml', 'Cargo.lock', 'src/lib.rs'];

/** What a component is made of; the same gives the same component. */
export interface RustParts {
  folder: string;
  toolchain: RustToolchain;
  /** By file name. */
  sources: Readonly<Record<string, string>>;
}

/** Throws where there is no compiler for the target. */
export async function rustParts(folder: string): Promise<RustParts> {
  const toolchain = await findRustToolchain();
  if (!toolchain) throw new Error('no compiler for Rust guests: run "npm run rust-toolchain"');
  const wit = join(ROOT, 'wit');
  const files = [
    ...SOURCES.map((name) => join(folder, name)),
    ...(await readdir(wit)).sort().map((name) => join(wit, name)),
  ];
  const read = async (file: string): Promise<[string, string]> => [file, await readFile(file, 'utf8')];
  return { folder, toolchain, sources: Object.fromEntries(await Promise.all(files.map(read))) };
}

export async function compileRust({
  folder,
  toolchain: { cargo, args, env },
}: RustParts): Promise<Uint8Array> {
  const options = ['--release', '--locked', '--target', RUST_TARGET, '--target-dir', TARGET_FOLDER];
  await run(cargo, ['build', ...options, ...args, '--message-format=short'], {
    cwd: folder,
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
  });
  const [, name = ''] = /^name = "(.+)"$/m.exec(await readFile(join(folder, 'Cargo.toml'), 'utf8')) ?? [];
  const module = join(TARGET_FOLDER, RUST_TARGET, 'release', `${name.replaceAll('-', '_')}.wasm`);
  return componentNew(await readFile(module), []);
}
