import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What guests are compiled for: it imports nothing, not even WASI. */
export const RUST_TARGET = 'wasm32-unknown-unknown';
/**
 * Debian's compiler for its browsers is new enough for wit-bindgen, but comes without the target: its standard library is compiled from
 * source with the guest.
 */
const DEBIAN_PACKAGES = ['rustc-web', 'cargo-web', 'rust-web-src', 'lld-19'];
const DEBIAN_RUSTC = '/usr/bin/rustc';
const DEBIAN_CARGO = '/usr/bin/cargo';

/** A cargo that compiles guests. */
export interface RustToolchain {
  cargo: string;
  /** For `cargo build`. */
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  /** What `rustc --version` says. */
  version: string;
  /** For people: where it is from. */
  title: string;
}

/** The first that can compile guests: one with the target on PATH, or Debian's. Undefined where there is none. */
export async function findRustToolchain(): Promise<RustToolchain | undefined> {
  return (await ofPath()) ?? (await ofDebian());
}

async function ofPath(): Promise<RustToolchain | undefined> {
  const version = await versionOf('rustc');
  if (version === undefined) return undefined;
  const { stdout } = await run('rustc', ['--print', 'target-libdir', '--target', RUST_TARGET]);
  if (!existsSync(stdout.trim())) return undefined;
  return { cargo: 'cargo', args: [], env: {}, version, title: `${version} on PATH` };
}

async function ofDebian(): Promise<RustToolchain | undefined> {
  const version = await versionOf(DEBIAN_RUSTC);
  const linker = linkerOnPath();
  if (version === undefined || linker === undefined || !existsSync(DEBIAN_CARGO)) return undefined;
  const { stdout: sysroot } = await run(DEBIAN_RUSTC, ['--print', 'sysroot']);
  if (!existsSync(join(sysroot.trim(), 'lib/rustlib/src/rust/library/std'))) return undefined;
  return {
    cargo: DEBIAN_CARGO,
    args: ['-Zbuild-std=std,panic_abort'],
    env: {
      RUSTC: DEBIAN_RUSTC,
      RUSTC_BOOTSTRAP: '1', // -Z is not for everybody
      [`CARGO_TARGET_${RUST_TARGET.toUpperCase().replaceAll('-', '_')}_LINKER`]: linker,
    },
    version,
    title: `${version} of Debian, with its standard library compiled from source`,
  };
}

/** LLVM's linker, whose file may carry a version: `wasm-ld-19`. */
function linkerOnPath(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => existsSync(folder));
  return folders.flatMap((folder) => readdirSync(folder).filter((name) => /^wasm-ld(-\d+)?$/.test(name)))[0];
}

async function versionOf(rustc: string): Promise<string | undefined> {
  try {
    return (await run(rustc, ['--version'])).stdout.trim();
  } catch {
    return undefined; // it is not there, or rustup has none to run
  }
}

function canInstall(): boolean {
  return process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
}

/** Finds one or, as root on Debian, installs it. */
async function main(): Promise<void> {
  let toolchain = await findRustToolchain();
  if (!toolchain && canInstall()) {
    const apt = (...args: string[]): unknown =>
      execFileSync('apt-get', ['-qq', ...args], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      });
    apt('update');
    apt('install', '-y', '--no-install-recommends', ...DEBIAN_PACKAGES);
    toolchain = await findRustToolchain();
  }
  if (toolchain) {
    console.log(`Rust guests are compiled by ${toolchain.title}`);
    return;
  }
  console.error(
    `no compiler for Rust guests: "rustup target add ${RUST_TARGET}", or on Debian 12 "apt-get install ${DEBIAN_PACKAGES.join(' ')}"`,
  );
  process.exitCode = 1;
}

if (import.meta.main) await main();
