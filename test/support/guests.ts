import type { PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { findRustToolchain } from '../../scripts/rust-toolchain.ts';
import { precompiledComponent } from './components.ts';

// In CI a missing compiler is a failure; on a desk it is said aloud and passed over.
const rust = await findRustToolchain();
if (rust) console.log(`guests of Rust are compiled by ${rust.title}`);
else if (process.env['CI'] !== undefined) throw new Error('run "npm run rust-toolchain" first');
else console.warn('guests of Rust are passed over: "npm run rust-toolchain" says what compiles them');

/** Whether guests of Rust can be built here. */
export const hasRust = rust !== undefined;

export const TOOLCHAINS = ['StarlingMonkey', 'QuickJS', ...(hasRust ? (['Rust'] as const) : [])] as const;
export type Toolchain = (typeof TOOLCHAINS)[number];

/** An extension of ours that is there in JavaScript and in Rust; Rust's first build compiles its standard library. */
export async function precompiledGuest(
  name: 'hello' | 'hostile' | 'storing',
  toolchain: Toolchain,
  options: { memoryMb?: number } = {},
): Promise<PrecompiledArtifact> {
  if (toolchain === 'Rust') return precompiledComponent(`rust-${name}`, options);
  const engine = toolchain === 'QuickJS' ? 'quickjs' : 'starlingmonkey';
  return precompiledComponent(name, { engine, ...options });
}

/** Time for a first build on a machine that is busy. */
export const BUILD_WITHIN_MS = 15 * 60_000;
